#include "refused.h"

char LICENSE[] SEC("license") = "GPL";

/* Ways that the verifier can not take for one another: each leaves another sum. */
SEC("xdp") int ways(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u32 sum = 0;

	if (h->rx_hash & 1)
		return XDP_DROP;
#pragma unroll
	for (int i = 0; i < 24; i++) {
		if (bpf_get_prandom_u32() & 1)
			asm volatile("%0 += %1" : "+r"(sum) : "i"(1 << i));
	}
	return sum > 7 ? XDP_PASS : XDP_DROP;
}
