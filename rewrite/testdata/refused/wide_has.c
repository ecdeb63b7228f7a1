/* A presence bit is one bit wide. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u8 has_rx_hash : 2;
} CORE;

SEC("xdp") int wide_has(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = h->has_rx_hash; /* refused: has_rx_hash */
	return XDP_PASS;
}
