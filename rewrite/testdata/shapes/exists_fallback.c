/* The fallback for hints of which each NIC has one calls a helper that no kernel
 * has: the dead branch must be gone for the program to load. */
#include "shapes.h"

struct hintjit_rx {
	__u64 rx_timestamp;
	__u32 rx_hash;
	__u32 pkt_len;
	__u32 ptype;
	__u32 rx_nonesuch;
	__u16 rx_queue, vlan_tci;
} CORE;

static long (*no_such_helper)(void) = (void *)99999;

SEC("xdp") int exists_fallback(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = field_exists(h->rx_hash) || field_exists(h->pkt_len) || field_exists(h->rx_queue) ||
		 field_exists(h->rx_timestamp) || field_exists(h->ptype) || field_exists(h->vlan_tci)
			 ? h->rx_hash
			 : no_such_helper();
	out[1] = field_exists(h->rx_nonesuch) ? no_such_helper() + h->rx_nonesuch : 5;
	return XDP_PASS;
}
