/* The pointer itself goes into a map: a later run would read it. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
} CORE;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} pointers SEC(".maps");

SEC("xdp") int stored_in_map(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u32 zero = 0;
	__u64 *p = bpf_map_lookup_elem(&pointers, &zero);

	if (p)
		*p = (__u64)h; /* refused: store */
	return XDP_PASS;
}
