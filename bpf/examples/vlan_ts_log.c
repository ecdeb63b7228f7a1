// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Logs VLAN tag and hardware timestamp of tagged packets to a ring buffer, and
 * passes every packet on. The tag has to come from the NIC: with VLAN offload on
 * it was taken out of the packet before the program runs.
 *
 * A reader takes struct record from the ring buffer "records".
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "../hintjit.h"

#define VLAN_ID 0x0fff

struct record {
	__u64 timestamp; /* nanoseconds of the NIC's clock, 0: this packet has none */
	__u32 ifindex;
	__u32 queue;
	__u16 vlan; /* VLAN id */
	__u16 inner_vlan; /* id of the second tag, 0: none */
	__be16 proto; /* EtherType of the outer tag, network order, 0: not told */
	__u16 priority;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} records SEC(".maps");

/* Records lost because the reader is behind. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} lost SEC(".maps");

static __always_inline void count_lost(void)
{
	__u32 key = 0;
	__u64 *count = bpf_map_lookup_elem(&lost, &key);

	if (count)
		*count += 1;
}

SEC("xdp")
int vlan_ts_log(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	struct record *r;

	/* vlan_tci alone does not tell: tag 0 is a tag too. */
	if (!h->has_vlan_tci)
		return XDP_PASS;

	r = bpf_ringbuf_reserve(&records, sizeof(*r), 0);
	if (!r) {
		count_lost();
		return XDP_PASS;
	}

	/* h stays readable across the calls. */
	r->timestamp = h->rx_timestamp;
	r->ifindex = ctx->ingress_ifindex;
	r->queue = ctx->rx_queue_index;
	r->vlan = h->vlan_tci & VLAN_ID;
	r->inner_vlan = h->inner_vlan_tci & VLAN_ID;
	r->proto = h->vlan_proto;
	r->priority = h->vlan_tci >> 13;
	bpf_ringbuf_submit(r, 0);

	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
