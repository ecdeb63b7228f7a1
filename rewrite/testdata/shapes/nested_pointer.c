/* The pointer is in a struct that a callback gets at through another struct. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u32 ptype;
} CORE;

struct inner { const struct hintjit_rx *h; __u64 sum; };
struct outer { __u64 pad; struct inner *in; };

static long add(__u32 i, struct outer *o)
{
	o->in->sum += o->in->h->rx_hash;
	return 0;
}

SEC("xdp") int nested_pointer(struct xdp_md *ctx)
{
	struct outer o;
	struct inner in;

	in.h = hintjit_rx(ctx);
	in.sum = 0;
	o.pad = 7;
	o.in = &in;
	ESCAPE(&o);
	bpf_loop(3, add, &o, 0);
	out[0] = in.sum;
	out[1] = in.h->ptype;
	return XDP_PASS;
}
