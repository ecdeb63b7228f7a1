/* Bits read from a copy, away from a multiple of the struct's alignment (see
 * has_far): the record on the load is the only thing that says where they are,
 * so it has to be answered, for this struct. */
#include "shapes.h"

struct hintjit_rx {
	__u64 rx_timestamp;
	__u32 rx_hash;
	__u16 vlan_tci;
	__u8 has_rx_hash : 1, has_vlan_tci : 1;
	__u8 csum_status;
	__u8 has_ptype : 1, has_rx_timestamp : 1;
} CORE;

SEC("xdp") int copy_far(struct xdp_md *ctx)
{
	struct hintjit_rx c = *hintjit_rx(ctx), *p = &c;

	ESCAPE(p);
	out[0] = p->has_rx_hash;
	out[1] = p->has_vlan_tci;
	out[2] = p->has_ptype;
	out[3] = p->has_rx_timestamp;
	out[4] = p->rx_timestamp;
	return XDP_PASS;
}
