/* hintjit_rx is called after the program wrote over the metadata area. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
	__u8 has_rx_hash : 1;
} CORE;

SEC("xdp") int call_after_meta_write(struct xdp_md *ctx)
{
	volatile __u32 *m = data_meta(ctx);
	const struct hintjit_rx *h;

	if ((void *)(m + 4) <= data(ctx))
		m[0] = m[1] = m[2] = m[3] = 0xffffffff;
	asm volatile("" : : : "memory");
	h = hintjit_rx(ctx);
	out[0] = h->rx_hash;
	out[1] = h->ptype;
	out[2] = h->has_rx_hash;
	return XDP_PASS;
}
