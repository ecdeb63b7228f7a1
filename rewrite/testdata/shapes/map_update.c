/* The pointer itself is a helper's argument: the map's value is the struct. */
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

SEC("xdp") int map_update(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u32 zero = 0;

	out[0] = bpf_map_update_elem(&copies, &zero, h, 0);
	return XDP_PASS;
}
