/* The pointer is tested although it is never NULL, as a habit or a compiler may
 * have it. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
} CORE;

SEC("xdp") int null_test(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	if (!h)
		return XDP_ABORTED;
	out[0] = h->rx_hash;
	out[1] = h == 0;
	return XDP_PASS;
}
