#include "refused.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} records SEC(".maps");

SEC("xdp") int leak(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u32 *r = bpf_ringbuf_reserve(&records, sizeof(*r), 0);

	if (!r)
		return XDP_PASS;
	if (!h->has_rx_hash)
		return XDP_DROP;
	*r = h->rx_hash;
	bpf_ringbuf_submit(r, 0);
	return XDP_PASS;
} /* at fault */
