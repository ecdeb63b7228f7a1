/* All 512 bytes of stack are the program's own: one hint, read at once. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
} CORE;

/* The 64 slots, by hand: clang keeps one of them for itself. */
#define SLOTS(insn) \
	".irp n, 8,16,24,32,40,48,56,64,72,80,88,96,104,112,120,128,136,144,152,160,168," \
	"176,184,192,200,208,216,224,232,240,248,256,264,272,280,288,296,304,312,320,328," \
	"336,344,352,360,368,376,384,392,400,408,416,424,432,440,448,456,464,472,480,488," \
	"496,504,512\n" insn "\n.endr\n"

SEC("xdp") int full_stack(struct xdp_md *ctx)
{
	__u64 sum = 0, hash, seven = 7;

	asm volatile(SLOTS("*(u64 *)(r10 - \\n) = %0") : : "r"(seven) : "memory");
	hash = hintjit_rx(ctx)->rx_hash;
	asm volatile(SLOTS("r0 = *(u64 *)(r10 - \\n)\n%0 += r0") : "+r"(sum) : : "r0", "memory");
	out[0] = hash;
	out[1] = sum;
	return XDP_PASS;
}
