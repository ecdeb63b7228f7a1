/* SPDX-License-Identifier: MIT */
/*
 * ixgbe as Linux 6.12 reads it: drivers/net/ethernet/intel/ixgbe/ixgbe_type.h for
 * the numbers, ixgbe_main.c ixgbe_process_skb_fields, ixgbe_rx_hash and
 * ixgbe_rx_checksum for what is asked in which order.
 */
#include "ixgbe_ptype.h"

#define IXGBE_RXDADV_PKTTYPE_IPSEC_ESP 0x00001000 /* IPSec ESP */
#define IXGBE_RXDADV_PKTTYPE_IPSEC_AH  0x00002000 /* IPSec AH */
#define IXGBE_RXDADV_PKTTYPE_LINKSEC   0x00004000 /* LinkSec Encap */
#define IXGBE_RXDADV_PKTTYPE_ETQF_SHIFT 4

#define IXGBE_RXD_STAT_DD	 0x01
#define IXGBE_RXD_STAT_EOP	 0x02
#define IXGBE_RXD_STAT_FLM	 0x04
#define IXGBE_RXD_STAT_VP	 0x08
#define IXGBE_RXD_STAT_UDPCS	 0x10
#define IXGBE_RXD_STAT_L4CS	 0x20
#define IXGBE_RXD_STAT_IPCS	 0x40
#define IXGBE_RXD_STAT_OUTERIPCS 0x100
#define IXGBE_RXD_STAT_VEXT	 0x200
#define IXGBE_RXD_STAT_UDPV	 0x400
#define IXGBE_RXD_STAT_TSIP	 0x08000
#define IXGBE_RXDADV_STAT_TS	 0x00010000
#define IXGBE_RXDADV_STAT_SECP	 0x00020000
#define IXGBE_RXD_STAT_LB	 0x40000

#define IXGBE_RXDADV_ERR_FDIR_LEN  0x00100000
#define IXGBE_RXDADV_ERR_FDIR_DROP 0x00200000
#define IXGBE_RXDADV_ERR_FDIR_COLL 0x00400000
#define IXGBE_RXDADV_ERR_CE	   0x01000000
#define IXGBE_RXDADV_ERR_LE	   0x02000000
#define IXGBE_RXDADV_ERR_OUTERIPER 0x04000000
#define IXGBE_RXDADV_ERR_PE	   0x08000000
#define IXGBE_RXDADV_ERR_OSE	   0x10000000
#define IXGBE_RXDADV_ERR_USE	   0x20000000
#define IXGBE_RXDADV_ERR_TCPE	   0x40000000
#define IXGBE_RXDADV_ERR_IPE	   0x80000000

/*
 * ixgbe_rx_checksum. With __IXGBE_RX_CSUM_UDP_ZERO_ERR, which only the ring knows
 * of, a UDP error is none; without it, it is one: unknown.
 */
static enum csum_status rx_checksum(u32 staterr, u32 pkt_info)
{
	bool encap_pkt = pkt_info & IXGBE_RXDADV_PKTTYPE_VXLAN;

	if ((staterr & IXGBE_RXD_STAT_IPCS) && (staterr & IXGBE_RXDADV_ERR_IPE))
		return CSUM_BAD;
	if (!(staterr & IXGBE_RXD_STAT_L4CS))
		return CSUM_UNKNOWN;
	if (staterr & IXGBE_RXDADV_ERR_TCPE)
		return pkt_info & RXDADV_PKTTYPE_UDP ? CSUM_UNKNOWN : CSUM_BAD;
	if (encap_pkt && (staterr & IXGBE_RXD_STAT_OUTERIPCS) && (staterr & IXGBE_RXDADV_ERR_OUTERIPER))
		return CSUM_UNKNOWN; /* CHECKSUM_NONE, and csum_err does not count it */
	return CSUM_GOOD;
}

/* Bits 4 to 6, 20 to 22 and 31 are FCoE's for the FCoE filter's frames (ixgbe_rx_is_fcoe, IXGBE_RXDADV_STAT_FCSTAT,
 * ERR_FCERR, ERR_FCEOFE), and no filter's frames are IP. */
static void parsed(u32 staterr, u32 pkt_info)
{
	enum csum_status csum = rx_checksum(staterr, pkt_info);

	if (csum)
		hint("csum_status", csum);
	if (staterr & IXGBE_RXD_STAT_IPCS)
		hint("ip_csum", staterr & IXGBE_RXDADV_ERR_IPE ? CSUM_BAD : CSUM_GOOD);
	if ((pkt_info & IXGBE_RXDADV_PKTTYPE_VXLAN) && (staterr & IXGBE_RXD_STAT_OUTERIPCS))
		hint("outer_ip_csum", staterr & IXGBE_RXDADV_ERR_OUTERIPER ? CSUM_BAD : CSUM_GOOD);
	hint("udp_csum_calculated", !!(staterr & IXGBE_RXD_STAT_UDPCS));
	hint("udp_csum_valid", !!(staterr & IXGBE_RXD_STAT_UDPV));
	hint("ipsec", (pkt_info & IXGBE_RXDADV_PKTTYPE_IPSEC_ESP ? 1 : 0) |
		      (pkt_info & IXGBE_RXDADV_PKTTYPE_IPSEC_AH ? 2 : 0));
	hint("macsec", !!(pkt_info & IXGBE_RXDADV_PKTTYPE_LINKSEC));
	hint("fdir_errors", (staterr & IXGBE_RXDADV_ERR_FDIR_LEN ? 1 : 0) |
			    (staterr & IXGBE_RXDADV_ERR_FDIR_DROP ? 2 : 0) |
			    (staterr & IXGBE_RXDADV_ERR_FDIR_COLL ? 4 : 0));
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
	u32 staterr, pkt_info, index;
	struct adv_rx_desc d;

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
	if (staterr & IXGBE_RXD_STAT_VP) {
		hint("vlan_tci", le16toh(d.vlan));
		hint("vlan_proto", htons(ETH_P_8021Q));
	}
	if (rte_ptype(pkt_info))
		hint("ptype", rte_ptype(pkt_info));
	hint("rx_error", frame_error(staterr));

	if (pkt_info & RXDADV_PKTTYPE_ETQF) {
		index = (pkt_info & 0x7F0) >> IXGBE_RXDADV_PKTTYPE_ETQF_SHIFT;
		if (index < 8) /* IXGBE_MAX_ETQF_FILTERS */
			hint("ethertype_filter", index);
	} else {
		parsed(staterr, pkt_info);
	}
	hint("fdir_match", !!(staterr & IXGBE_RXD_STAT_FLM));
	hint("outer_vlan", !!(staterr & IXGBE_RXD_STAT_VEXT));
	hint("security", !!(staterr & IXGBE_RXDADV_STAT_SECP));
	hint("loopback", !!(staterr & IXGBE_RXD_STAT_LB));
	hint("rx_queue", (u16)beside(raw + sizeof(d), 0)); /* rxq->queue_index, a u32 */

	/* ixgbe_ptp_rx_hwtstamp; the timestamp is counted in the length (ixgbe_ptp_rx_pktstamp) */
	hint("timestamp_in_packet", !!(staterr & IXGBE_RXD_STAT_TSIP));
	if (!(staterr & IXGBE_RXD_STAT_TSIP)) {
		hint("timestamp_latched", !!(staterr & IXGBE_RXDADV_STAT_TS));
		hint("pkt_len", le16toh(d.length));
	}
}
