/* A member's address is a helper's argument: the hash is the key of a lookup. */
#include "shapes.h"

struct hintjit_rx {
	__u64 rx_timestamp;
	__u32 rx_hash;
} CORE;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} zeroth SEC(".maps");

SEC("xdp") int map_key(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	/* The array has one element: only the hash 0 has an entry. */
	out[0] = bpf_map_lookup_elem(&zeroth, &h->rx_hash) != 0;
	return XDP_PASS;
}
