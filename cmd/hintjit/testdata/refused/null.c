#include "refused.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
} flows SEC(".maps");

SEC("xdp") int null(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u32 hash = h->rx_hash;
	__u64 *n = bpf_map_lookup_elem(&flows, &hash);

	*n += h->pkt_len; /* at fault */
	return XDP_PASS;
}
