/* The callback gets at the context through its own state, and calls hintjit_rx
 * itself. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
} CORE;

struct state {
	struct xdp_md *ctx;
};

static int each(__u32 i, struct state *s)
{
	out[1] += hintjit_rx(s->ctx)->rx_hash;
	return i == 2;
}

SEC("xdp") int loop_callback_call(struct xdp_md *ctx)
{
	struct state s = {ctx};

	out[0] = bpf_loop(8, each, &s, 0);
	return XDP_PASS;
}
