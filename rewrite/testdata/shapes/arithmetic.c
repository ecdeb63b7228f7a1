/* Hints as operands: compared with each other, in 32 and 64 bits, multiplied,
 * used as a shift's distance. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, pkt_len, ptype;
	__u16 vlan_tci;
} CORE;

SEC("xdp") int arithmetic(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = h->rx_hash > h->ptype;
	out[1] = h->rx_hash - h->pkt_len;
	out[2] = (__u64)h->rx_hash * h->vlan_tci;
	out[3] = 1ULL << (h->vlan_tci & 63);
	out[4] = h->rx_hash % 7;
	out[5] = ((__u64)h->rx_hash * 5) >> 32;
	return (int)h->rx_hash < 0 ? XDP_TX : XDP_PASS;
}
