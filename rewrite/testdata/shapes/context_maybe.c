/* The context is in a register on one way only, and the metadata is changed
 * through it there, before the descriptor is asked for. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u32 ptype;
	__u32 has_rx_hash : 1;
} CORE;

SEC("xdp") int context_maybe(struct xdp_md *ctx)
{
	const struct hintjit_rx *h;
	struct xdp_md *c;
	__u8 *p = data(ctx);

	if (p + 1 > (__u8 *)data_end(ctx))
		return XDP_DROP;
	asm volatile("%[c] = %[ctx];"
		     "if %[way] != 0 goto +1;"
		     "%[c] = 0;"
		     : [c] "=&r"(c)
		     : [ctx] "r"(ctx), [way] "r"(*p & 1));
	if (c) {
		__u64 *m = data_meta(c);

		if ((void *)(m + 2) <= data(c)) {
			m[0] = ~0ull;
			m[1] = ~0ull;
		}
	}
	h = hintjit_rx(ctx);
	out[0] = h->rx_hash;
	out[1] = h->ptype;
	out[2] = h->has_rx_hash;
	return XDP_PASS;
}
