/* A program with hints tail-calls another one with hints; the prog array is
 * filled by the object itself. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
} CORE;

int tail_target(struct xdp_md *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__uint(key_size, sizeof(__u32));
	__array(values, int(void *));
} programs SEC(".maps") = {.values = {[1] = (void *)&tail_target}};

SEC("xdp") int tail_call(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = h->rx_hash;
	bpf_tail_call(ctx, &programs, h->rx_hash & 1);
	out[1] = h->ptype;
	return XDP_PASS;
}

SEC("xdp") int tail_target(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[2] = h->ptype;
	out[3] = h->rx_hash;
	return XDP_TX;
}
