/* The pointer outlives helper calls in a callee-saved register. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u32 ptype;
	__u8 has_rx_hash : 1;
} CORE;

SEC("xdp") int callee_saved(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u64 before, after;

	before = bpf_ktime_get_ns();
	out[0] = h->rx_hash;
	after = bpf_ktime_get_ns();
	out[1] = h->ptype;
	out[2] = h->has_rx_hash;
	out[3] = before && after;
	return XDP_PASS;
}
