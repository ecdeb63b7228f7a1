/* The project's own header, all of its members. */
#include "shapes.h"
#include "../../../bpf/hintjit.h"

#define BOTH(i, hint) out[2 * (i)] = h->has_##hint, out[2 * (i) + 1] = h->hint

SEC("xdp") int header(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	BOTH(0, rx_hash);
	BOTH(1, rx_hash_type);
	BOTH(2, rx_timestamp);
	BOTH(3, vlan_tci);
	BOTH(4, vlan_proto);
	BOTH(5, inner_vlan_tci);
	BOTH(6, ptype);
	BOTH(7, csum_status);
	BOTH(8, csum);
	BOTH(9, flow_mark);
	BOTH(10, pkt_len);
	BOTH(11, rx_queue);
	BOTH(12, rx_error);
	BOTH(13, l3_offset);
	BOTH(14, l4_offset);
	BOTH(15, src_ip4);
	BOTH(16, dst_ip4);
	BOTH(17, src_port);
	BOTH(18, dst_port);
	return XDP_PASS;
}
