/* Two pointers, old and new, that change places in a loop. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
} CORE;

SEC("xdp") int loop_moves(struct xdp_md *ctx)
{
	const struct hintjit_rx *a = hintjit_rx(ctx), *b = hintjit_rx(ctx), *t;
	__u64 sum = 0;

#pragma clang loop unroll(disable)
	for (int i = 0; i < 3; i++) {
		sum = 5 * sum + a->rx_hash + 3 * (__u64)b->ptype;
		t = a;
		a = b;
		b = t;
		HIDE(a);
		HIDE(b);
	}
	out[0] = sum;
	return XDP_PASS;
}
