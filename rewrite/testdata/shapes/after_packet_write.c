/* Hints are read after writes to the packet, and between them. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u16 vlan_tci;
	__u8 has_rx_hash : 1;
} CORE;

SEC("xdp") int after_packet_write(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u32 *p = data(ctx);

	if ((void *)(p + 4) > data_end(ctx))
		return XDP_DROP;
	p[0] = 0xdeadbeef;
	p[1] = h->rx_hash;
	p[2] = h->vlan_tci;
	asm volatile("" : : : "memory");
	p[3] = h->has_rx_hash;
	return XDP_TX;
}
