/* A part and nothing else of the member. Without CO-RE records clang narrows
 * the load to the part: it lands inside the member, at an offset that depends on
 * the byte order. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype, flow_mark;
	__u64 rx_timestamp;
	__u16 vlan_tci;
};

SEC("xdp") int part_only(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = (__u16)(h->rx_hash >> 16);
	out[1] = (__u8)(h->rx_timestamp >> 24);
	out[2] = (__u8)(h->ptype >> 8);
	out[3] = (__u8)(h->vlan_tci >> 8);
	out[4] = (__s16)(h->flow_mark >> 16);
	out[5] = (__u32)(h->rx_timestamp >> 32);
	return XDP_PASS;
}
