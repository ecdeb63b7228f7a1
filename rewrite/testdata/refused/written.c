/* The struct is const: nobody may write through the pointer. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
} CORE;

SEC("xdp") int written(struct xdp_md *ctx)
{
	struct hintjit_rx *h = (void *)hintjit_rx(ctx);

	h->rx_hash = 7; /* refused: writ */
	return XDP_PASS;
}
