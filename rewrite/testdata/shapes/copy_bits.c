/* Presence bits are written into a copy of the struct, where bit-fields do not
 * stand in a row. */
#include "shapes.h"

struct hintjit_rx {
	__u64 rx_timestamp;
	__u32 rx_hash;
	__u32 has_rx_hash : 1;
	__u32 : 6, has_ptype : 1;
	__u32 : 3, has_vlan_tci : 1;
	__u16 vlan_tci;
	__u8 csum_status;
	__u32 has_csum_status : 1;
	__u16 has_rx_timestamp : 1;
	__u32 ptype;
} CORE;

SEC("xdp") int copy_bits(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	struct hintjit_rx c = *h;

	ESCAPE(&c);
	c.has_vlan_tci = 1;
	ESCAPE(&c);
	c.has_rx_timestamp = 0;
	ESCAPE(&c);
	c.has_csum_status = 1;
	ESCAPE(&c);
	out[0] = c.has_rx_hash;
	out[1] = c.has_ptype;
	out[2] = c.has_vlan_tci;
	out[3] = c.has_rx_timestamp;
	out[4] = c.vlan_tci;
	out[5] = c.ptype;
	out[6] = c.csum_status;
	out[7] = c.has_csum_status;
	return XDP_PASS;
}
