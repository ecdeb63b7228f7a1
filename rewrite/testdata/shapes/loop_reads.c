/* One call, and reads in a loop; the pointer is the loop's invariant. */
#include "shapes.h"

struct hintjit_rx {
	__u16 vlan_tci;
	__u32 rx_hash;
	__u32 pkt_len;
} CORE;

SEC("xdp") int loop_reads(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u64 sum = 0;

#pragma clang loop unroll(disable)
	for (int i = 0; i < 4; i++) {
		asm volatile("" : "+r"(h), "+r"(sum));
		sum = 3 * sum + h->rx_hash + h->vlan_tci;
		if (sum & 1)
			sum += h->pkt_len;
	}
	out[0] = sum;
	return XDP_PASS;
}
