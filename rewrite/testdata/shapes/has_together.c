/* Presence bits without CO-RE records, of which clang makes one masked compare
 * of a byte: all of them there, one of them not, none. */
#include "shapes.h"

struct hintjit_rx {
	__u8 has_rx_hash : 1, has_vlan_tci : 1, has_ptype : 1, has_pkt_len : 1;
};

SEC("xdp") int has_together(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	if (h->has_rx_hash && h->has_pkt_len)
		out[0] = 1;
	if (!h->has_rx_hash || !h->has_ptype)
		out[1] = 1;
	if (h->has_vlan_tci || h->has_ptype)
		out[2] = 1;
	return XDP_PASS;
}
