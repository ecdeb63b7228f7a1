/* A static function gets the context and calls hintjit_rx itself; main calls it
 * twice. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u8 has_rx_hash : 1;
} CORE;

static __noinline __u64 hash(struct xdp_md *ctx, __u64 deflt)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	return h->has_rx_hash ? h->rx_hash : deflt;
}

SEC("xdp") int sub_call(struct xdp_md *ctx)
{
	out[0] = hash(ctx, 1ULL << 40);
	out[1] = hash(ctx, 1ULL << 41);
	return XDP_PASS;
}
