/* Hints are read after the packet was cut. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, pkt_len;
	__u8 has_pkt_len : 1;
} CORE;

SEC("xdp") int after_adjust_tail(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = bpf_xdp_adjust_tail(ctx, -8);
	out[1] = h->rx_hash;
	out[2] = h->pkt_len;
	out[3] = h->has_pkt_len;
	return XDP_PASS;
}
