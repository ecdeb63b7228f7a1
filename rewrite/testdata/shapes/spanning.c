/* One load over several members, as memcpy of a pair of them gives: rx_hash and
 * ptype in eight bytes, vlan_tci and the bits after it in four. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
	__u16 vlan_tci;
	__u8 csum_status;
	__u8 has_rx_hash : 1, has_ptype : 1, has_vlan_tci : 1, has_csum_status : 1;
} CORE;

SEC("xdp") int spanning(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = *(const volatile __u64 *)&h->rx_hash;
	out[1] = *(const volatile __u32 *)&h->vlan_tci;
	return XDP_PASS;
}
