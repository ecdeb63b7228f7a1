/* SPDX-License-Identifier: MIT */
/*
 * stmmac's GMAC4 as Linux 6.12 reads it: drivers/net/ethernet/stmicro/stmmac/
 * dwmac4_descs.h for the numbers, dwmac4_descs.c dwmac4_wrback_get_rx_status,
 * dwmac4_wrback_get_rx_vlan_valid, dwmac4_wrback_get_rx_timestamp_status, and
 * stmmac_main.c stmmac_rx and stmmac_xdp_rx_timestamp. What a checksum error is:
 * Linux 7.3. Payload types: ST's HAL for STM32H7, stm32h7xx_hal_eth.h.
 */
#include "oracle.h"

struct dma_desc {
	u32 des0, des1, des2, des3;
};

#define RDES0_VLAN_TAG_MASK GENMASK(15, 0)

#define RDES1_IP_PAYLOAD_TYPE_MASK GENMASK(2, 0)
#define RDES1_IP_HDR_ERROR	   BIT(3)
#define RDES1_IPV4_HEADER	   BIT(4)
#define RDES1_IPV6_HEADER	   BIT(5)
#define RDES1_IP_CSUM_BYPASSED	   BIT(6)
#define RDES1_IP_PAYLOAD_ERROR	   BIT(7)
#define RDES1_PTP_MSG_TYPE_MASK	   GENMASK(11, 8)
#define RDES1_PTP_PACKET_TYPE	   BIT(12)
#define RDES1_PTP_VER		   BIT(13)
#define RDES1_TIMESTAMP_AVAILABLE  BIT(14)
#define RDES1_TIMESTAMP_DROPPED	   BIT(15)
#define RDES1_IP_TYPE1_CSUM_MASK   GENMASK(31, 16)

#define RDES2_VLAN_FILTER_STATUS  BIT(15)
#define RDES2_HASH_FILTER_STATUS  BIT(18)
#define RDES2_MAC_ADDR_MATCH_MASK GENMASK(26, 19)
#define RDES2_L3_FILTER_MATCH	  BIT(27)
#define RDES2_L4_FILTER_MATCH	  BIT(28)

#define RDES3_PACKET_SIZE_MASK	   GENMASK(14, 0)
#define RDES3_PACKET_LEN_TYPE_MASK GENMASK(18, 16)
#define RDES3_RDES0_VALID	   BIT(25)
#define RDES3_RDES1_VALID	   BIT(26)
#define RDES3_RDES2_VALID	   BIT(27)
#define RDES3_LAST_DESCRIPTOR	   BIT(28)
#define RDES3_CONTEXT_DESCRIPTOR   BIT(30)
#define RDES3_OWN		   BIT(31)

enum { ETH_IP_PAYLOAD_UNKNOWN, ETH_IP_PAYLOAD_UDP, ETH_IP_PAYLOAD_TCP, ETH_IP_PAYLOAD_ICMPN };

#define ETH_FCS_LEN 4

/* The order in which the record has what lies beside the descriptor. */
enum { HW_VLAN_EN, HWTS_RX_EN, NDESC_DES3, NDESC_DES0_DES1, CDC_ERROR_ADJ, QUEUE_INDEX };

static u32 rte_ptype(u32 rdes1)
{
	bool ipv4 = rdes1 & RDES1_IPV4_HEADER, ipv6 = rdes1 & RDES1_IPV6_HEADER;
	u32 l3 = L2_ETHER | (ipv4 ? L3_IPV4_EXT_UNKNOWN : L3_IPV6_EXT_UNKNOWN);

	if (ipv4 == ipv6) /* none, or one in the other */
		return 0;
	switch (rdes1 & RDES1_IP_PAYLOAD_TYPE_MASK) {
	case ETH_IP_PAYLOAD_UNKNOWN: return l3;
	case ETH_IP_PAYLOAD_UDP:     return l3 | OUTER_L4(L4_UDP);
	case ETH_IP_PAYLOAD_TCP:     return l3 | OUTER_L4(L4_TCP);
	case ETH_IP_PAYLOAD_ICMPN:   return l3 | OUTER_L4(L4_ICMP);
	default: return 0;
	}
}

