/* Hints are those of an XDP program's packet; this is a tc program. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
} CORE;

SEC("tc") int not_xdp(struct xdp_md *ctx)
{
	out[0] = hintjit_rx(ctx)->rx_hash; /* refused: tc */
	return XDP_PASS;
}
