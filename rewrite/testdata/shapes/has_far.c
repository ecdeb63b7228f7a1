/* Presence bits away from a multiple of the struct's alignment. clang 19 counts
 * the offset of a load of a bit-field with a CO-RE record from such a multiple
 * (here 8, where the bits are in byte 14 and 16) and leaves it to the loader to
 * put it right: the record's member tells where the bits are, the offset does
 * not. The unit read is as wide as the load, aligned to its width. */
#include "shapes.h"

struct hintjit_rx {
	__u64 rx_timestamp;
	__u32 rx_hash;
	__u16 vlan_tci;
	__u8 has_rx_hash : 1, has_vlan_tci : 1;
	__u8 csum_status;
	__u8 has_ptype : 1, has_rx_timestamp : 1;
} CORE;

SEC("xdp") int has_far(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = h->has_rx_hash;
	out[1] = h->has_vlan_tci;
	out[2] = h->has_ptype;
	out[3] = h->has_rx_timestamp;
	out[4] = h->rx_hash;
	out[5] = h->csum_status;
	return XDP_PASS;
}
