/* The pointer itself goes into global data. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
} CORE;

SEC("xdp") int stored_in_global(struct xdp_md *ctx)
{
	out[0] = (__u64)hintjit_rx(ctx); /* refused: store */
	return XDP_PASS;
}
