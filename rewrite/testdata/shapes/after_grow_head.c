/* The packet grows at its head, over the place where the descriptor was. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
	__u8 has_rx_hash : 1;
} CORE;

SEC("xdp") int after_grow_head(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u64 *p;

	out[0] = bpf_xdp_adjust_head(ctx, -16);
	p = data(ctx);
	if ((void *)(p + 2) > data_end(ctx))
		return XDP_DROP;
	p[0] = 0x1111111111111111;
	p[1] = 0x2222222222222222;
	out[1] = h->rx_hash;
	out[2] = h->ptype;
	out[3] = h->has_rx_hash;
	return XDP_TX;
}
