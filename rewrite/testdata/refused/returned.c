/* A static function returns the pointer. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
} CORE;

static __noinline const struct hintjit_rx *get(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	HIDE(h);
	return h; /* refused: return */
}

SEC("xdp") int returned(struct xdp_md *ctx)
{
	out[0] = get(ctx)->rx_hash;
	return XDP_PASS;
}
