/* *(cond ? &h->a : &h->b): one load, two members, no CO-RE record on it. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u32 ptype;
	__u32 flow_mark;
} CORE;

SEC("xdp") int address_select(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u8 *p = data(ctx);
	const __u32 *m;

	if ((void *)(p + 14) > data_end(ctx))
		return XDP_DROP;
	m = p[0] & 1 ? &h->rx_hash : &h->ptype;
	HIDE(m);
	out[0] = *m;
	out[1] = *(p[1] & 1 ? &h->flow_mark : &h->rx_hash);
	return XDP_PASS;
}
