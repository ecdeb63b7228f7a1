/* Results of two calls live at the same time, with a helper between, and one of
 * them chosen by a condition. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
	__u8 has_ptype : 1;
} CORE;

SEC("xdp") int two_live(struct xdp_md *ctx)
{
	const struct hintjit_rx *a = hintjit_rx(ctx), *b, *c;

	bpf_ktime_get_ns();
	b = hintjit_rx(ctx);
	c = ctx->rx_queue_index == 0 ? a : b;
	HIDE(c);
	out[0] = a->rx_hash;
	out[1] = b->ptype;
	out[2] = c->has_ptype;
	out[3] = b->rx_hash + a->ptype;
	return XDP_PASS;
}
