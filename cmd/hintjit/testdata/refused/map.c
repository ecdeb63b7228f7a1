#include "refused.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__uint(key_size, 4);
	__uint(value_size, 1 << 30);
} huge SEC(".maps");

SEC("xdp") int map(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u32 hash = h->rx_hash;

	return bpf_map_lookup_elem(&huge, &hash) ? XDP_PASS : XDP_DROP;
}
