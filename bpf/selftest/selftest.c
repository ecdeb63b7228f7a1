// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What "hintjit selftest" attaches: for every packet one record with all hints, the
 * frame, and what the kernel itself says of it. Every packet passes on as it came.
 *
 * Records of two kinds go through one ring buffer: a frame's, of the XDP program, and
 * that of the sk_buff which the driver made of it, of a tracing program. Drivers do
 * both in one go on one CPU, so that a number which the first leaves there tells the
 * second which frame it is. User space compares the bytes to be sure.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "../hintjit.h"

/* Every standard hint, in the order of the header and of layouts.StandardHints. */
#define EACH_HINT(x)                                                           \
	x(rx_hash) x(rx_hash_type) x(rx_timestamp) x(vlan_tci) x(vlan_proto)   \
	x(inner_vlan_tci) x(ptype) x(csum_status) x(csum) x(flow_mark)         \
	x(pkt_len) x(rx_queue) x(rx_error) x(l3_offset) x(l4_offset)           \
	x(src_ip4) x(dst_ip4) x(src_port) x(dst_port)

enum hint {
#define NUMBER(name) HINT_##name,
	EACH_HINT(NUMBER)
	HINTS
};

#define KIND_FRAME	1
#define KIND_SKB	2

#define FRAME_BYTES	1536 /* a whole frame at the usual MTU */
#define SKB_BYTES	64 /* enough to tell that it is the same frame */

/* Both records are read by internal/selftest/record.go, member by member. */
struct frame_record {
	__u32 kind;
	__u32 cpu;
	__u64 number; /* of this CPU's frames, from 1 */
	__u64 time; /* ns since boot */
	__u64 value[HINTS];
	__u32 has; /* a bit a hint */
	__u32 exists; /* what bpf_core_field_exists answers */
	__u32 queue; /* as the context has it */
	__u32 length; /* of the frame, in all its buffers */
	__u32 linear; /* of its first buffer */
	__u32 captured; /* bytes in frame */
	/* What the kfuncs returned and gave, where they were asked. */
	__s32 hash_error, timestamp_error, vlan_error;
	__u32 kfunc_hash, kfunc_hash_type;
	__be16 kfunc_vlan_proto;
	__u16 kfunc_vlan_tci;
	__u64 kfunc_timestamp;
	__u8 frame[FRAME_BYTES];
};

struct skb_record {
	__u32 kind;
	__u32 cpu;
	__u64 number; /* of the frame */
	__u64 hwtstamp;
	__u32 hash, mark, csum;
	__u32 length; /* with the Ethernet header */
	__u32 captured; /* bytes in frame */
	__u16 queue_mapping;
	__u16 vlan_tci;
	__be16 vlan_proto; /* 0: no tag beside the frame */
	__u8 ip_summed;
	__u8 sw_hash; /* the hash is the kernel's own */
	__u8 frame[SKB_BYTES];
};

/* As long as binary.Size of the Go structs, which know no holes. */
#define offsetof_end(type, member) (__builtin_offsetof(type, member) + sizeof(((type *)0)->member))
_Static_assert(offsetof_end(struct frame_record, frame) == 1768, "frame_record has a hole");
_Static_assert(offsetof_end(struct skb_record, frame) == 116, "skb_record has a hole");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 * 1024 * 1024);
} records SEC(".maps");

struct cpu {
	__u64 frames; /* that were numbered */
	__u64 awaited; /* number of the frame whose sk_buff comes next, 0: none */
	__u64 lost; /* frames for which the ring buffer had no room */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cpu);
} cpus SEC(".maps");

/* The interface, for the tracing program, which sees all of them. */
const volatile __u32 ifindex = 0;

static __always_inline struct cpu *this_cpu(void)
{
	__u32 key = 0;

	return bpf_map_lookup_elem(&cpus, &key);
}

