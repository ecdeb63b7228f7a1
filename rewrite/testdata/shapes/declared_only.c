/* The struct and the function are declared, nobody calls it. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
} CORE;

SEC("xdp") int declared_only(struct xdp_md *ctx)
{
	struct hintjit_rx own = {.rx_hash = 3};

	ESCAPE(&own);
	out[0] = own.rx_hash;
	return XDP_PASS;
}
