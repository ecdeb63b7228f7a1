/* The pointer is a member of the callback's context, beside other state. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
	__u8 has_ptype : 1;
} CORE;

struct state {
	__u64 sum;
	const struct hintjit_rx *h;
};

static int each(__u32 i, struct state *s)
{
	s->sum += s->h->rx_hash + i;
	return 0;
}

SEC("xdp") int loop_callback_struct(struct xdp_md *ctx)
{
	struct state s = {.h = hintjit_rx(ctx)};

	out[0] = bpf_loop(4, each, &s, 0);
	out[1] = s.sum;
	out[2] = s.h->ptype;
	return XDP_PASS;
}
