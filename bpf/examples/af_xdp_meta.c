// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Hands packets to AF_XDP sockets with their hints in front: a socket gets a
 * struct hintjit_rx that ends where the packet begins, whichever NIC the packet
 * came through.
 *
 *	const struct hintjit_rx *m = packet - sizeof(*m);
 *
 *	if (m->has_rx_timestamp) ...
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#define HINTJIT_OWN_RX
#include "../hintjit.h"

/*
 * A choice of our own, because the header's struct has 80 bytes and older kernels
 * (6.1: xdp_metalen_invalid in include/net/xdp.h) allow 32 of metadata. The size
 * has to be a multiple of 4. The program that owns the sockets declares the same.
 */
struct hintjit_rx {
	__u32 has_rx_timestamp : 1;
	__u32 has_rx_hash : 1;
	__u32 has_vlan_tci : 1;
	__u32 has_ptype : 1;
	__u32 has_csum_status : 1;
	__u32 has_flow_mark : 1;
	__u32 : 26;
	__u32 rx_hash;
	__u64 rx_timestamp;
	__u32 rx_hash_type;
	__u32 ptype;
	__u16 vlan_tci;
	__u8 csum_status;
	__u8 : 8;
	__u32 flow_mark;
} HINTJIT_RECORD;

_Static_assert(sizeof(struct hintjit_rx) == 32, "too long for metadata");

/* The socket of each receive queue. */
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u32);
} sockets SEC(".maps");

SEC("xdp")
int af_xdp_meta(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	struct hintjit_rx *meta;
	void *data = (void *)(long)ctx->data;
	void *old = (void *)(long)ctx->data_meta;

	/* The struct has to end where the packet begins, so it replaces what the
	 * driver may have put there.
	 */
	if (bpf_xdp_adjust_meta(ctx, (int)(data - old) - (int)sizeof(*meta)))
		return XDP_PASS; /* a driver without metadata */

	data = (void *)(long)ctx->data;
	meta = (void *)(long)ctx->data_meta;
	if ((void *)(meta + 1) > data)
		return XDP_PASS;

	/* Absent hints are written as 0: nothing old shows through. */
	*meta = *h;

	/* No socket on this queue: on to the stack. */
	return bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
