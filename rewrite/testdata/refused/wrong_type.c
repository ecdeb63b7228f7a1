/* A hint is a number: four bytes of array are not. */
#include "shapes.h"

struct hintjit_rx {
	__u8 rx_hash[4]; /* refused declaration: rx_hash */
} CORE;

SEC("xdp") int wrong_type(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = h->rx_hash[1];
	return XDP_PASS;
}
