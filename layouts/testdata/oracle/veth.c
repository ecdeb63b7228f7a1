/* SPDX-License-Identifier: MIT */
/*
 * What the kernel takes out of the sk_buff behind a veth_xdp_buff:
 * drivers/net/veth.c (veth_xdp_rx_hash, veth_xdp_rx_timestamp,
 * veth_xdp_rx_vlan_tag) and include/linux/skbuff.h, 6.12.
 */
#include "oracle.h"

/* The order in which the record has the members. */
struct sk_buff {
	u64 address;
	u32 len, hash;
	bool l4_hash;
	u32 vlan_all;
	u16 vlan_tci, vlan_proto;
	unsigned int ip_summed;
	u32 csum, mark;
	u32 queue_index; /* of the xdp_rxq_info */
	u64 hwtstamp;	 /* skb_hwtstamps(skb)->hwtstamp */
};

#define CHECKSUM_NONE	     0
#define CHECKSUM_UNNECESSARY 1
#define CHECKSUM_COMPLETE    2
#define CHECKSUM_PARTIAL     3

static bool skb_csum_unnecessary(const struct sk_buff *skb)
{
	return skb->ip_summed == CHECKSUM_UNNECESSARY || skb->ip_summed == CHECKSUM_PARTIAL;
}

static void describe(const char *form, const u8 *raw)
{
	struct sk_buff skb = {
		.address = beside(raw, 0), .len = beside(raw, 1), .hash = beside(raw, 2), .l4_hash = beside(raw, 3),
		.vlan_all = beside(raw, 4), .vlan_tci = beside(raw, 5), .vlan_proto = beside(raw, 6),
		.ip_summed = beside(raw, 7), .csum = beside(raw, 8), .mark = beside(raw, 9),
		.queue_index = beside(raw, 10), .hwtstamp = beside(raw, 11),
	};

	(void)form;
	if (!skb.address) /* veth_xdp_rcv_one */
		return;
	hint("pkt_len", skb.len);
	hint("rx_queue", (u16)skb.queue_index);
	if (skb.hash) { /* skb_get_hash would compute one; the walk can not */
		hint("rx_hash", skb.hash);
		hint("rx_hash_type", skb.l4_hash ? XDP_RSS_L4 : 0);
	}
	if (skb.hwtstamp) /* veth_xdp_rx_timestamp */
		hint("rx_timestamp", skb.hwtstamp);
	if (skb.vlan_all) { /* skb_vlan_tag_present */
		hint("vlan_tci", skb.vlan_tci);
		hint("vlan_proto", htons(skb.vlan_proto));
	}
	if (skb_csum_unnecessary(&skb))
		hint("csum_status", CSUM_GOOD);
	if (skb.ip_summed == CHECKSUM_COMPLETE) {
		hint("csum_status", CSUM_COMPLETE);
		hint("csum", skb.csum);
	}
	if (skb.mark)
		hint("flow_mark", skb.mark);
}
