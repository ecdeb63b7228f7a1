/* The pointer is the context of a bpf_loop callback. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
	__u8 has_ptype : 1;
} CORE;

static int each(__u32 i, const struct hintjit_rx *h)
{
	out[1] += h->rx_hash + i;
	out[2] = h->has_ptype;
	return 0;
}

SEC("xdp") int loop_callback(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = bpf_loop(4, each, (void *)h, 0);
	out[3] = h->ptype;
	return XDP_PASS;
}
