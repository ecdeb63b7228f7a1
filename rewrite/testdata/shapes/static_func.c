/* The pointer is handed to static functions that are not inlined, one of which
 * hands it on. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u32 ptype;
	__u16 vlan_tci;
	__u8 has_vlan_tci : 1;
} CORE;

static __noinline __u64 hash(const struct hintjit_rx *h)
{
	__u64 v = h->rx_hash;

	HIDE(v);
	return v;
}

static __noinline __u64 tag(int deflt, const struct hintjit_rx *h)
{
	if (!h->has_vlan_tci)
		return deflt;
	return hash(h) ^ h->vlan_tci;
}

SEC("xdp") int static_func(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = hash(h);
	out[1] = tag(99, h);
	out[2] = h->ptype;
	return XDP_PASS;
}
