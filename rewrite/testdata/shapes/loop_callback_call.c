/* The callback's context is the program's: it calls hintjit_rx itself. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
} CORE;

static int each(__u32 i, struct xdp_md *ctx)
{
	out[1] += hintjit_rx(ctx)->rx_hash;
	return i == 2;
}

SEC("xdp") int loop_callback_call(struct xdp_md *ctx)
{
	out[0] = bpf_loop(8, each, ctx, 0);
	return XDP_PASS;
}
