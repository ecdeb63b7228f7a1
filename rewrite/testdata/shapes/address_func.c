/* A member's address is handed to a static function, which does not know that
 * it is a hint's: there it is a pointer to a plain number. */
#include "shapes.h"

struct hintjit_rx {
	__u16 vlan_tci;
	__u32 rx_hash;
	__u32 ptype;
} CORE;

static __noinline __u64 mix(const __u32 *v)
{
	return *v * 3ULL + 1;
}

SEC("xdp") int address_func(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u32 own = 20;

	out[0] = mix(&h->rx_hash);
	out[1] = mix(&h->ptype);
	out[2] = mix(&own);
	out[3] = h->vlan_tci;
	return XDP_PASS;
}
