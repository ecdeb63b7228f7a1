/* The struct goes to user space through a ring buffer. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
	__u16 vlan_tci;
	__u8 csum_status;
	__u8 has_rx_hash : 1, has_ptype : 1, has_vlan_tci : 1, has_csum_status : 1;
} CORE;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

SEC("xdp") int ringbuf(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = bpf_ringbuf_output(&events, (void *)h, sizeof(*h), 0);
	return XDP_PASS;
}
