/* A pointer from either of two calls is copied to another register. That of one
 * call is handed to a function, so that the struct has to be built for it; and
 * then for the other call as well, or the copy has nothing to copy there. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
	__u8 has_rx_hash : 1;
} CORE;

__attribute__((noinline)) static __u64 sum(const struct hintjit_rx *h)
{
	HIDE(h);
	return h->rx_hash + (__u64)h->ptype;
}

SEC("xdp") int merged_calls(struct xdp_md *ctx)
{
	const struct hintjit_rx *h, *copied;
	__u8 *p = data(ctx);

	if ((void *)(p + 14) > data_end(ctx))
		return XDP_DROP;
	if (p[0] & 1) {
		h = hintjit_rx(ctx);
		out[0] = sum(h);
	} else {
		HIDE(ctx);
		h = hintjit_rx(ctx);
	}
	asm volatile("%0 = %1" : "=r"(copied) : "r"(h));
	out[1] = copied->rx_hash;
	out[2] = copied->has_rx_hash;
	out[3] = h->rx_hash;
	return XDP_PASS;
}
