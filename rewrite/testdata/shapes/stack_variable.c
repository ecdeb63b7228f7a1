/* A value that this NIC never gives lies on the stack, and an address that is
 * not known until the program runs overwrites it: it is no constant any more. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u16 l3_offset;
} CORE;

SEC("xdp") int stack_variable(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u8 *p = data(ctx);
	volatile __u64 a[2], x, y, *q;

	if (p + 1 > (__u8 *)data_end(ctx))
		return XDP_DROP;
	a[0] = a[1] = x = y = h->l3_offset;
	a[*p & 1] = 0x10005;
	if (a[0] == 0x10005)
		out[0] = 1;
	if (a[1] == 0x10005)
		out[1] = 1;

	q = *p & 2 ? &x : &y;
	*q = 0x10006;
	if (x == 0x10006)
		out[2] = 1;
	if (y == 0x10006)
		out[3] = 1;
	out[4] = h->rx_hash;
	return XDP_PASS;
}
