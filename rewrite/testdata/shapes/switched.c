/* A hint decides a switch. */
#include "shapes.h"

struct hintjit_rx {
	__u32 ptype;
} CORE;

SEC("xdp") int switched(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	switch (h->ptype >> 8 & 0xf) {
	case 1:
		return XDP_TX;
	case 2:
		return XDP_DROP;
	case 4:
		out[0] = 4;
		break;
	case 5 ... 7:
		out[0] = h->ptype;
		break;
	default:
		out[1] = h->ptype & 0xff;
	}
	return XDP_PASS;
}
