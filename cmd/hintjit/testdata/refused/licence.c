#include "refused.h"

char LICENSE[] SEC("license") = "MIT";

SEC("xdp") int licence(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	bpf_printk("hash %x", h->rx_hash); /* at fault */
	return XDP_PASS;
}
