/* The pointer itself goes into the packet. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
} CORE;

SEC("xdp") int stored_in_packet(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u64 *p = data(ctx);

	if ((void *)(p + 1) > data_end(ctx))
		return XDP_DROP;
	*p = (__u64)h; /* refused: store */
	return XDP_PASS;
}
