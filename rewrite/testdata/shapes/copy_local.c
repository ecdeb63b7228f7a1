/* struct hintjit_rx c = *h: later loads are from the stack, and their CO-RE
 * records still name struct hintjit_rx. They keep the offsets of this struct. */
#include "shapes.h"

struct hintjit_rx {
	__u8 has_rx_timestamp : 1, has_rx_hash : 1, has_vlan_tci : 1;
	__u8 csum_status;
	__u16 vlan_tci;
	__u32 rx_hash;
	__u64 rx_timestamp;
} CORE;

SEC("xdp") int copy_local(struct xdp_md *ctx)
{
	struct hintjit_rx c = *hintjit_rx(ctx), *p = &c;

	ESCAPE(p);
	HIDE(p);
	out[0] = c.rx_timestamp;
	out[1] = c.rx_hash;
	out[2] = p->vlan_tci;
	out[3] = p->csum_status;
	out[4] = p->has_rx_timestamp;
	out[5] = p->has_rx_hash;
	out[6] = p->has_vlan_tci;
	return XDP_PASS;
}
