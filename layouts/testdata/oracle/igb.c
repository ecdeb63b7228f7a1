/* SPDX-License-Identifier: MIT */
/*
 * igb as Linux 6.12 reads it: drivers/net/ethernet/intel/igb/e1000_82575.h and
 * e1000_defines.h for the numbers, igb_main.c igb_process_skb_fields and
 * igb_rx_checksum for what is asked in which order; igb_ptp.c igb_ptp_rx_pktstamp
 * and igb_ptp_systim_to_hwtstamp.
 */
#include "intel_adv.h"

#define E1000_RXD_STAT_DD	0x01 /* Descriptor Done */
#define E1000_RXD_STAT_EOP	0x02 /* End of Packet */
#define E1000_RXD_STAT_IXSM	0x04 /* Ignore checksum */
#define E1000_RXD_STAT_VP	0x08 /* IEEE VLAN Packet */
#define E1000_RXD_STAT_UDPCS	0x10 /* UDP xsum calculated */
#define E1000_RXD_STAT_TCPCS	0x20 /* TCP xsum calculated */
#define E1000_RXD_STAT_IPCS	0x40 /* IP xsum calculated (DPDK) */
#define E1000_RXDADV_STAT_TSIP	0x08000 /* timestamp in packet */
#define E1000_RXDADV_STAT_TS	0x10000 /* Pkt was time stamped */

#define E1000_RXDEXT_STATERR_LB	  0x00040000
#define E1000_RXDEXT_STATERR_CE	  0x01000000
#define E1000_RXDEXT_STATERR_SE	  0x02000000
#define E1000_RXDEXT_STATERR_SEQ  0x04000000
#define E1000_RXDEXT_STATERR_CXE  0x10000000
#define E1000_RXDEXT_STATERR_TCPE 0x20000000
#define E1000_RXDEXT_STATERR_IPE  0x40000000
#define E1000_RXDEXT_STATERR_RXE  0x80000000

#define IGB_TS_HDR_LEN 16

/*
 * igb_rx_checksum. skb->len is the descriptor's length, without the timestamp if
 * igb_ptp_rx_pktstamp found one; 60 either way is the erratum's. The driver asks
 * for it on rings with IGB_RING_FLAG_RX_SCTP_CSUM, of all NICs but 82575.
 */
static enum csum_status rx_checksum(u32 staterr, u16 length)
{
	bool stamped = staterr & E1000_RXDADV_STAT_TSIP;

	if (staterr & E1000_RXD_STAT_IXSM)
		return CSUM_UNKNOWN;
	if (staterr & (E1000_RXDEXT_STATERR_TCPE | E1000_RXDEXT_STATERR_IPE)) {
		if (length == 60 || (stamped && length - IGB_TS_HDR_LEN == 60))
			return CSUM_UNKNOWN;
		return CSUM_BAD;
	}
	if (staterr & (E1000_RXD_STAT_TCPCS | E1000_RXD_STAT_UDPCS))
		return CSUM_GOOD;
	return CSUM_UNKNOWN;
}

#define E1000_DEV_ID_I210_COPPER	  0x1533
#define E1000_DEV_ID_I210_FIBER		  0x1536
#define E1000_DEV_ID_I210_SERDES	  0x1537
#define E1000_DEV_ID_I210_SGMII		  0x1538
#define E1000_DEV_ID_I210_COPPER_FLASHLESS 0x157B
#define E1000_DEV_ID_I210_SERDES_FLASHLESS 0x157C
#define E1000_DEV_ID_I211_COPPER	  0x1539

#define IGB_I210_RX_LATENCY_10	 20662
#define IGB_I210_RX_LATENCY_100	 2213
#define IGB_I210_RX_LATENCY_1000 448

#define NSEC_PER_SEC 1000000000ULL

/* igb_get_invariants_82575: mac->type is e1000_i210 or e1000_i211 */
static bool is_i210(u16 device_id)
{
	switch (device_id) {
	case E1000_DEV_ID_I210_COPPER:
	case E1000_DEV_ID_I210_FIBER:
	case E1000_DEV_ID_I210_SERDES:
	case E1000_DEV_ID_I210_SGMII:
	case E1000_DEV_ID_I210_COPPER_FLASHLESS:
	case E1000_DEV_ID_I210_SERDES_FLASHLESS:
	case E1000_DEV_ID_I211_COPPER:
		return true;
	}
	return false;
}

