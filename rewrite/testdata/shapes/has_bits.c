/* Presence bits: tested alone, together (clang makes one masked compare of it),
 * stored, added. The value itself is not read. */
#include "shapes.h"

struct hintjit_rx {
	__u8 has_rx_hash : 1, has_vlan_tci : 1, has_ptype : 1, has_pkt_len : 1;
} CORE;

SEC("xdp") int has_bits(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	if (h->has_rx_hash)
		out[0] = 1;
	if (h->has_rx_hash && h->has_vlan_tci)
		out[1] = 1;
	if (h->has_vlan_tci || h->has_ptype)
		out[2] = 1;
	if (!h->has_ptype)
		out[3] = 1;
	out[4] = h->has_vlan_tci;
	out[5] = h->has_rx_hash + h->has_vlan_tci + h->has_ptype + h->has_pkt_len;
	if (h->has_rx_hash == h->has_vlan_tci)
		out[6] = 1;
	if (h->has_ptype && h->has_vlan_tci)
		out[7] = 1;
	if (!h->has_rx_hash || !h->has_pkt_len)
		out[8] = 1;
	return XDP_PASS;
}
