/* Members that only one vendor has, in a flavour of the struct: struct
 * hintjit_rx___x is struct hintjit_rx to the rewriter. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
} CORE;

struct hintjit_rx___invented {
	__u8 has_shelf : 1, has_rx_hash : 1;
	__u16 shelf;
} CORE;

SEC("xdp") int flavour(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	const struct hintjit_rx___invented *v = (const void *)h;

	out[0] = h->rx_hash;
	out[1] = field_exists(v->shelf);
	if (field_exists(v->shelf)) {
		out[2] = v->has_shelf;
		out[3] = v->shelf;
	}
	out[4] = v->has_rx_hash;
	return XDP_PASS;
}
