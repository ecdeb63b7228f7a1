/* A run of presence bits declared in bytes that clang reads as one word of four,
 * seven to a byte so that later ones are not where counting by eight puts them. */
#include "shapes.h"

struct hintjit_rx {
	__u64 rx_timestamp;
	__u32 rx_hash;
	__u8 has_rx_hash : 1, : 6, has_rx_hash_type : 1;
	__u8 has_rx_timestamp : 1, has_vlan_tci : 1, : 5, has_vlan_proto : 1;
	__u8 has_ptype : 1, has_csum_status : 1, has_pkt_len : 1, has_rx_error : 1;
} CORE;

SEC("xdp") int has_run(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = h->has_rx_hash;
	out[1] = h->has_rx_hash_type;
	out[2] = h->has_rx_timestamp;
	out[3] = h->has_vlan_tci;
	out[4] = h->has_vlan_proto;
	out[5] = h->has_ptype;
	out[6] = h->has_csum_status;
	out[7] = h->has_pkt_len + 2 * h->has_rx_error;
	return XDP_PASS;
}
