/* 456 bytes of stack are the program's own; their bytes are checked at the end. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
	__u16 vlan_tci;
	__u8 has_rx_hash : 1;
} CORE;

SEC("xdp") int big_stack(struct xdp_md *ctx)
{
	volatile __u64 buf[57];
	const struct hintjit_rx *h;
	__u64 sum = 0;

#pragma clang loop unroll(full)
	for (int i = 0; i < 57; i++)
		buf[i] = i;
	h = hintjit_rx(ctx);
	out[0] = h->rx_hash;
	out[1] = h->ptype;
	out[2] = h->vlan_tci;
	out[3] = h->has_rx_hash;
#pragma clang loop unroll(full)
	for (int i = 0; i < 57; i++)
		sum += buf[i];
	out[4] = sum;
	return XDP_PASS;
}
