/* rx_hash has four bytes on every NIC. */
#include "shapes.h"

struct hintjit_rx {
	__u64 rx_hash; /* refused declaration: rx_hash */
} CORE;

SEC("xdp") int wrong_size(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = h->rx_hash;
	return XDP_PASS;
}
