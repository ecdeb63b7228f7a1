/* A member's address is taken: the load goes through a pointer into the struct. */
#include "shapes.h"

struct hintjit_rx {
	__u32 pkt_len;
	__u32 rx_hash;
	__u16 vlan_tci;
} CORE;

SEC("xdp") int address(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	const __u32 *hash = &h->rx_hash;
	const __u16 *tci = &h->vlan_tci;

	HIDE(hash);
	HIDE(tci);
	out[0] = *hash;
	out[1] = *tci;
	out[2] = h->pkt_len;
	return XDP_PASS;
}
