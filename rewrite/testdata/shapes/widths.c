/* Loads of 1, 2, 4 and 8 bytes, each a whole member: the plainest shape. */
#include "shapes.h"

struct hintjit_rx {
	__u64 rx_timestamp;
	__u32 rx_hash;
	__u16 vlan_tci;
	__u8 csum_status;
} CORE;

SEC("xdp") int widths(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = h->csum_status;
	out[1] = h->vlan_tci;
	out[2] = h->rx_hash;
	out[3] = h->rx_timestamp;
	return XDP_PASS;
}
