/* What a user writes whose only hint is the hash: its value, 0 when it is
 * absent; and the value where there is one, a default where not. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u32 has_rx_hash : 1;
} CORE;

SEC("xdp") int value(struct xdp_md *ctx)
{
	return hintjit_rx(ctx)->rx_hash;
}

SEC("xdp") int value_or(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	return h->has_rx_hash ? h->rx_hash : 77;
}
