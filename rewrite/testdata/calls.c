/* Functions that loaders put behind the program in orders of their own. */
#include "shapes/shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
} CORE;

static __noinline int third(struct xdp_md *ctx)
{
	return ctx->rx_queue_index;
}

static __noinline int second(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	return h->rx_hash + third(ctx);
}

static __noinline int another(struct xdp_md *ctx)
{
	return ctx->ingress_ifindex;
}

SEC("xdp") int calls(struct xdp_md *ctx)
{
	return second(ctx) + another(ctx) > 3 ? XDP_PASS : XDP_DROP;
}
