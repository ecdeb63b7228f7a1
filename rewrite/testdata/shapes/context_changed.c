/* The context register is gone after the call, and the packet is parsed both
 * before and after it. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u16 vlan_tci;
	__u8 has_rx_hash : 1;
} CORE;

SEC("xdp") int context_changed(struct xdp_md *ctx)
{
	__u8 *p = data(ctx), *end = data_end(ctx);
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u64 hash = h->rx_hash;

	if (p + 20 > end)
		return XDP_DROP;
	out[0] = hash + p[13];
	p[13] = h->has_rx_hash;
	p[14] = h->vlan_tci;
	out[1] = h->vlan_tci + p[15];
	return XDP_PASS;
}
