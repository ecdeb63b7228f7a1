/* SPDX-License-Identifier: MIT */
/*
 * stmmac's XGMAC as Linux 6.12 reads it: drivers/net/ethernet/stmicro/stmmac/
 * dwxgmac2.h for the numbers, dwxgmac2_descs.c dwxgmac2_get_rx_status,
 * dwxgmac2_get_rx_hash and dwxgmac2_get_rx_timestamp_status, and stmmac_main.c
 * stmmac_rx and stmmac_xdp_rx_timestamp. VLAN tags and filters: Linux 7.3,
 * dwxgmac2_wrback_get_rx_vlan_valid and stmmac_vlan.c vlan_rx_hw.
 */
#include "oracle.h"

struct dma_desc {
	u32 des0, des1, des2, des3;
};

#define XGMAC_RDES0_VLAN_TAG_MASK GENMASK(15, 0)
#define XGMAC_RDES2_L4FM	  BIT(28)
#define XGMAC_RDES2_L3FM	  BIT(27)
#define XGMAC_RDES3_OWN		  BIT(31)
#define XGMAC_RDES3_CTXT	  BIT(30)
#define XGMAC_RDES3_LD		  BIT(28)
#define XGMAC_RDES3_CDA		  BIT(27)
#define XGMAC_RDES3_RSV		  BIT(26)
#define XGMAC_RDES3_L34T	  GENMASK(23, 20)
#define XGMAC_RDES3_ET_LT	  GENMASK(19, 16)
#define XGMAC_RDES3_ES		  BIT(15)
#define XGMAC_RDES3_PL		  GENMASK(13, 0)
#define XGMAC_RDES3_TSD		  BIT(6)
#define XGMAC_RDES3_TSA		  BIT(4)

enum { XGMAC_L34T_IP4TCP = 0x1, XGMAC_L34T_IP4UDP = 0x2, XGMAC_L34T_IP6TCP = 0x9, XGMAC_L34T_IP6UDP = 0xA };
enum {
	XGMAC_ET_LT_VLAN_STAG = 8, XGMAC_ET_LT_VLAN_CTAG, XGMAC_ET_LT_DVLAN_CTAG_CTAG, XGMAC_ET_LT_DVLAN_STAG_STAG,
	XGMAC_ET_LT_DVLAN_CTAG_STAG, XGMAC_ET_LT_DVLAN_STAG_CTAG,
};

#define ETH_FCS_LEN 4

/* The order in which the record has what lies beside the descriptor. */
enum {
	RX_CSUM, HW_VLAN_EN, RX_HW_VLAN, HWTS_RX_EN, NDESC_DES3, NDESC_DES0_DES1, CDC_ERROR_ADJ,
	QUEUE_INDEX,
};

/* What XGMAC_L34T_* says, in both encodings. */
static bool l34(u32 rdes3, u32 *rss, u32 *ptype)
{
	switch (FIELD_GET(XGMAC_RDES3_L34T, rdes3)) {
	case XGMAC_L34T_IP4TCP:
		*rss = XDP_RSS_L3_IPV4 | XDP_RSS_L4 | XDP_RSS_L4_TCP;
		*ptype = L2_ETHER | L3_IPV4_EXT_UNKNOWN | OUTER_L4(L4_TCP);
		return true;
	case XGMAC_L34T_IP4UDP:
		*rss = XDP_RSS_L3_IPV4 | XDP_RSS_L4 | XDP_RSS_L4_UDP;
		*ptype = L2_ETHER | L3_IPV4_EXT_UNKNOWN | OUTER_L4(L4_UDP);
		return true;
	case XGMAC_L34T_IP6TCP:
		*rss = XDP_RSS_L3_IPV6 | XDP_RSS_L4 | XDP_RSS_L4_TCP;
		*ptype = L2_ETHER | L3_IPV6_EXT_UNKNOWN | OUTER_L4(L4_TCP);
		return true;
	case XGMAC_L34T_IP6UDP:
		*rss = XDP_RSS_L3_IPV6 | XDP_RSS_L4 | XDP_RSS_L4_UDP;
		*ptype = L2_ETHER | L3_IPV6_EXT_UNKNOWN | OUTER_L4(L4_UDP);
		return true;
	}
	return false;
}

