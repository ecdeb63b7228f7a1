/* bpf/examples/l4lb.c, by hand for one NIC. */
#define l4lb by_hints
#include "../../../bpf/examples/l4lb.c"
#undef l4lb
#include "byhand.h"

SEC("xdp")
int l4lb(struct xdp_md *ctx)
{
	const __u32 l4 = HINTJIT_RSS_L4_TCP | HINTJIT_RSS_L4_UDP | HINTJIT_RSS_L4_SCTP;
	__u32 zero = 0, hash, slot, type;
	struct config *c;
	struct backend *b;

	c = bpf_map_lookup_elem(&config, &zero);
	if (!c || !c->backends)
		return XDP_PASS;

	OPEN(ctx);
	type = has(rx_hash) ? value_rx_hash_type(d) : 0;
	if (type & HINTJIT_RSS_L3_IPV4 && type & l4) {
		hash = value(rx_hash);
	} else {
		struct tuple t;

		if (!parse(ctx, &t))
			return XDP_PASS;
		hash = tuple_hash(&t, c->rss_key);
	}

	slot = ((__u64)hash * c->backends) >> 32;
	b = bpf_map_lookup_elem(&backends, &slot);
	if (!b)
		return XDP_PASS;
	return send_to(ctx, b);
}
