/* A member that no layout knows: absent, with a warning that names it. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u32 rx_hsah;
	__u8 has_rx_hash : 1, has_rx_hsah : 1;
} CORE;

SEC("xdp") int unknown_member(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = h->rx_hash;
	out[1] = h->rx_hsah;
	out[2] = h->has_rx_hash;
	out[3] = h->has_rx_hsah;
	return XDP_PASS;
}
