/* A static function writes through a pointer into the metadata area, between two
 * calls of hintjit_rx. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
} CORE;

static __noinline void scribble(__u32 *m)
{
	m[0] = m[1] = m[2] = m[3] = 0xffffffff;
}

SEC("xdp") int meta_pointer_in_sub(struct xdp_md *ctx)
{
	__u32 *m = data_meta(ctx);

	out[0] = hintjit_rx(ctx)->rx_hash;
	if ((void *)(m + 4) <= data(ctx))
		scribble(m);
	out[1] = hintjit_rx(ctx)->rx_hash;
	out[2] = hintjit_rx(ctx)->ptype;
	return XDP_PASS;
}
