/* Presence bits in storage units of eight and two bytes: clang picks the load's
 * width from the unit or narrows it, as the CPU level likes. */
#include "shapes.h"

struct hintjit_rx {
	__u64 has_rx_hash : 1;
	__u64 : 30;
	__u64 has_ptype : 1;
	__u64 : 31;
	__u64 has_vlan_tci : 1;
	__u16 has_pkt_len : 1;
} CORE;

SEC("xdp") int has_wide(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = h->has_rx_hash;
	out[1] = h->has_ptype;
	out[2] = h->has_vlan_tci;
	out[3] = h->has_pkt_len;
	return h->has_rx_hash && h->has_vlan_tci ? XDP_TX : XDP_PASS;
}
