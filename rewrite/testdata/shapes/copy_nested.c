/* The struct is a member of the program's own record, which goes to user space. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
	__u16 vlan_tci;
	__u8 csum_status;
	__u8 has_rx_hash : 1, has_ptype : 1, has_vlan_tci : 1, has_csum_status : 1;
} CORE;

struct record {
	__u32 magic;
	struct hintjit_rx rx;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

SEC("xdp") int copy_nested(struct xdp_md *ctx)
{
	struct record r = {.magic = 0x12345678, .rx = *hintjit_rx(ctx)};
	struct record *p = &r;

	ESCAPE(p);
	out[0] = p->rx.ptype;
	out[1] = p->rx.vlan_tci;
	out[2] = bpf_ringbuf_output(&events, p, sizeof(*p), 0);
	return XDP_PASS;
}
