/* Every register but one is live around a test of presence, on both of its ways,
 * and the test needs more than one. */
#include "shapes.h"

struct hintjit_rx {
	__u32 flow_mark, has_flow_mark : 1;
};

SEC("xdp") int all_registers_branch(struct xdp_md *ctx)
{
	register const struct hintjit_rx *h asm("r1") = hintjit_rx(ctx);
	register __u64 sum asm("r0");

	asm volatile("r0 = 1; r2 = 2; r3 = 3; r4 = 4; r5 = 5;"
		     "r6 = 6; r7 = 7; r8 = 8; r9 = 9;"
		     "r1 = *(u32 *)(r1 + 4);"
		     "if r1 == 0 goto 1f;"
		     "r0 += 1;"
		     "1: r0 <<= 4; r0 += r2; r0 <<= 4; r0 += r3; r0 <<= 4; r0 += r4; r0 <<= 4;"
		     "r0 += r5; r0 <<= 4; r0 += r6; r0 <<= 4; r0 += r7; r0 <<= 4;"
		     "r0 += r8; r0 <<= 4; r0 += r9;"
		     : "=r"(sum), "+r"(h)
		     :
		     : "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9");
	out[0] = sum;
	return XDP_PASS;
}
