/* hintjit_rx is called with something that is not the context. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
} CORE;

SEC("xdp") int no_argument(struct xdp_md *ctx)
{
	struct xdp_md own = {.data = 1};

	ESCAPE(&own);
	out[0] = hintjit_rx(&own)->rx_hash; /* refused: context */
	return XDP_PASS;
}
