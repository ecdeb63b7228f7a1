/* hintjit_rx is called after the metadata area was given up and a new one made,
 * which is large enough to be taken for a descriptor. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
	__u8 has_rx_hash : 1;
} CORE;

SEC("xdp") int call_after_adjust_meta(struct xdp_md *ctx)
{
	const struct hintjit_rx *h;
	__u64 *m;

	if (bpf_xdp_adjust_meta(ctx, data(ctx) - data_meta(ctx)))
		return XDP_ABORTED;
	if (bpf_xdp_adjust_meta(ctx, -64))
		return XDP_ABORTED;
	m = data_meta(ctx);
	if ((void *)(m + 8) > data(ctx))
		return XDP_DROP;
#pragma clang loop unroll(full)
	for (int i = 0; i < 8; i++)
		m[i] = ~0ULL;
	h = hintjit_rx(ctx);
	out[0] = h->rx_hash;
	out[1] = h->ptype;
	out[2] = h->has_rx_hash;
	return XDP_PASS;
}
