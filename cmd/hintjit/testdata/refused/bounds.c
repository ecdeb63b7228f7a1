#include "refused.h"

char LICENSE[] SEC("license") = "GPL";

static __attribute__((noinline)) int ttl(struct xdp_md *ctx)
{
	unsigned char *data = (void *)(long)ctx->data;

	return data[22]; /* at fault */
}

static __attribute__((noinline)) int first(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	return h->vlan_tci + ttl(ctx);
}

static __attribute__((noinline)) int after(struct xdp_md *ctx)
{
	return ctx->rx_queue_index;
}

SEC("xdp") int bounds(struct xdp_md *ctx)
{
	return first(ctx) + after(ctx) > 3 ? XDP_PASS : XDP_DROP;
}
