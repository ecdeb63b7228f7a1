/* The pointer is either hintjit_rx's or one to a struct of the program's own. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
	__u8 has_rx_hash : 1;
} CORE;

SEC("xdp") int merged(struct xdp_md *ctx)
{
	struct hintjit_rx own = {.rx_hash = 77, .has_rx_hash = 1};
	const struct hintjit_rx *h = &own;
	__u8 *p = data(ctx);

	ESCAPE(h);
	if ((void *)(p + 14) > data_end(ctx))
		return XDP_DROP;
	if (p[0] & 1)
		h = hintjit_rx(ctx);
	HIDE(h);
	out[0] = h->rx_hash;
	out[1] = h->ptype;
	out[2] = h->has_rx_hash;
	return XDP_PASS;
}
