/* hintjit_rx is called after the metadata area was made shorter at its start,
 * and nothing else was done to it: the descriptor is where it was, and
 * data_meta is not. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
	__u8 has_rx_hash : 1;
} CORE;

SEC("xdp") int call_after_shift_meta(struct xdp_md *ctx)
{
	const struct hintjit_rx *h;

	if (bpf_xdp_adjust_meta(ctx, 4))
		return XDP_ABORTED;
	h = hintjit_rx(ctx);
	out[0] = h->rx_hash;
	out[1] = h->ptype;
	out[2] = h->has_rx_hash;
	return XDP_PASS;
}
