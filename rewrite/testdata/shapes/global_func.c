/* The pointer is handed to a global function, which the kernel verifies on its
 * own: it may be NULL there, and is memory of the struct's size. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u32 ptype;
	__u16 vlan_tci;
	__u8 has_rx_hash : 1, has_vlan_tci : 1;
} CORE;

__noinline int weigh(const struct hintjit_rx *h)
{
	if (!h)
		return -1;
	out[1] = h->rx_hash;
	out[2] = h->vlan_tci;
	return 2 * h->has_rx_hash + h->has_vlan_tci;
}

SEC("xdp") int global_func(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = weigh(h);
	out[3] = h->ptype;
	return XDP_PASS;
}
