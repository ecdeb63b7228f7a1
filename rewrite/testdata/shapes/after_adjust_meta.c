/* Hints are read after the metadata area was given up. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
	__u8 has_rx_hash : 1;
} CORE;

SEC("xdp") int after_adjust_meta(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = bpf_xdp_adjust_meta(ctx, data(ctx) - data_meta(ctx));
	out[1] = h->rx_hash;
	out[2] = h->ptype;
	out[3] = h->has_rx_hash;
	return XDP_PASS;
}
