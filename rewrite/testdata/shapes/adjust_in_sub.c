/* The metadata area is given up in a static function, before hintjit_rx is
 * called: the call that changes it has no name that tells. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u8 has_rx_hash : 1;
} CORE;

static __noinline int drop_meta(struct xdp_md *ctx)
{
	return bpf_xdp_adjust_meta(ctx, data(ctx) - data_meta(ctx));
}

SEC("xdp") int adjust_in_sub(struct xdp_md *ctx)
{
	const struct hintjit_rx *h;

	out[0] = drop_meta(ctx);
	h = hintjit_rx(ctx);
	out[1] = h->rx_hash;
	out[2] = h->has_rx_hash;
	return XDP_PASS;
}
