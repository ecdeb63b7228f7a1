/* Presence as a whole byte, and in a bit-field of two bits: 0 or 1 all the same. */
#include "shapes.h"

struct hintjit_rx {
	__u8 has_rx_hash;
	__u8 : 3, has_vlan_tci : 2, : 1, has_ptype : 2;
} CORE;

SEC("xdp") int has_loose(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = h->has_rx_hash;
	out[1] = h->has_vlan_tci;
	out[2] = h->has_ptype;
	out[3] = h->has_rx_hash ? 1 : 0;
	return XDP_PASS;
}
