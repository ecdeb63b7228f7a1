/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The oracle: what the kernel's own sk_buff says of the packet where tc sees it,
 * right behind XDP. And on the sender's side what makes packets out of the
 * ordinary.
 */
#define load_bytes bpf_skb_load_bytes
#include "packet.h"
#include <bpf/bpf_core_read.h>

/* What struct __sk_buff does not show. */
struct sk_buff {
	__u8 ip_summed : 2;
	__u8 csum_level : 2;
	__u8 l4_hash : 1;
	__u8 sw_hash : 1;
	__u32 csum;
} __attribute__((preserve_access_index));

extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym;

struct skb_record {
	__u64 tstamp;
	__u32 hash, mark, len, csum;
	__u32 queue_mapping;
	__u16 vlan_tci;
	__be16 vlan_proto, protocol;
	__u8 vlan_present, l4_hash, sw_hash, ip_summed, csum_level;
	__u8 unused;
};

SEEN(skb_record);

SEC("tcx/ingress")
int see(struct __sk_buff *ctx)
{
	__u32 id = identify(ctx);
	struct sk_buff *skb = bpf_cast_to_kern_ctx(ctx);
	struct skb_record r = {};

	if (!id)
		return -1; /* TCX_NEXT */
	r.tstamp = ctx->tstamp;
	r.hash = ctx->hash;
	r.mark = ctx->mark;
	r.len = ctx->len;
	r.csum = skb->csum;
	r.queue_mapping = ctx->queue_mapping;
	r.vlan_present = ctx->vlan_present;
	r.vlan_tci = ctx->vlan_tci;
	r.vlan_proto = ctx->vlan_proto;
	r.protocol = ctx->protocol;
	r.l4_hash = BPF_CORE_READ_BITFIELD(skb, l4_hash);
	r.sw_hash = BPF_CORE_READ_BITFIELD(skb, sw_hash);
	r.ip_summed = BPF_CORE_READ_BITFIELD(skb, ip_summed);
	r.csum_level = BPF_CORE_READ_BITFIELD(skb, csum_level);
	bpf_map_update_elem(&seen, &id, &r, BPF_NOEXIST);
	return -1;
}

/* What is done to each packet on its way out. */
const volatile __be16 push_proto = 0; /* not 0: a tag is pushed, out of band */
const volatile __u16 push_tci = 0;
const volatile __u32 verified = 0;    /* how many checksums are said to be verified */

SEC("tcx/egress")
int send(struct __sk_buff *ctx)
{
	if (!identify(ctx))
		return -1;
	if (push_proto)
		bpf_skb_vlan_push(ctx, push_proto, push_tci);
	/* From CHECKSUM_NONE it becomes CHECKSUM_UNNECESSARY, from there each adds a
	 * level (__skb_incr_checksum_unnecessary in include/linux/skbuff.h, 6.18).
	 */
	for (__u32 i = 0; i < 4; i++)
		if (i < verified)
			bpf_csum_level(ctx, BPF_CSUM_LEVEL_INC);
	return -1;
}

char LICENSE[] SEC("license") = "GPL";
