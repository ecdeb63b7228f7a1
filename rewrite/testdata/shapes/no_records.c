/* The struct without preserve_access_index: no load has a CO-RE record, only
 * the data flow tells what it is. Members stand in an order of their own. */
#include "shapes.h"

struct hintjit_rx {
	__u8 has_vlan_tci : 1, has_pkt_len : 1;
	__u16 vlan_tci;
	__u32 pkt_len, rx_hash;
	__u8 has_rx_hash : 1;
};

SEC("xdp") int no_records(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = h->has_rx_hash;
	out[1] = h->rx_hash;
	out[2] = h->has_vlan_tci;
	out[3] = h->vlan_tci;
	out[4] = h->has_pkt_len;
	out[5] = h->pkt_len;
	return XDP_PASS;
}
