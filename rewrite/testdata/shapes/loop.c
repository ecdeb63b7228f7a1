/* hintjit_rx is called in a loop. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u8 has_rx_hash : 1;
} CORE;

SEC("xdp") int loop(struct xdp_md *ctx)
{
	__u64 sum = 0;

#pragma clang loop unroll(disable)
	for (int i = 1; i <= 5; i++) {
		const struct hintjit_rx *h = hintjit_rx(ctx);

		sum += i * (__u64)h->rx_hash + h->has_rx_hash;
	}
	out[0] = sum;
	return XDP_PASS;
}
