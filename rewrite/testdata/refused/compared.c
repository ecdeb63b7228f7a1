/* The pointer is used as a number. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
} CORE;

SEC("xdp") int compared(struct xdp_md *ctx)
{
	__u64 h = (__u64)hintjit_rx(ctx);

	out[0] = h >> 3; /* refused: */
	return XDP_PASS;
}
