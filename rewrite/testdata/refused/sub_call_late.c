/* A subprogram calls hintjit_rx when the metadata area, which the descriptor was
 * in, is gone. Only the program at whose entry it was there could have kept it. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
} CORE;

static __noinline __u64 hash(struct xdp_md *ctx)
{
	return hintjit_rx(ctx)->rx_hash; /* refused: subprogram */
}

SEC("xdp") int sub_call_late(struct xdp_md *ctx)
{
	bpf_xdp_adjust_meta(ctx, data(ctx) - data_meta(ctx));
	out[0] = hash(ctx);
	return XDP_PASS;
}
