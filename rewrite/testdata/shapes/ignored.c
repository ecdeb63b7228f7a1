/* The call whose result nobody reads, and a load whose value nobody uses. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
} CORE;

SEC("xdp") int ignored(struct xdp_md *ctx)
{
	hintjit_rx(ctx);
	(void)*(const volatile __u32 *)&hintjit_rx(ctx)->rx_hash;
	out[0] = 1;
	return XDP_PASS;
}