/* What the core looked at, of one IP header. */
static void checksums(u32 rdes1)
{
	u32 payload = rdes1 & RDES1_IP_PAYLOAD_TYPE_MASK;

	if (!(rdes1 & RDES1_IPV4_HEADER) == !(rdes1 & RDES1_IPV6_HEADER) || (rdes1 & RDES1_IP_CSUM_BYPASSED))
		return;
	hint("ip_csum", rdes1 & RDES1_IP_HDR_ERROR ? CSUM_BAD : CSUM_GOOD);
	if (rdes1 & (RDES1_IP_HDR_ERROR | RDES1_IP_PAYLOAD_ERROR)) /* csum_none */
		hint("csum_status", CSUM_BAD);
	else if (payload >= ETH_IP_PAYLOAD_UDP && payload <= ETH_IP_PAYLOAD_ICMPN)
		hint("csum_status", CSUM_GOOD);
}

/* dwmac4_rx_check_timestamp, and stmmac_xdp_rx_timestamp */
static void rx_timestamp(const u8 *behind)
{
	u32 rdes0 = beside(behind, NDESC_DES0_DES1), rdes1 = beside(behind, NDESC_DES0_DES1) >> 32;
	u32 rdes3 = beside(behind, NDESC_DES3);

	if ((rdes3 & RDES3_OWN) || !(rdes3 & RDES3_CONTEXT_DESCRIPTOR))
		return;
	if (rdes0 == 0xffffffff && rdes1 == 0xffffffff)
		return;
	hint("rx_timestamp", rdes0 + rdes1 * 1000000000ULL - beside(behind, CDC_ERROR_ADJ));
}

static void describe(const char *form, const u8 *raw)
{
	const u8 *behind = raw + sizeof(struct dma_desc);
	u32 rdes0, rdes1, rdes2, rdes3;
	struct dma_desc p;

	(void)form;
	memcpy(&p, raw, sizeof(p));
	rdes0 = le32toh(p.des0);
	rdes1 = le32toh(p.des1);
	rdes2 = le32toh(p.des2);
	rdes3 = le32toh(p.des3);
	if ((rdes3 & RDES3_OWN) || (rdes3 & RDES3_CONTEXT_DESCRIPTOR) || !(rdes3 & RDES3_LAST_DESCRIPTOR))
		return;

	if ((rdes3 & RDES3_PACKET_SIZE_MASK) >= ETH_FCS_LEN)
		hint("pkt_len", (rdes3 & RDES3_PACKET_SIZE_MASK) - ETH_FCS_LEN);
	hint("rx_queue", (u16)beside(behind, QUEUE_INDEX));
	hint("length_type", FIELD_GET(RDES3_PACKET_LEN_TYPE_MASK, rdes3));
	if ((rdes3 & RDES3_RDES0_VALID) && beside(behind, HW_VLAN_EN)) { /* dwmac4_rx_hw_vlan */
		hint("vlan_tci", rdes0 & RDES0_VLAN_TAG_MASK);
		hint("vlan_proto", htons(ETH_P_8021Q));
	}
	if (rdes3 & RDES3_RDES1_VALID) {
		u32 message_type = FIELD_GET(RDES1_PTP_MSG_TYPE_MASK, rdes1);

		if (rte_ptype(rdes1))
			hint("ptype", rte_ptype(rdes1));
		checksums(rdes1);
		hint("ptp_message", message_type);
		if (message_type) { /* RDES_EXT_NO_PTP */
			hint("ptp_ethernet", !!(rdes1 & RDES1_PTP_PACKET_TYPE));
			hint("ptp_version", !!(rdes1 & RDES1_PTP_VER));
		}
		hint("timestamp_dropped", !!(rdes1 & RDES1_TIMESTAMP_DROPPED));
		hint("type1_csum", FIELD_GET(RDES1_IP_TYPE1_CSUM_MASK, rdes1));
		if (beside(behind, HWTS_RX_EN) && (rdes1 & RDES1_TIMESTAMP_AVAILABLE))
			rx_timestamp(behind);
	}
	if (rdes3 & RDES3_RDES2_VALID) {
		hint("vlan_filter", !!(rdes2 & RDES2_VLAN_FILTER_STATUS));
		hint("hash_filter", !!(rdes2 & RDES2_HASH_FILTER_STATUS));
		hint("mac_match", FIELD_GET(RDES2_MAC_ADDR_MATCH_MASK, rdes2));
		hint("filter_match", (rdes2 & RDES2_L3_FILTER_MATCH ? 1 : 0) | (rdes2 & RDES2_L4_FILTER_MATCH ? 2 : 0));
	}
}
