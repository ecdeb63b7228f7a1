/* SPDX-License-Identifier: MIT */
/*
 * ionic as Linux 6.12 reads it: drivers/net/ethernet/pensando/ionic/ionic_if.h
 * for the completion, ionic_txrx.c ionic_rx_clean for what is asked in which
 * order.
 */
#include "oracle.h"

struct ionic_rxq_comp {
	u8 status;
	u8 num_sg_elems;
	u16 comp_index;
	u32 rss_hash;
	u16 csum;
	u16 vlan_tci;
	u16 len;
	u8 csum_flags;
#define IONIC_RXQ_COMP_CSUM_F_TCP_OK  0x01
#define IONIC_RXQ_COMP_CSUM_F_TCP_BAD 0x02
#define IONIC_RXQ_COMP_CSUM_F_UDP_OK  0x04
#define IONIC_RXQ_COMP_CSUM_F_UDP_BAD 0x08
#define IONIC_RXQ_COMP_CSUM_F_IP_OK   0x10
#define IONIC_RXQ_COMP_CSUM_F_IP_BAD  0x20
#define IONIC_RXQ_COMP_CSUM_F_VLAN    0x40
#define IONIC_RXQ_COMP_CSUM_F_CALC    0x80
	u8 pkt_type_color;
#define IONIC_RXQ_COMP_PKT_TYPE_MASK 0x7f
};

enum ionic_pkt_type {
	IONIC_PKT_TYPE_NON_IP = 0x00,
	IONIC_PKT_TYPE_IPV4 = 0x01,
	IONIC_PKT_TYPE_IPV4_TCP = 0x03,
	IONIC_PKT_TYPE_IPV4_UDP = 0x05,
	IONIC_PKT_TYPE_IPV6 = 0x08,
	IONIC_PKT_TYPE_IPV6_TCP = 0x18,
	IONIC_PKT_TYPE_IPV6_UDP = 0x28,
};

static void by_type(u8 pkt_type, u32 hash)
{
	u32 type, ptype = L2_ETHER;

	switch (pkt_type) {
	case IONIC_PKT_TYPE_NON_IP:
		hint("ptype", ptype);
		return;
	case IONIC_PKT_TYPE_IPV4:
	case IONIC_PKT_TYPE_IPV4_TCP:
	case IONIC_PKT_TYPE_IPV4_UDP:
		type = XDP_RSS_L3_IPV4;
		ptype |= L3_IPV4_EXT_UNKNOWN;
		break;
	case IONIC_PKT_TYPE_IPV6:
	case IONIC_PKT_TYPE_IPV6_TCP:
	case IONIC_PKT_TYPE_IPV6_UDP:
		type = XDP_RSS_L3_IPV6;
		ptype |= L3_IPV6_EXT_UNKNOWN;
		break;
	default: /* tunneled, or no type */
		return;
	}
	switch (pkt_type) {
	case IONIC_PKT_TYPE_IPV4_TCP:
	case IONIC_PKT_TYPE_IPV6_TCP:
		type |= XDP_RSS_L4 | XDP_RSS_L4_TCP;
		ptype |= OUTER_L4(L4_TCP);
		break;
	case IONIC_PKT_TYPE_IPV4_UDP:
	case IONIC_PKT_TYPE_IPV6_UDP:
		type |= XDP_RSS_L4 | XDP_RSS_L4_UDP;
		ptype |= OUTER_L4(L4_UDP);
		break;
	}
	hint("rx_hash", hash);
	hint("rx_hash_type", type);
	hint("ptype", ptype);
}

static u8 l4_csum(u8 csum_flags)
{
	if (csum_flags & (IONIC_RXQ_COMP_CSUM_F_TCP_BAD | IONIC_RXQ_COMP_CSUM_F_UDP_BAD))
		return CSUM_BAD;
	if (csum_flags & (IONIC_RXQ_COMP_CSUM_F_TCP_OK | IONIC_RXQ_COMP_CSUM_F_UDP_OK))
		return CSUM_GOOD;
	return CSUM_UNKNOWN;
}

static void describe(const char *form, const u8 *raw)
{
	struct ionic_rxq_comp comp;
	u8 l4;

	(void)form;
	memcpy(&comp, raw, sizeof(comp));
	if (comp.status || !comp.len)
		return;

	by_type(comp.pkt_type_color & IONIC_RXQ_COMP_PKT_TYPE_MASK, le32toh(comp.rss_hash));

	l4 = l4_csum(comp.csum_flags);
	if (comp.csum_flags & IONIC_RXQ_COMP_CSUM_F_CALC) {
		hint("csum_status", CSUM_COMPLETE);
		hint("csum", le16toh(comp.csum));
	} else if (l4 == CSUM_BAD || (comp.csum_flags & IONIC_RXQ_COMP_CSUM_F_IP_BAD)) {
		hint("csum_status", CSUM_BAD);
	} else if (l4 == CSUM_GOOD) {
		hint("csum_status", CSUM_GOOD);
	}
	if (l4 != CSUM_UNKNOWN)
		hint("l4_csum", l4);
	if (comp.csum_flags & IONIC_RXQ_COMP_CSUM_F_IP_BAD)
		hint("ip_csum", CSUM_BAD);
	else if (comp.csum_flags & IONIC_RXQ_COMP_CSUM_F_IP_OK)
		hint("ip_csum", CSUM_GOOD);

	if (comp.csum_flags & IONIC_RXQ_COMP_CSUM_F_VLAN) {
		hint("vlan_tci", le16toh(comp.vlan_tci));
		hint("vlan_proto", htons(ETH_P_8021Q));
	}
	hint("pkt_len", le16toh(comp.len));
	hint("rx_queue", (u16)beside(raw + sizeof(comp), 0));
	hint("packet_type", comp.pkt_type_color & IONIC_RXQ_COMP_PKT_TYPE_MASK);
	hint("more_buffers", comp.num_sg_elems);
	hint("buffer_index", le16toh(comp.comp_index));
}
