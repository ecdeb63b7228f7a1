/* BPF_CORE_READ_BITFIELD: offset, size and shifts of a presence bit are CO-RE
 * records of their own, and the load is through plain arithmetic. */
#include "shapes.h"
#include <bpf/bpf_core_read.h>

struct hintjit_rx {
	__u32 rx_hash;
	__u8 has_vlan_tci : 1, has_rx_hash : 1;
	__u8 has_ptype : 1;
} CORE;

SEC("xdp") int core_bitfield(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = BPF_CORE_READ_BITFIELD(h, has_rx_hash);
	out[1] = BPF_CORE_READ_BITFIELD(h, has_ptype);
	out[2] = BPF_CORE_READ_BITFIELD(h, has_vlan_tci);
	out[3] = h->rx_hash;
	return XDP_PASS;
}
