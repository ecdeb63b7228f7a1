#include "refused.h"

char LICENSE[] SEC("license") = "GPL";

SEC("xdp") int helper(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u32 word = h->rx_hash;

	bpf_skb_load_bytes(ctx, 0, &word, sizeof(word)); /* at fault */
	return word & 1;
}