static __always_inline void fill(struct frame_record *r, const struct hintjit_rx *h)
{
	__u32 has = 0, exists = 0;

#define FILL(name)                                                             \
	r->value[HINT_##name] = h->name;                                       \
	has |= (__u32)h->has_##name << HINT_##name;                            \
	exists |= (__u32)bpf_core_field_exists(h->name) << HINT_##name;
	EACH_HINT(FILL)
	r->has = has;
	r->exists = exists;
}

/* The record of a frame; NULL when there is no room for it. */
static __always_inline struct frame_record *record(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	struct cpu *cpu = this_cpu();
	struct frame_record *r;
	__u64 length; /* as wide as a register: what is known of it gets lost in moves of 32 bits */

	if (!cpu)
		return 0;
	cpu->awaited = 0;
	r = bpf_ringbuf_reserve(&records, sizeof(*r), 0);
	if (!r) {
		cpu->lost += 1;
		return 0;
	}
	r->kind = KIND_FRAME;
	r->cpu = bpf_get_smp_processor_id();
	r->number = cpu->awaited = ++cpu->frames;
	r->time = bpf_ktime_get_ns();
	fill(r, h);
	r->queue = ctx->rx_queue_index;
	r->length = length = bpf_xdp_get_buff_len(ctx);
	r->linear = ctx->data_end - ctx->data;
	if (length > FRAME_BYTES)
		length = FRAME_BYTES;
	r->captured = 0;
	if (length > 0 && !bpf_xdp_load_bytes(ctx, 0, r->frame, length))
		r->captured = length;
	r->hash_error = r->timestamp_error = r->vlan_error = 0;
	r->kfunc_hash = r->kfunc_hash_type = 0;
	r->kfunc_vlan_proto = r->kfunc_vlan_tci = 0;
	r->kfunc_timestamp = 0;
	return r;
}

SEC("xdp")
int plain(struct xdp_md *ctx)
{
	struct frame_record *r = record(ctx);

	if (r)
		bpf_ringbuf_submit(r, 0);
	return XDP_PASS;
}

/* The mainline kfuncs, which a program has when it is bound to one device. The
 * kernel knows them all from 6.8 on.
 */
enum xdp_rss_hash_type { XDP_RSS_TYPE_NONE };

extern int bpf_xdp_metadata_rx_hash(const struct xdp_md *ctx, __u32 *hash,
				    enum xdp_rss_hash_type *type) __ksym;
extern int bpf_xdp_metadata_rx_timestamp(const struct xdp_md *ctx, __u64 *timestamp) __ksym;
extern int bpf_xdp_metadata_rx_vlan_tag(const struct xdp_md *ctx, __be16 *proto,
					__u16 *tci) __ksym;

SEC("xdp")
int kfunc(struct xdp_md *ctx)
{
	/* The hints first: a kfunc may compute what the descriptor has not (veth). */
	struct frame_record *r = record(ctx);
	enum xdp_rss_hash_type type = XDP_RSS_TYPE_NONE;
	__u64 timestamp = 0;
	__be16 proto = 0;
	__u32 hash = 0;
	__u16 tci = 0;

	if (!r)
		return XDP_PASS;
	r->hash_error = bpf_xdp_metadata_rx_hash(ctx, &hash, &type);
	r->kfunc_hash = hash;
	r->kfunc_hash_type = type;
	r->timestamp_error = bpf_xdp_metadata_rx_timestamp(ctx, &timestamp);
	r->kfunc_timestamp = timestamp;
	r->vlan_error = bpf_xdp_metadata_rx_vlan_tag(ctx, &proto, &tci);
	r->kfunc_vlan_proto = proto;
	r->kfunc_vlan_tci = tci;
	bpf_ringbuf_submit(r, 0);
	return XDP_PASS;
}

struct net_device {
	int ifindex;
} HINTJIT_RECORD;

struct skb_shared_hwtstamps {
	__u64 hwtstamp;
} HINTJIT_RECORD;

struct skb_shared_info {
	struct skb_shared_hwtstamps hwtstamps;
} HINTJIT_RECORD;

struct sk_buff {
	struct net_device *dev;
	unsigned char *head, *data;
	__u32 len, data_len, end;
	__u16 mac_header;
	__u16 queue_mapping;
	__u16 vlan_tci;
	__be16 vlan_proto;
	__u32 hash, mark, csum;
	__u8 ip_summed : 2;
	__u8 sw_hash : 1;
} HINTJIT_RECORD;

static __always_inline void fill_skb(struct skb_record *s, struct sk_buff *skb)
{
	unsigned char *mac = skb->head + skb->mac_header;
	struct skb_shared_info *shared = (void *)(skb->head + skb->end);
	__u32 pulled = skb->data - mac; /* the Ethernet header */
	__u32 linear = skb->len - skb->data_len + pulled;
	__u64 hwtstamp = 0;

	s->length = skb->len + pulled;
	s->captured = linear < SKB_BYTES ? linear : SKB_BYTES;
	if (bpf_probe_read_kernel(s->frame, SKB_BYTES, mac))
		s->captured = 0;
	bpf_probe_read_kernel(&hwtstamp, sizeof(hwtstamp), &shared->hwtstamps.hwtstamp);
	s->hwtstamp = hwtstamp;
	s->hash = skb->hash;
	s->mark = skb->mark;
	s->csum = skb->csum;
	s->queue_mapping = skb->queue_mapping;
	s->vlan_tci = skb->vlan_tci;
	s->vlan_proto = skb->vlan_proto;
	s->ip_summed = BPF_CORE_READ_BITFIELD(skb, ip_summed);
	s->sw_hash = BPF_CORE_READ_BITFIELD(skb, sw_hash);
}

static __always_inline int received(struct sk_buff *skb)
{
	struct cpu *cpu = this_cpu();
	struct skb_record *s;

	if (!cpu || !cpu->awaited || skb->dev->ifindex != (int)ifindex)
		return 0;
	s = bpf_ringbuf_reserve(&records, sizeof(*s), 0);
	if (s) {
		s->kind = KIND_SKB;
		s->cpu = bpf_get_smp_processor_id();
		s->number = cpu->awaited;
		fill_skb(s, skb);
		bpf_ringbuf_submit(s, 0);
	}
	cpu->awaited = 0;
	return 0;
}

/* Where drivers hand an sk_buff over, before the stack has changed it
 * (napi_gro_receive, napi_gro_frags and netif_receive_skb of Linux 6.12, net/core).
 */
SEC("tp_btf/napi_gro_receive_entry")
int gro(__u64 *ctx)
{
	return received((void *)ctx[0]);
}

SEC("tp_btf/napi_gro_frags_entry")
int gro_frags(__u64 *ctx)
{
	return received((void *)ctx[0]);
}

SEC("tp_btf/netif_receive_skb_entry")
int receive(__u64 *ctx)
{
	return received((void *)ctx[0]);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
