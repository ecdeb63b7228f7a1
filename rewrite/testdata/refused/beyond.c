/* A load beyond the struct's end. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
};

SEC("xdp") int beyond(struct xdp_md *ctx)
{
	const __u32 *h = (const void *)hintjit_rx(ctx);

	out[0] = h[5]; /* refused: */
	return XDP_PASS;
}
