/* SPDX-License-Identifier: MIT */
/*
 * ixgbevf as Linux 6.12 reads it: drivers/net/ethernet/intel/ixgbevf/defines.h for
 * the numbers, ixgbevf_main.c ixgbevf_process_skb_fields, ixgbevf_rx_hash and
 * ixgbevf_rx_checksum for what is asked in which order.
 */
#include "ixgbe_ptype.h"

#define IXGBE_RXD_STAT_DD	 0x01	 /* Descriptor Done */
#define IXGBE_RXD_STAT_EOP	 0x02	 /* End of Packet */
#define IXGBE_RXD_STAT_VP	 0x08	 /* IEEE VLAN Packet */
#define IXGBE_RXD_STAT_L4CS	 0x20	 /* L4 xsum calculated */
#define IXGBE_RXD_STAT_IPCS	 0x40	 /* IP xsum calculated */
#define IXGBE_RXD_STAT_VEXT	 0x200	 /* 1st VLAN found */
#define IXGBE_RXD_STAT_SECP	 0x20000 /* Security Processing */
#define IXGBE_RXD_STAT_LB	 0x40000 /* Loopback Status */

#define IXGBE_RXDADV_ERR_CE	 0x01000000 /* CRC Error */
#define IXGBE_RXDADV_ERR_LE	 0x02000000 /* Length Error */
#define IXGBE_RXDADV_ERR_PE	 0x08000000 /* Packet Error */
#define IXGBE_RXDADV_ERR_OSE	 0x10000000 /* Oversize Error */
#define IXGBE_RXDADV_ERR_USE	 0x20000000 /* Undersize Error */
#define IXGBE_RXDADV_ERR_TCPE	 0x40000000 /* TCP/UDP Checksum Error */
#define IXGBE_RXDADV_ERR_IPE	 0x80000000 /* IP Checksum Error */

#define IXGBE_RXDADV_PKTTYPE_IPSEC_ESP 0x00001000 /* IPSec ESP */
#define IXGBE_RXDADV_PKTTYPE_IPSEC_AH  0x00002000 /* IPSec AH */

/*
 * ixgbevf_rx_checksum. The PF's driver knows of 82599 that a UDP error may be none
 * (IXGBE_RX_CSUM_UDP_ZERO_ERR), and of X550 that a good inner packet may have a bad
 * outer header: unknown, both.
 */
static enum csum_status rx_checksum(u32 staterr, u16 pkt_info)
{
	if ((staterr & IXGBE_RXD_STAT_IPCS) && (staterr & IXGBE_RXDADV_ERR_IPE))
		return CSUM_BAD;
	if (!(staterr & IXGBE_RXD_STAT_L4CS))
		return CSUM_UNKNOWN;
	if (staterr & IXGBE_RXDADV_ERR_TCPE)
		return pkt_info & RXDADV_PKTTYPE_UDP ? CSUM_UNKNOWN : CSUM_BAD;
	return pkt_info & IXGBE_RXDADV_PKTTYPE_VXLAN ? CSUM_UNKNOWN : CSUM_GOOD;
}

/* Not of the frames of the PF's EtherType filters, among them FCoE's. */
static void parsed(u32 staterr, u16 pkt_info)
{
	enum csum_status csum = rx_checksum(staterr, pkt_info);

	if (csum)
		hint("csum_status", csum);
	if (staterr & IXGBE_RXD_STAT_IPCS)
		hint("ip_csum", staterr & IXGBE_RXDADV_ERR_IPE ? CSUM_BAD : CSUM_GOOD);
	hint("ipsec", (pkt_info & IXGBE_RXDADV_PKTTYPE_IPSEC_ESP ? 1 : 0) |
		      (pkt_info & IXGBE_RXDADV_PKTTYPE_IPSEC_AH ? 2 : 0));
}

/* IXGBE_RXDADV_ERR_FRAME_ERR_MASK */
static u32 frame_error(u32 staterr)
{
	return (staterr & IXGBE_RXDADV_ERR_CE ? BIT(0) : 0) |
	       (staterr & IXGBE_RXDADV_ERR_LE ? BIT(1) : 0) |
	       (staterr & IXGBE_RXDADV_ERR_PE ? BIT(2) : 0) |
	       (staterr & IXGBE_RXDADV_ERR_OSE ? BIT(3) : 0) |
	       (staterr & IXGBE_RXDADV_ERR_USE ? BIT(4) : 0);
}

static void describe(const char *form, const u8 *raw)
{
	const u8 *behind = raw + sizeof(struct adv_rx_desc);
	struct adv_rx_desc d;
	u32 staterr, pkt_info;

	(void)form;
	memcpy(&d, raw, sizeof(d));
	staterr = le32toh(d.status_error);
	pkt_info = le16toh(d.pkt_info) | (u32)le16toh(d.hdr_info) << 16; /* lo_dword.data */
	if (!(staterr & IXGBE_RXD_STAT_DD) || !(staterr & IXGBE_RXD_STAT_EOP))
		return;

	if (adv_hash_type(pkt_info)) {
		hint("rx_hash", le32toh(d.rss));
		hint("rx_hash_type", adv_hash_type(pkt_info));
	}
	if (staterr & IXGBE_RXD_STAT_VP) /* the packet's if test_bit(vid & VLAN_VID_MASK, active_vlans) */
		hint("stripped_tag", le16toh(d.vlan));
	if (rte_ptype(pkt_info))
		hint("ptype", rte_ptype(pkt_info));
	if (!(pkt_info & RXDADV_PKTTYPE_ETQF))
		parsed(staterr, pkt_info);
	hint("rx_error", frame_error(staterr));
	hint("pkt_len", le16toh(d.length));
	hint("outer_vlan", !!(staterr & IXGBE_RXD_STAT_VEXT));
	hint("security", !!(staterr & IXGBE_RXD_STAT_SECP));
	hint("loopback", !!(staterr & IXGBE_RXD_STAT_LB));
	hint("rx_queue", (u16)beside(behind, 0)); /* rxq->queue_index, a u32 */
}
