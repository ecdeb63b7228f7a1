// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Logs VLAN tag and arrival time of tagged packets to a ring buffer, and passes
 * every packet on. The tag has to come from the NIC: with VLAN offload on it was
 * taken out of the packet before the program runs. The time is the best that this
 * NIC's descriptor has, or the kernel's.
 *
 * A reader takes struct record from the ring buffer "records".
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "../hintjit.h"

#define VLAN_ID 0x0fff

/* What record.time counts. */
#define CLOCK_KERNEL	0 /* ns since boot, when the program ran */
#define CLOCK_NIC	1 /* ns of the NIC's clock */
#define CLOCK_NIC_LOW32	2 /* its low 32 bits, which wrap after 4.3 s (ice) */
#define CLOCK_MLX5	3 /* seconds << 32 | ns on real-time queues, else cycles */

struct record {
	__u64 time;
	__u32 ifindex;
	__u32 queue;
	__u16 vlan; /* VLAN id */
	__u16 inner_vlan; /* id of the second tag, 0: none */
	__be16 proto; /* EtherType of the outer tag, network order, 0: not told */
	__u8 priority;
	__u8 clock;
};

/* Hints that only one vendor's NICs give: what they mean is in the NIC's layout
 * (hintjit nics ice).
 */
struct hintjit_rx___vendor {
	__u64 cqe_timestamp; /* mlx5 */
	__u32 has_cqe_timestamp : 1;
	__u32 has_timestamp_low32 : 1;
	__u32 : 0;
	__u32 timestamp_low32; /* ice */
} HINTJIT_RECORD;

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

/* Of these branches only those that this NIC can take are left in the object. */
static __always_inline void set_time(struct record *r, const struct hintjit_rx *h)
{
	const struct hintjit_rx___vendor *v = (const void *)h;

	if (bpf_core_field_exists(h->rx_timestamp) && h->has_rx_timestamp) {
		r->clock = CLOCK_NIC;
		r->time = h->rx_timestamp;
	} else if (bpf_core_field_exists(v->timestamp_low32) && v->has_timestamp_low32) {
		r->clock = CLOCK_NIC_LOW32;
		r->time = v->timestamp_low32;
	} else if (bpf_core_field_exists(v->cqe_timestamp) && v->has_cqe_timestamp) {
		r->clock = CLOCK_MLX5;
		r->time = v->cqe_timestamp;
	} else {
		r->clock = CLOCK_KERNEL;
		r->time = bpf_ktime_get_ns();
	}
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
	set_time(r, h);
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
