/* The struct is assigned to a map's value, and read there. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
	__u16 vlan_tci;
	__u8 csum_status;
	__u8 has_rx_hash : 1, has_ptype : 1, has_vlan_tci : 1, has_csum_status : 1;
} CORE;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct hintjit_rx);
} copies SEC(".maps");

SEC("xdp") int copy_map_value(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	struct hintjit_rx *c;
	__u32 zero = 0;

	c = bpf_map_lookup_elem(&copies, &zero);
	if (!c)
		return XDP_DROP;
	*c = *h;
	HIDE(c);
	out[0] = c->rx_hash;
	out[1] = c->has_ptype;
	return XDP_PASS;
}
