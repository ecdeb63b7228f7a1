/* Parts of a member, of the kind that shifts and masks make. With CO-RE records
 * clang keeps the load whole and cuts the part out of it. */
#include "shapes.h"

struct hintjit_rx {
	__u32 ptype, rx_hash;
	__u64 rx_timestamp;
	__u16 vlan_tci;
} CORE;

SEC("xdp") int parts(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = (__u8)h->rx_hash;
	out[1] = (__u8)(h->rx_hash >> 8);
	out[2] = (__u16)(h->rx_hash >> 16);
	out[3] = h->rx_hash >> 31;
	out[4] = (h->ptype >> 8) & 0xf;
	out[5] = h->vlan_tci & 0xfff;
	out[6] = h->vlan_tci >> 13;
	out[7] = (__u32)(h->rx_timestamp >> 32);
	out[8] = (__u8)(h->rx_timestamp >> 40);
	return XDP_PASS;
}
