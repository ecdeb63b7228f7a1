/* An atomic operation on a member. */
#include "shapes.h"

struct hintjit_rx {
	__u64 rx_timestamp;
};

SEC("xdp") int atomic(struct xdp_md *ctx)
{
	struct hintjit_rx *h = (void *)hintjit_rx(ctx);

	__sync_fetch_and_add(&h->rx_timestamp, 1); /* refused: atomic */
	return XDP_PASS;
}
