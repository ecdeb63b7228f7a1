/* Several programs in several sections, some with hints, some without, and
 * static and global functions that they share. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
	__u16 vlan_tci;
	__u8 has_vlan_tci : 1;
} CORE;

static __noinline __u64 with_hints(const struct hintjit_rx *h, __u64 x)
{
	return h->rx_hash + x;
}

static __noinline __u64 without_hints(__u64 x)
{
	HIDE(x);
	return 3 * x;
}

__noinline int replaceable(struct xdp_md *ctx)
{
	return hintjit_rx(ctx)->has_vlan_tci;
}

SEC("xdp") int many_first(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = with_hints(h, 1);
	out[1] = h->ptype;
	return XDP_PASS;
}

SEC("xdp") int many_plain(struct xdp_md *ctx)
{
	out[0] = without_hints(5);
	return XDP_DROP;
}

SEC("xdp") int many_third(struct xdp_md *ctx)
{
	out[0] = with_hints(hintjit_rx(ctx), without_hints(2));
	out[1] = replaceable(ctx);
	return XDP_PASS;
}

SEC("xdp.frags") int many_frags(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = h->vlan_tci;
	out[1] = with_hints(h, 0);
	return XDP_PASS;
}

SEC("freplace/replaceable") int many_replace(struct xdp_md *ctx)
{
	return hintjit_rx(ctx)->rx_hash & 1;
}
