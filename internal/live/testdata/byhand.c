/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The same programs with the walk through veth's structures written by hand: from
 * the context to the kernel's xdp_buff, on to the sk_buff that veth keeps behind
 * it, and what is known of the packet from there. It knows nothing of layouts, so
 * it is something to hold rewritten programs against.
 *
 * File names are those of Linux 6.18.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "../../../bpf/hintjit.h"
#include "subject.h"
#include "bench.h"

#define KERNEL __attribute__((preserve_access_index))

struct net_device {
	void *_rx;
} KERNEL;

struct xdp_rxq_info {
	struct net_device *dev;
	__u32 queue_index;
} KERNEL;

struct netdev_rx_queue {
	struct xdp_rxq_info xdp_rxq;
} KERNEL;

struct xdp_buff {
	struct xdp_rxq_info *rxq;
} KERNEL;

/* drivers/net/veth.c. A module's struct on most distributions, so that it can not
 * be cast to; where its members are can be known nevertheless.
 */
struct veth_xdp_buff {
	struct xdp_buff xdp;
	void *skb;
} KERNEL;

struct skb_shared_hwtstamps {
	__u64 hwtstamp;
} KERNEL;

struct skb_shared_info {
	struct skb_shared_hwtstamps hwtstamps;
} KERNEL;

struct sk_buff {
	__u32 len;
	__u16 queue_mapping;
	__u8 ip_summed : 2;
	__u8 l4_hash : 1;
	__u32 csum;
	__u32 hash;
	__u32 vlan_all;
	__be16 vlan_proto;
	__u16 vlan_tci;
	__u32 mark;
	__u32 end;
	unsigned char *head;
} KERNEL;

/* include/linux/skbuff.h */
enum { CHECKSUM_NONE, CHECKSUM_UNNECESSARY, CHECKSUM_COMPLETE, CHECKSUM_PARTIAL };

extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym;
extern void *bpf_rdonly_cast(const void *address, __u32 type) __ksym;

#define CAST(address, type) \
	((type *)bpf_rdonly_cast((const void *)(address), bpf_core_type_id_kernel(type)))
/* Memory of no particular type, as 64-bit words: the array has no bound. */
#define WORDS(address) (CAST(address, struct bpf_raw_tracepoint_args)->args)

/*
 * The sk_buff behind the xdp_buff, 0 where there is none.
 *
 * Generic mode and BPF_PROG_RUN pass an xdp_buff with nothing behind it. Both
 * have the device's own queue in it (netif_get_rxqueue in net/core/dev.c,
 * xdp_convert_md_to_buff in net/bpf/test_run.c), where veth has the one in its
 * struct veth_rq (veth_enable_xdp_range).
 */
static __always_inline __u64 skb_of(struct xdp_md *ctx)
{
	struct xdp_buff *x = bpf_cast_to_kern_ctx(ctx);
	struct xdp_rxq_info *rxq = x->rxq;
	__u64 first = (__u64)rxq->dev->_rx;
	__u64 size = bpf_core_type_size(struct netdev_rx_queue);
	__u64 own = first + rxq->queue_index * size + bpf_core_field_offset(struct netdev_rx_queue, xdp_rxq);

	if ((__u64)rxq == own)
		return 0;
	return WORDS((char *)x + bpf_core_field_offset(struct veth_xdp_buff, skb))[0];
}

/* Packets of veth's own xmit have their checksum still to be filled in
 * (CHECKSUM_PARTIAL); the kernel takes that as verified (skb_csum_unnecessary in
 * include/linux/skbuff.h).
 */
static __always_inline __u8 csum_status(struct sk_buff *skb)
{
	switch (BPF_CORE_READ_BITFIELD(skb, ip_summed)) {
	case CHECKSUM_UNNECESSARY:
	case CHECKSUM_PARTIAL:
		return HINTJIT_CSUM_GOOD;
	case CHECKSUM_COMPLETE:
		return HINTJIT_CSUM_COMPLETE;
	}
	return HINTJIT_CSUM_UNKNOWN;
}

static __always_inline void give(struct record *r, enum hint h, __u64 value, _Bool valid)
{
	r->exists |= 1u << h;
	if (valid) {
		r->has |= 1u << h;
		r->value[h] = value;
	}
}

static __always_inline void fill(struct xdp_md *ctx, struct record *r)
{
	__u64 address = skb_of(ctx);
	/* Of a NULL every load is 0. */
	struct sk_buff *skb = CAST(address, struct sk_buff);
	struct skb_shared_info *shared = CAST((__u64)skb->head + skb->end, struct skb_shared_info);
	__u8 status = csum_status(skb);

	give(r, HINT_rx_hash, skb->hash, skb->hash);
	give(r, HINT_rx_hash_type, BPF_CORE_READ_BITFIELD(skb, l4_hash) ? HINTJIT_RSS_L4 : 0, skb->hash);
	give(r, HINT_rx_timestamp, shared->hwtstamps.hwtstamp, shared->hwtstamps.hwtstamp);
	give(r, HINT_vlan_tci, skb->vlan_tci, skb->vlan_all);
	give(r, HINT_vlan_proto, skb->vlan_proto, skb->vlan_all);
	give(r, HINT_csum_status, status, status);
	give(r, HINT_csum, skb->csum, status == HINTJIT_CSUM_COMPLETE);
	give(r, HINT_flow_mark, skb->mark, skb->mark);
	give(r, HINT_pkt_len, skb->len, skb->len);
	/* veth takes the packet's transmit queue as its receive queue (veth_xmit). */
	give(r, HINT_rx_queue, skb->queue_mapping, address);
}

static __always_inline __u64 hints(struct xdp_md *ctx, int n)
{
	struct sk_buff *skb = CAST(skb_of(ctx), struct sk_buff);
	__u64 sum = skb->hash;

	if (n > 1 && skb->vlan_all)
		sum += skb->vlan_tci;
	if (n > 2)
		sum += CAST((__u64)skb->head + skb->end, struct skb_shared_info)->hwtstamps.hwtstamp;
	return sum;
}

BENCH(1)
BENCH(2)
BENCH(3)
