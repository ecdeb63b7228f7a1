/* A value stands between the bytes of presence bits, in a struct that is copied as a
 * whole. */
#include "shapes.h"

struct hintjit_rx {
	__u8 has_rx_hash : 1;
	__u8 csum_status;
	__u8 has_csum_status : 1;
	__u8 has_ptype : 1;
	__u32 rx_hash;
} CORE;

SEC("xdp") int copy_between(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	struct hintjit_rx c = *h;

	ESCAPE(&c);
	out[0] = c.has_rx_hash;
	out[1] = c.csum_status;
	out[2] = c.has_csum_status;
	out[3] = c.has_ptype;
	out[4] = c.rx_hash;
	return XDP_PASS;
}
