#include "refused.h"

char LICENSE[] SEC("license") = "GPL";

SEC("xdp") int hints(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx); /* at fault */

	return h->has_rx_hash && h->rx_hash & 1 ? XDP_PASS : XDP_DROP;
}
