/* Every register is live around the hint load: there is no scratch register. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
};

SEC("xdp") int all_registers(struct xdp_md *ctx)
{
	register const struct hintjit_rx *h asm("r1") = hintjit_rx(ctx);
	register __u64 sum asm("r0");
	register __u64 hash asm("r1");

	asm volatile("r0 = 1; r2 = 2; r3 = 3; r4 = 4; r5 = 5;"
		     "r6 = 6; r7 = 7; r8 = 8; r9 = 9;"
		     "r1 = *(u32 *)(r1 + 0);"
		     "r0 += r2; r0 <<= 4; r0 += r3; r0 <<= 4; r0 += r4; r0 <<= 4;"
		     "r0 += r5; r0 <<= 4; r0 += r6; r0 <<= 4; r0 += r7; r0 <<= 4;"
		     "r0 += r8; r0 <<= 4; r0 += r9;"
		     : "=r"(sum), "=r"(hash)
		     : "r"(h)
		     : "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9");
	out[0] = sum;
	out[1] = hash;
	return XDP_PASS;
}
