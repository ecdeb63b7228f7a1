/* hintjit_rx is called late: after other work, helpers and early returns. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u8 has_rx_hash : 1;
} CORE;

SEC("xdp") int late_call(struct xdp_md *ctx)
{
	__u8 *p = data(ctx);
	__u64 sum = 0;
	const struct hintjit_rx *h;

	if ((void *)(p + 32) > data_end(ctx))
		return XDP_DROP;
	if (p[31] & 1)
		return XDP_TX;
#pragma clang loop unroll(disable)
	for (int i = 0; i < 32; i++)
		sum += p[i];
	out[0] = sum;
	bpf_get_smp_processor_id();
	h = hintjit_rx(ctx);
	out[1] = h->has_rx_hash ? h->rx_hash : sum;
	return XDP_PASS;
}
