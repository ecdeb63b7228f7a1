/* Records every hint through hintjit.h: what is rewritten for each NIC. */
#include "record.h"
#include <bpf/bpf_core_read.h>

#define EXISTS(n, hint) (bpf_core_field_exists(h->hint) ? 1u << (n) : 0)

SEC("xdp")
int record(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	struct record *r = record_of(ctx);

	if (!r)
		return XDP_PASS;
	r->rx = *h;
	r->exists = EXISTS(0, rx_hash) | EXISTS(1, rx_hash_type) | EXISTS(2, rx_timestamp) |
		    EXISTS(3, vlan_tci) | EXISTS(4, vlan_proto) | EXISTS(5, inner_vlan_tci) |
		    EXISTS(6, ptype) | EXISTS(7, csum_status) | EXISTS(8, csum) |
		    EXISTS(9, flow_mark) | EXISTS(10, pkt_len) | EXISTS(11, rx_queue) |
		    EXISTS(12, rx_error) | EXISTS(13, l3_offset) | EXISTS(14, l4_offset) |
		    EXISTS(15, src_ip4) | EXISTS(16, dst_ip4) | EXISTS(17, src_port) |
		    EXISTS(18, dst_port);
	r->seen += 1;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
