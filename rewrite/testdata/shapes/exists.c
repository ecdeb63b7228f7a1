/* bpf_core_field_exists, the way a program carries its own fallback: answered
 * when rewriting, for hints that this NIC gives and that it never gives. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u64 rx_timestamp;
	__u16 rx_queue;
	__u16 vlan_tci;
	__u8 has_rx_hash : 1;
} CORE;

SEC("xdp") int exists(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	if (field_exists(h->rx_hash) && h->has_rx_hash)
		out[0] = h->rx_hash;
	else
		out[0] = 0x10000000000;
	out[1] = field_exists(h->rx_timestamp) ? h->rx_timestamp : 7;
	out[2] = field_exists(h->rx_queue);
	out[3] = field_exists(h->vlan_tci);
	out[4] = field_exists(h->has_rx_hash);
	return XDP_PASS;
}
