/* hintjit_rx is called in a loop whose body gives the metadata area up: from the
 * second time on it is gone. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u8 has_rx_hash : 1;
} CORE;

SEC("xdp") int adjust_in_loop(struct xdp_md *ctx)
{
	__u64 sum = 0;

#pragma clang loop unroll(disable)
	for (int i = 0; i < 3; i++) {
		const struct hintjit_rx *h = hintjit_rx(ctx);

		sum = 7 * sum + h->rx_hash + h->has_rx_hash;
		bpf_xdp_adjust_meta(ctx, data(ctx) - data_meta(ctx));
		bpf_xdp_adjust_head(ctx, 4);
	}
	out[0] = sum;
	return XDP_PASS;
}
