/* A global function gets the context and calls hintjit_rx itself. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u8 has_rx_hash : 1;
} CORE;

__noinline int low(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[1] = h->has_rx_hash;
	return h->rx_hash & 0xffff;
}

SEC("xdp") int sub_call_global(struct xdp_md *ctx)
{
	out[0] = low(ctx);
	return XDP_PASS;
}
