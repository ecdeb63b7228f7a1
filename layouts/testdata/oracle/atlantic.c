/* SPDX-License-Identifier: MIT */
/*
 * atlantic as Linux 6.12 reads it: drivers/net/ethernet/aquantia/atlantic
 * hw_atl/hw_atl_b0.c hw_atl_b0_hw_ring_rx_receive takes the descriptor apart,
 * aq_ring.c __aq_ring_xdp_clean and aq_rx_checksum use what it made of it. Hash
 * types: NetBSD sys/dev/pci/if_aq.c. Packet types: DPDK 22.11
 * drivers/net/atlantic/atl_rxtx.c atl_desc_to_pkt_type.
 */
#include "oracle.h"

struct hw_atl_rxd_wb_s {
	u32 type;
	u32 rss_hash;
	u16 status;
	u16 pkt_len;
	u16 next_desc_ptr;
	u16 vlan;
};

#define HW_ATL_B0_RXD_WB_STAT_PKTTYPE	     0x00000FF0
#define HW_ATL_B0_RXD_WB_STAT_PKTTYPE_SHIFT  0x4
#define HW_ATL_B0_RXD_WB_PKTTYPE_VLAN	     BIT(5)
#define HW_ATL_B0_RXD_WB_PKTTYPE_VLAN_DOUBLE BIT(6)
#define HW_ATL_B0_RXD_WB_STAT2_EOP	     0x0002
#define HW_ATL_B0_RXD_WB_STAT2_RSCCNT	     0xF000

enum { /* RXDESC_TYPE_RSSTYPE */
	RSSTYPE_NONE, RSSTYPE_IPV4 = 2, RSSTYPE_IPV6, RSSTYPE_IPV4_TCP, RSSTYPE_IPV6_TCP, RSSTYPE_IPV4_UDP,
	RSSTYPE_IPV6_UDP,
};

/* flags */
struct aq_ring_buff_s {
	u32 len : 16;
	u32 is_ip_cso : 1;
	u32 is_udp_cso : 1;
	u32 is_tcp_cso : 1;
	u32 is_cso_err : 1;
	u32 rest : 12;
	u16 eop_index;
	u16 rsvd4;
};

/* The order in which the record has the driver's state. */
struct aq_ring_s {
	u64 flags;
	bool is_vlan_rx_strip;
	u32 queue_index;
	u32 idx;
};

static u32 hash_type(u16 rss_type)
{
	switch (rss_type) {
	case RSSTYPE_IPV4:     return XDP_RSS_L3_IPV4;
	case RSSTYPE_IPV6:     return XDP_RSS_L3_IPV6;
	case RSSTYPE_IPV4_TCP: return XDP_RSS_L3_IPV4 | XDP_RSS_L4 | XDP_RSS_L4_TCP;
	case RSSTYPE_IPV6_TCP: return XDP_RSS_L3_IPV6 | XDP_RSS_L4 | XDP_RSS_L4_TCP;
	case RSSTYPE_IPV4_UDP: return XDP_RSS_L3_IPV4 | XDP_RSS_L4 | XDP_RSS_L4_UDP;
	case RSSTYPE_IPV6_UDP: return XDP_RSS_L3_IPV6 | XDP_RSS_L4 | XDP_RSS_L4_UDP;
	default: return 0;
	}
}

/* atl_desc_to_pkt_type, which ors a layer 4 to ARP as well, and has no other than these four */
static u32 rte_ptype(u32 pkt_type)
{
	static const u32 l4_code[] = { L4_TCP, L4_UDP, L4_SCTP, L4_ICMP, 0 };
	u32 l2_l3_type = pkt_type & 0x3, l4_type = (pkt_type & 0x1C) >> 2;

	if (l4_type > 4)
		return 0;
	switch (l2_l3_type) {
	case 0: return L2_ETHER | L3_IPV4_EXT_UNKNOWN | OUTER_L4(l4_code[l4_type]);
	case 1: return L2_ETHER | L3_IPV6_EXT_UNKNOWN | OUTER_L4(l4_code[l4_type]);
	case 2: return L2_ETHER;
	default: return L2_ARP;
	}
}

/*
 * aq_rx_checksum. A good IPv4 header is enough for the driver to say
 * CHECKSUM_UNNECESSARY; here layer 4 has to be good.
 */
static void rx_checksum(const struct aq_ring_buff_s *buff)
{
	if (buff->is_cso_err) {
		hint("csum_status", CSUM_BAD);
		return;
	}
	if (buff->is_ip_cso)
		hint("ip_csum", CSUM_GOOD);
	if (buff->is_udp_cso || buff->is_tcp_cso)
		hint("csum_status", CSUM_GOOD);
}

static void describe(const char *form, const u8 *raw)
{
	struct hw_atl_rxd_wb_s rxd_wb;
	struct aq_ring_s ring = {
		.flags = beside(raw + sizeof(rxd_wb), 0), .is_vlan_rx_strip = beside(raw + sizeof(rxd_wb), 1),
		.queue_index = beside(raw + sizeof(rxd_wb), 2), .idx = beside(raw + sizeof(rxd_wb), 3),
	};
	struct aq_ring_buff_s buff;
	u32 type, pkt_type;
	u16 status, rss_type;

	(void)form;
	memcpy(&rxd_wb, raw, sizeof(rxd_wb));
	type = le32toh(rxd_wb.type);
	status = le16toh(rxd_wb.status);
	if (!(status & 0x1U)) /* RxD is not done */
		return;

	pkt_type = (type & HW_ATL_B0_RXD_WB_STAT_PKTTYPE) >> HW_ATL_B0_RXD_WB_STAT_PKTTYPE_SHIFT;

	if (ring.is_vlan_rx_strip && ((pkt_type & HW_ATL_B0_RXD_WB_PKTTYPE_VLAN) ||
				      (pkt_type & HW_ATL_B0_RXD_WB_PKTTYPE_VLAN_DOUBLE))) {
		hint("vlan_tci", le16toh(rxd_wb.vlan));
		hint("vlan_proto", htons(ETH_P_8021Q));
	}
	hint("vlan_tags", (pkt_type & HW_ATL_B0_RXD_WB_PKTTYPE_VLAN ? 1 : 0) |
			  (pkt_type & HW_ATL_B0_RXD_WB_PKTTYPE_VLAN_DOUBLE ? 2 : 0));
	rss_type = type & 0xFU;
	if (rss_type && rss_type < 0x8U)
		hint("rx_hash", le32toh(rxd_wb.rss_hash));
	if (hash_type(rss_type))
		hint("rx_hash_type", hash_type(rss_type));
	if (rte_ptype(pkt_type))
		hint("ptype", rte_ptype(pkt_type));
	memcpy(&buff, &ring.flags, sizeof(buff));
	rx_checksum(&buff);
	if (status & HW_ATL_B0_RXD_WB_STAT2_EOP) /* all of the frame's in its last descriptor */
		hint("pkt_len", le16toh(rxd_wb.pkt_len));
	hint("lro_count", (status & HW_ATL_B0_RXD_WB_STAT2_RSCCNT) >> 12);
	hint("rx_queue", (u16)ring.queue_index);
	hint("ring", (u8)ring.idx);
}
