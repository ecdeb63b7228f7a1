/* The stack slot that held the pointer holds something else later, and the
 * other way round: what a slot is depends on where one is. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u32 ptype;
};

SEC("xdp") int slot_reused(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u64 a, b, c;

	asm volatile("*(u64 *)(r10 - 8) = %[h];"
		     "r1 = 7;"
		     "%[a] = *(u64 *)(r10 - 8);"
		     "%[a] = *(u32 *)(%[a] + 0);"
		     "*(u64 *)(r10 - 8) = r1;"
		     "%[b] = *(u64 *)(r10 - 8);"
		     "*(u64 *)(r10 - 8) = %[h];"
		     "%[c] = *(u64 *)(r10 - 8);"
		     "%[c] = *(u32 *)(%[c] + 4);"
		     : [a] "=&r"(a), [b] "=&r"(b), [c] "=&r"(c)
		     : [h] "r"(h)
		     : "r1", "memory");
	out[0] = a;
	out[1] = b;
	out[2] = c;
	return XDP_PASS;
}
