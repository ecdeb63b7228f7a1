/* SPDX-License-Identifier: MIT */
/*
 * igc as Linux 6.12 reads it: drivers/net/ethernet/intel/igc/igc_defines.h and igc.h
 * for the numbers, igc_main.c igc_clean_rx_irq, igc_process_skb_fields,
 * igc_rx_checksum and igc_xdp_rx_hash for what is asked in which order; igc_ptp.c
 * igc_ptp_rx_pktstamp. SMD types: Linux 7.3.
 */
#include "intel_adv.h"

#define IGC_RXD_STAT_DD	   0x01 /* Descriptor Done */
#define IGC_RXD_STAT_EOP   0x02 /* End of Packet */
#define IGC_RXD_STAT_IXSM  0x04 /* Ignore checksum */
#define IGC_RXD_STAT_VP	   0x08 /* IEEE VLAN Packet */
#define IGC_RXD_STAT_UDPCS 0x10 /* UDP xsum calculated */
#define IGC_RXD_STAT_TCPCS 0x20 /* TCP xsum calculated */
#define IGC_RXD_STAT_IPCS  0x40 /* IP xsum calculated (DPDK) */

#define IGC_RXDADV_STAT_SMD_TYPE_MASK 0x06000
#define IGC_RXDADV_STAT_TSIP	      0x08000 /* timestamp in packet */

#define IGC_RXDEXT_STATERR_LB  0x00040000
#define IGC_RXDEXT_STATERR_L4E 0x20000000
#define IGC_RXDEXT_STATERR_IPE 0x40000000
#define IGC_RXDEXT_STATERR_RXE 0x80000000

#define IGC_TS_HDR_LEN 16

#define IGC_I225_RX_LATENCY_10	 6450
#define IGC_I225_RX_LATENCY_100	 185
#define IGC_I225_RX_LATENCY_1000 300
#define IGC_I225_RX_LATENCY_2500 1485

#define NSEC_PER_SEC 1000000000ULL

/* The order in which the record has what lies beside the descriptor. */
enum { QUEUE_INDEX, TIMER0, TIMER1, LINK_SPEED };

/*
 * igc_rx_checksum. The driver lets an error of a frame of 60 bytes be the erratum's
 * only where IGC_RING_FLAG_RX_SCTP_CSUM says so, which it sets nowhere: unknown.
 */
static enum csum_status rx_checksum(u32 staterr, u16 length)
{
	if (staterr & IGC_RXD_STAT_IXSM)
		return CSUM_UNKNOWN;
	if (staterr & (IGC_RXDEXT_STATERR_L4E | IGC_RXDEXT_STATERR_IPE)) {
		if (length == 60 || ((staterr & IGC_RXDADV_STAT_TSIP) && length == 60 + IGC_TS_HDR_LEN))
			return CSUM_UNKNOWN;
		return CSUM_BAD;
	}
	return staterr & (IGC_RXD_STAT_TCPCS | IGC_RXD_STAT_UDPCS) ? CSUM_GOOD : CSUM_UNKNOWN;
}

/* igc_ptp_rx_pktstamp */
static u64 rx_pktstamp(u64 buf, u16 link_speed)
{
	u32 nsecs = buf, secs = buf >> 32;
	int adjust = 0;

	switch (link_speed) {
	case 10:   adjust = IGC_I225_RX_LATENCY_10; break;
	case 100:  adjust = IGC_I225_RX_LATENCY_100; break;
	case 1000: adjust = IGC_I225_RX_LATENCY_1000; break;
	case 2500: adjust = IGC_I225_RX_LATENCY_2500; break;
	}
	return secs * NSEC_PER_SEC + nsecs - adjust;
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
	if (!(staterr & IGC_RXD_STAT_DD) || !(staterr & IGC_RXD_STAT_EOP))
		return;

	type = adv_hash_type(pkt_info); /* igc_xdp_rss_type, whose numbers are igb's */
	if (type) {
		hint("rx_hash", le32toh(d.rss));
		hint("rx_hash_type", type);
	}
	if (staterr & IGC_RXD_STAT_VP) { /* igc_rx_vlan, without IGC_RING_FLAG_RX_LB_VLAN_BSWAP */
		hint("vlan_tci", le16toh(d.vlan));
		hint("vlan_proto", htons(ETH_P_8021Q));
	}
	if (!(pkt_info & RXDADV_PKTTYPE_ETQF) && adv_ptype(pkt_info))
		hint("ptype", adv_ptype(pkt_info));
	csum = rx_checksum(staterr, le16toh(d.length));
	if (csum)
		hint("csum_status", csum);
	hint("rx_error", !!(staterr & IGC_RXDEXT_STATERR_RXE));
	hint("rx_queue", (u16)beside(behind, QUEUE_INDEX)); /* rxq->queue_index, a u32 */

	hint("loopback", !!(staterr & IGC_RXDEXT_STATERR_LB));
	if (!(staterr & IGC_RXD_STAT_IXSM) && (staterr & IGC_RXD_STAT_IPCS))
		hint("ip_csum", staterr & IGC_RXDEXT_STATERR_IPE ? CSUM_BAD : CSUM_GOOD);
	hint("ethertype_match", !!(pkt_info & RXDADV_PKTTYPE_ETQF));
	hint("smd_type", FIELD_GET(IGC_RXDADV_STAT_SMD_TYPE_MASK, staterr));
	if (staterr & IGC_RXDADV_STAT_TSIP) {
		hint("timestamp_in_packet", 1);
		hint("rx_timestamp", rx_pktstamp(beside(behind, TIMER0), beside(behind, LINK_SPEED)));
		if (beside(behind, TIMER1)) /* 0 where the driver does not ask for it */
			hint("second_timestamp", rx_pktstamp(beside(behind, TIMER1), beside(behind, LINK_SPEED)));
	} else {
		hint("timestamp_in_packet", 0);
		hint("pkt_len", le16toh(d.length));
	}
}
