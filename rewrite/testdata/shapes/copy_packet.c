/* The struct is copied into the packet, over bytes that are not its source. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
	__u16 vlan_tci;
	__u8 csum_status;
	__u8 has_rx_hash : 1, has_ptype : 1, has_vlan_tci : 1, has_csum_status : 1;
} CORE;

SEC("xdp") int copy_packet(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	struct hintjit_rx *c = data(ctx);

	if ((void *)(c + 1) > data_end(ctx))
		return XDP_DROP;
	*c = *h;
	out[0] = c->rx_hash;
	return XDP_TX;
}
