/* SPDX-License-Identifier: MIT */
/*
 * mvpp2 as Linux 6.12 reads it, on PPv2.2 and 2.3:
 * drivers/net/ethernet/marvell/mvpp2/mvpp2.h for the numbers, mvpp2_main.c
 * mvpp2_rx, mvpp2_rx_error and mvpp2_rx_csum. What the parser found: the numbers
 * of mvpp2_prs.h, by the getters of Marvell's MUSDK
 * (src/include/drivers/mv_pp2_ppio.h) over the descriptor's 32-bit words.
 */
#include "oracle.h"

struct mvpp22_rx_desc {
	u32 status;
	u16 reserved1;
	u16 data_size;
	u32 reserved2;
	u32 timestamp;
	u64 buf_dma_addr_key_hash;
	u64 buf_cookie_misc;
};

#define MVPP2_RXD_ERR_SUMMARY	 BIT(15)
#define MVPP2_RXD_ERR_CODE_MASK	 (BIT(13) | BIT(14))
#define MVPP2_RXD_L4_CSUM_OK	 BIT(22)
#define MVPP2_RXD_IP4_HEADER_ERR BIT(24)
#define MVPP2_RXD_L4_TCP	 BIT(25)
#define MVPP2_RXD_L4_UDP	 BIT(26)
#define MVPP2_RXD_L3_IP4	 BIT(28)
#define MVPP2_RXD_L3_IP6	 BIT(30)
#define MVPP2_RXD_BUF_HDR	 BIT(31)

#define MVPP2_MH_SIZE 2

/* MUSDK: cmds[0] */
#define RXD_L3_IP_FRAG_MASK  0x00800000
#define RXD_L4_PRS_INFO_MASK 0x0E000000
#define RXD_L3_PRS_INFO_MASK 0x70000000
/* cmds[1] */
#define RXD_VLAN_INFO_MASK    0x0000C000
#define RXD_L2_CAST_INFO_MASK 0x00003000
#define RXD_L3_CAST_INFO_MASK 0x00000C00

/* mvpp2_prs.h, the parser's result information, from bit 12 and bit 22 on */
#define MVPP2_PRS_RI_L3_IP4	  BIT(12)
#define MVPP2_PRS_RI_L3_IP4_OPT	  BIT(13)
#define MVPP2_PRS_RI_L3_IP4_OTHER (BIT(12) | BIT(13))
#define MVPP2_PRS_RI_L3_IP6	  BIT(14)
#define MVPP2_PRS_RI_L3_IP6_EXT	  (BIT(12) | BIT(14))
#define MVPP2_PRS_RI_L3_ARP	  (BIT(13) | BIT(14))
#define MVPP2_PRS_RI_L4_TCP	  BIT(22)
#define MVPP2_PRS_RI_L4_UDP	  BIT(23)

static u32 l3_info(u32 status) { return FIELD_GET(RXD_L3_PRS_INFO_MASK, status) << 12; }
static u32 l4_info(u32 status) { return FIELD_GET(RXD_L4_PRS_INFO_MASK, status) << 22; }

/* IP: of which the kernel's parser tells neither options nor extension headers */
static u32 l3_ptype(u32 status)
{
	switch (l3_info(status)) {
	case MVPP2_PRS_RI_L3_IP4:	return L3_IPV4_EXT_UNKNOWN;
	case MVPP2_PRS_RI_L3_IP4_OPT:	return L3_IPV4_EXT;
	case MVPP2_PRS_RI_L3_IP4_OTHER: return L3_IPV4_EXT_UNKNOWN;
	case MVPP2_PRS_RI_L3_IP6:	return L3_IPV6_EXT_UNKNOWN;
	case MVPP2_PRS_RI_L3_IP6_EXT:	return L3_IPV6_EXT;
	default:			return 0;
	}
}

static u32 rte_ptype(u32 status)
{
	u32 l3 = l3_ptype(status), l4 = 0;

	if (!l3) {
		if (l3_info(status) == MVPP2_PRS_RI_L3_ARP)
			return L2_ARP;
		return l3_info(status) ? 0 : L2_ETHER; /* 7 is user defined */
	}
	if (status & RXD_L3_IP_FRAG_MASK)
		l4 = L4_FRAG;
	else if (l4_info(status) == MVPP2_PRS_RI_L4_TCP)
		l4 = L4_TCP;
	else if (l4_info(status) == MVPP2_PRS_RI_L4_UDP)
		l4 = L4_UDP;
	return L2_ETHER | l3 | OUTER_L4(l4);
}

/* mvpp2_rx_csum */
static bool rx_csum(u32 status)
{
	if (((status & MVPP2_RXD_L3_IP4) &&
	     !(status & MVPP2_RXD_IP4_HEADER_ERR)) ||
	    (status & MVPP2_RXD_L3_IP6))
		if (((status & MVPP2_RXD_L4_UDP) ||
		     (status & MVPP2_RXD_L4_TCP)) &&
		    (status & MVPP2_RXD_L4_CSUM_OK))
			return true;
	return false;
}

static void describe(const char *form, const u8 *raw)
{
	struct mvpp22_rx_desc desc;
	u32 rx_status, cmd1;
	int rx_bytes;

	(void)form;
	memcpy(&desc, raw, sizeof(desc));
	memcpy(&cmd1, raw + 4, sizeof(cmd1));
	cmd1 = le32toh(cmd1);

	rx_status = le32toh(desc.status);
	rx_bytes = le16toh(desc.data_size);
	rx_bytes -= MVPP2_MH_SIZE;

	/* Buffer header not supported; a frame is longer than the header */
	if (rx_status & MVPP2_RXD_BUF_HDR || rx_bytes < 0)
		return;
	hint("pkt_len", rx_bytes);
	hint("rx_error", rx_status & MVPP2_RXD_ERR_SUMMARY ? 1 + ((rx_status & MVPP2_RXD_ERR_CODE_MASK) >> 13) : 0);
	if (rx_csum(rx_status))
		hint("csum_status", CSUM_GOOD);
	if (rte_ptype(rx_status))
		hint("ptype", rte_ptype(rx_status));

	if (l3_ptype(rx_status)) {
		hint("fragment", !!(rx_status & RXD_L3_IP_FRAG_MASK));
		hint("l3_cast", FIELD_GET(RXD_L3_CAST_INFO_MASK, cmd1));
		if (l3_info(rx_status) <= MVPP2_PRS_RI_L3_IP4_OTHER) /* pp2_ppio_inq_desc_get_l3_pkt_error */
			hint("ip_header_error", !!(rx_status & MVPP2_RXD_IP4_HEADER_ERR));
	}
	hint("vlan_tags", FIELD_GET(RXD_VLAN_INFO_MASK, cmd1));
	hint("l2_cast", FIELD_GET(RXD_L2_CAST_INFO_MASK, cmd1));

	hint("rx_queue", (u16)beside(raw + sizeof(desc), 0)); /* xdp_rxq_info_reg with logic_rxq */
	if (beside(raw + sizeof(desc), 1)) /* mvpp22_rx_hwtstamping */
		hint("tai_timestamp", le32toh(desc.timestamp));
}