/* igb_ptp_rx_pktstamp on what the driver has stripped, where it starts IGB_TS_HDR_LEN later */
static void rx_pktstamp(u64 headroom, u64 systim, u16 device_id, u16 link_speed)
{
	int adjust = 0;

	if (!(headroom & IGB_TS_HDR_LEN) || !is_i210(device_id))
		return;
	switch (link_speed) {
	case 10:   adjust = IGB_I210_RX_LATENCY_10; break;
	case 100:  adjust = IGB_I210_RX_LATENCY_100; break;
	case 1000: adjust = IGB_I210_RX_LATENCY_1000; break;
	}
	hint("rx_timestamp", (systim >> 32) * NSEC_PER_SEC + (systim & 0xFFFFFFFF) - adjust);
}

static u32 frame_error(u32 staterr)
{
	return (staterr & E1000_RXDEXT_STATERR_CE ? BIT(0) : 0) |
	       (staterr & E1000_RXDEXT_STATERR_SE ? BIT(1) : 0) |
	       (staterr & E1000_RXDEXT_STATERR_SEQ ? BIT(2) : 0) |
	       (staterr & E1000_RXDEXT_STATERR_CXE ? BIT(3) : 0) |
	       (staterr & E1000_RXDEXT_STATERR_RXE ? BIT(4) : 0);
}

static void describe(const char *form, const u8 *raw)
{
	const u8 *behind = raw + sizeof(struct adv_rx_desc);
	struct adv_rx_desc d;
	enum csum_status csum;
	u32 staterr, type;
	u16 pkt_info;

	(void)form;
	memcpy(&d, raw, sizeof(d));
	staterr = le32toh(d.status_error);
	pkt_info = le16toh(d.pkt_info);
	if (!(staterr & E1000_RXD_STAT_DD) || !(staterr & E1000_RXD_STAT_EOP))
		return;

	type = adv_hash_type(pkt_info);
	if (type) {
		hint("rx_hash", le32toh(d.rss));
		hint("rx_hash_type", type);
	}
	/* be16_to_cpu when looped back on a ring with IGB_RING_FLAG_RX_LB_VLAN_BSWAP, which is not here */
	if ((staterr & E1000_RXD_STAT_VP) && !(staterr & E1000_RXDEXT_STATERR_LB)) {
		hint("vlan_tci", le16toh(d.vlan));
		hint("vlan_proto", htons(ETH_P_8021Q));
	}
	if (!(pkt_info & RXDADV_PKTTYPE_ETQF) && adv_ptype(pkt_info))
		hint("ptype", adv_ptype(pkt_info));
	csum = rx_checksum(staterr, le16toh(d.length));
	if (csum)
		hint("csum_status", csum);
	hint("rx_error", frame_error(staterr));

	hint("vlan_stripped", !!(staterr & E1000_RXD_STAT_VP));
	hint("loopback", !!(staterr & E1000_RXDEXT_STATERR_LB));
	hint("rx_queue", (u16)beside(behind, 0)); /* rxq->queue_index, a u32 */
	if (!(staterr & E1000_RXD_STAT_IXSM) && (staterr & E1000_RXD_STAT_IPCS))
		hint("ip_csum", staterr & E1000_RXDEXT_STATERR_IPE ? CSUM_BAD : CSUM_GOOD);
	hint("ethertype_match", !!(pkt_info & RXDADV_PKTTYPE_ETQF));
	if (staterr & E1000_RXDADV_STAT_TSIP) {
		hint("timestamp_in_packet", 1);
		rx_pktstamp(beside(behind, 1), beside(behind, 2), beside(behind, 3), beside(behind, 4));
	} else {
		hint("timestamp_in_packet", 0);
		hint("timestamp_latched", !!(staterr & E1000_RXDADV_STAT_TS)); /* igb_ptp_rx_rgtstamp */
		hint("pkt_len", le16toh(d.length));
	}
}
