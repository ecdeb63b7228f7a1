/* hintjit_rx is called in each of several branches, and its results meet. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u32 ptype;
	__u8 has_ptype : 1;
} CORE;

SEC("xdp") int branches(struct xdp_md *ctx)
{
	__u8 *p = data(ctx);
	const struct hintjit_rx *h;

	if ((void *)(p + 14) > data_end(ctx))
		return XDP_DROP;
	if (p[0] & 1) {
		h = hintjit_rx(ctx);
		out[0] = h->rx_hash;
	} else {
		h = hintjit_rx(ctx);
		out[1] = h->ptype;
	}
	out[2] = h->has_ptype;
	if (p[1] & 1)
		return XDP_TX;
	out[3] = hintjit_rx(ctx)->rx_hash;
	return XDP_PASS;
}
