/* The metadata area is written over in a callback, before hintjit_rx is called. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
} CORE;

struct state {
	struct xdp_md *ctx;
};

static int each(__u32 i, struct state *s)
{
	__u32 *m = data_meta(s->ctx);

	if ((void *)(m + 4) <= data(s->ctx))
		m[0] = m[1] = m[2] = m[3] = 0xffffffff;
	return 0;
}

SEC("xdp") int adjust_in_callback(struct xdp_md *ctx)
{
	struct state s = {ctx};
	const struct hintjit_rx *h;

	bpf_loop(4, each, &s, 0);
	h = hintjit_rx(ctx);
	out[0] = h->rx_hash;
	out[1] = h->ptype;
	return XDP_PASS;
}
