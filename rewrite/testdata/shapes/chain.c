/* A chain of calls whose frames together come near the limit of 512 bytes, with
 * hints read at both ends. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
	__u8 has_rx_hash : 1;
} CORE;

static __noinline __u64 last(const struct hintjit_rx *h, __u64 x)
{
	volatile __u64 buf[16];

	for (int i = 0; i < 16; i++)
		buf[i] = x;
	return buf[3] + h->ptype + h->has_rx_hash;
}

static __noinline __u64 middle(const struct hintjit_rx *h, __u64 x)
{
	volatile __u64 buf[16];

	for (int i = 0; i < 16; i++)
		buf[i] = x + i;
	return last(h, buf[2]) + buf[5];
}

SEC("xdp") int chain(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	volatile __u64 buf[16];

	for (int i = 0; i < 16; i++)
		buf[i] = 2 * i;
	out[0] = middle(h, buf[4]);
	out[1] = h->rx_hash;
	return XDP_PASS;
}
