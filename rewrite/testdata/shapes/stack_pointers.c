/* Pointers on the stack, read and written through an address that is one or the
 * other on different ways. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u32 ptype;
} CORE;

SEC("xdp") int stack_pointers(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	struct hintjit_rx own = {11, 12};
	const struct hintjit_rx *volatile a = h, *volatile b = &own, *volatile *q;
	__u8 *p = data(ctx);

	ESCAPE(&own);
	if (p + 1 > (__u8 *)data_end(ctx))
		return XDP_DROP;
	q = *p & 1 ? &a : &b;
	out[0] = (*q)->rx_hash;
	q = *p & 2 ? &a : &b;
	*q = &own;
	out[1] = a->ptype;
	return XDP_PASS;
}
