/* A static function gets the pointer from one caller and NULL from another. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u16 vlan_tci;
} CORE;

static __noinline __u64 mix(const struct hintjit_rx *h, __u64 x)
{
	if (!h)
		return x;
	return h->rx_hash + x * h->vlan_tci;
}

SEC("xdp") int maybe_null(struct xdp_md *ctx)
{
	out[0] = mix(hintjit_rx(ctx), 3);
	out[1] = mix(0, 8);
	return XDP_PASS;
}
