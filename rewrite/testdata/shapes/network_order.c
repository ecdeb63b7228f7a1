/* Members in network order are compared with network-order constants. */
#include "shapes.h"

struct hintjit_rx {
	__be16 vlan_proto, dst_port;
	__be32 src_ip4;
} CORE;

SEC("xdp") int network_order(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = h->vlan_proto == htons(0x8100);
	out[1] = h->vlan_proto != htons(0x88a8);
	out[2] = h->dst_port == htons(443);
	out[3] = h->dst_port;
	out[4] = h->src_ip4;
	return XDP_PASS;
}
