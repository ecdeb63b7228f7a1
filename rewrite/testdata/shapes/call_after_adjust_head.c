/* hintjit_rx is called after the packet's head moved: the hints are those of the
 * packet at entry. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
} CORE;

SEC("xdp") int call_after_adjust_head(struct xdp_md *ctx)
{
	const struct hintjit_rx *h;

	out[0] = bpf_xdp_adjust_head(ctx, 20);
	h = hintjit_rx(ctx);
	out[1] = h->rx_hash;
	out[2] = h->ptype;
	return XDP_PASS;
}
