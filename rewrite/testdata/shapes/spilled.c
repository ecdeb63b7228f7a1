/* The pointer is spilled to the stack and reloaded, several times. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u32 ptype;
	__u16 vlan_tci;
	__u8 has_rx_hash : 1;
} CORE;

SEC("xdp") int spilled(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	SPILL_ALL;
	bpf_ktime_get_ns();
	out[0] = h->rx_hash;
	SPILL_ALL;
	bpf_ktime_get_ns();
	if (h->has_rx_hash)
		out[1] = h->ptype;
	SPILL_ALL;
	bpf_ktime_get_ns();
	out[2] = h->vlan_tci;
	return XDP_PASS;
}
