/* As all_registers, and the pointer lives on: two loads, each into a register
 * whose old value was live until then. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
};

SEC("xdp") int all_registers_keep(struct xdp_md *ctx)
{
	register const struct hintjit_rx *h asm("r9") = hintjit_rx(ctx);
	register __u64 sum asm("r0");
	register __u64 hash asm("r1");
	register __u64 ptype asm("r9");

	asm volatile("r0 = 1; r1 = 1; r2 = 2; r3 = 3; r4 = 4; r5 = 5;"
		     "r6 = 6; r7 = 7; r8 = 8;"
		     "r0 += r1;"
		     "r1 = *(u32 *)(r9 + 0);"
		     "r9 = *(u32 *)(r9 + 4);"
		     "r0 <<= 4; r0 += r2; r0 <<= 4; r0 += r3; r0 <<= 4; r0 += r4; r0 <<= 4;"
		     "r0 += r5; r0 <<= 4; r0 += r6; r0 <<= 4; r0 += r7; r0 <<= 4; r0 += r8;"
		     : "=r"(sum), "=r"(hash), "=r"(ptype)
		     : "r"(h)
		     : "r2", "r3", "r4", "r5", "r6", "r7", "r8");
	out[0] = sum;
	out[1] = hash;
	out[2] = ptype;
	return XDP_PASS;
}
