#include "refused.h"

char LICENSE[] SEC("license") = "GPL";

static __attribute__((noinline)) int count(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	char buffer[320] = {};

	bpf_xdp_load_bytes(ctx, 0, buffer, sizeof(buffer));
	return buffer[h->rx_hash & 63] + h->vlan_tci;
}

SEC("xdp") int stack(struct xdp_md *ctx)
{
	char buffer[200] = {};

	bpf_xdp_load_bytes(ctx, 0, buffer, sizeof(buffer));
	return count(ctx) + buffer[1] ? XDP_PASS : XDP_DROP;
}