/* dwxgmac2_rx_check_timestamp, and stmmac_xdp_rx_timestamp */
static void rx_timestamp(const u8 *behind)
{
	u32 des0 = beside(behind, NDESC_DES0_DES1), des1 = beside(behind, NDESC_DES0_DES1) >> 32;
	u32 rdes3 = beside(behind, NDESC_DES3);
	bool desc_valid = !(rdes3 & XGMAC_RDES3_OWN) && (rdes3 & XGMAC_RDES3_CTXT);
	bool ts_valid = !(rdes3 & XGMAC_RDES3_TSD) && (rdes3 & XGMAC_RDES3_TSA);

	if (desc_valid && ts_valid && !(des0 == 0xffffffff && des1 == 0xffffffff))
		hint("rx_timestamp", des1 * 1000000000ULL + des0 - beside(behind, CDC_ERROR_ADJ));
}

/* vlan_rx_hw, which calls every tag 802.1Q; where the outer one is 802.1ad, that is left out */
static void rx_vlan(u32 rdes0, u32 et_lt)
{
	if (et_lt < XGMAC_ET_LT_VLAN_STAG || et_lt > XGMAC_ET_LT_DVLAN_STAG_CTAG)
		return;
	hint("vlan_tci", rdes0 & XGMAC_RDES0_VLAN_TAG_MASK);
	switch (et_lt) {
	case XGMAC_ET_LT_VLAN_CTAG:
	case XGMAC_ET_LT_DVLAN_CTAG_CTAG:
	case XGMAC_ET_LT_DVLAN_CTAG_STAG:
		hint("vlan_proto", htons(ETH_P_8021Q));
	}
}

static void describe(const char *form, const u8 *raw)
{
	const u8 *behind = raw + sizeof(struct dma_desc);
	u32 rdes2, rdes3, rss, ptype;
	struct dma_desc p;
	bool named;

	(void)form;
	memcpy(&p, raw, sizeof(p));
	rdes2 = le32toh(p.des2);
	rdes3 = le32toh(p.des3);
	if ((rdes3 & XGMAC_RDES3_OWN) || (rdes3 & XGMAC_RDES3_CTXT) || !(rdes3 & XGMAC_RDES3_LD) ||
	    (rdes3 & XGMAC_RDES3_ES))
		return;

	named = l34(rdes3, &rss, &ptype);
	if (rdes3 & XGMAC_RDES3_RSV) {
		hint("rx_hash", le32toh(p.des1));
		if (named)
			hint("rx_hash_type", rss);
	}
	if (named)
		hint("ptype", ptype);
	if (named && beside(behind, RX_CSUM)) /* coe, and an IP EtherType */
		hint("csum_status", CSUM_GOOD);
	if (beside(behind, HW_VLAN_EN) && beside(behind, RX_HW_VLAN))
		rx_vlan(le32toh(p.des0), FIELD_GET(XGMAC_RDES3_ET_LT, rdes3));
	if (beside(behind, HWTS_RX_EN) && (rdes3 & XGMAC_RDES3_CDA))
		rx_timestamp(behind);
	if ((rdes3 & XGMAC_RDES3_PL) >= ETH_FCS_LEN)
		hint("pkt_len", (rdes3 & XGMAC_RDES3_PL) - ETH_FCS_LEN);
	hint("rx_queue", (u16)beside(behind, QUEUE_INDEX));
	hint("vlan_tags", FIELD_GET(XGMAC_RDES3_ET_LT, rdes3));
	hint("filter_match", (rdes2 & XGMAC_RDES2_L3FM ? 1 : 0) | (rdes2 & XGMAC_RDES2_L4FM ? 2 : 0));
}
