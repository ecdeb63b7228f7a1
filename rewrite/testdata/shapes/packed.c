/* A packed struct: clang reads a member that is not aligned a byte at a time. */
#include "shapes.h"

struct hintjit_rx {
	__u8 csum_status;
	__u32 rx_hash;
	__u16 vlan_tci;
	__u64 rx_timestamp;
	__u8 has_rx_hash : 1;
} __attribute__((packed));

SEC("xdp") int packed(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = h->csum_status;
	out[1] = h->rx_hash;
	out[2] = h->vlan_tci;
	out[3] = h->rx_timestamp;
	out[4] = h->has_rx_hash;
	return XDP_PASS;
}
