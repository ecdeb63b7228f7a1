/* SPDX-License-Identifier: MIT */
/*
 * The advanced receive descriptor of igb and ixgbe, and what the two NICs mean
 * alike by its pkt_info: Linux 6.12 drivers/net/ethernet/intel/ixgbe/ixgbe_type.h;
 * for igb, whose kernel headers do not name these bits, DPDK 22.11
 * drivers/net/e1000/base/e1000_82575.h has the same numbers. Packet types by rule
 * instead of by table: DPDK drivers/net/ixgbe/ixgbe_rxtx.c ptype_table.
 */
#ifndef INTEL_ADV_H
#define INTEL_ADV_H

#include "oracle.h"

struct adv_rx_desc {
	u16 pkt_info; /* RSS, Pkt type */
	u16 hdr_info; /* Splithdr, hdrlen */
	u32 rss;
	u32 status_error;
	u16 length;
	u16 vlan;
};

#define RXDADV_RSSTYPE_MASK 0x0000000F
enum {
	RSSTYPE_NONE, RSSTYPE_IPV4_TCP, RSSTYPE_IPV4, RSSTYPE_IPV6_TCP, RSSTYPE_IPV6_EX, RSSTYPE_IPV6,
	RSSTYPE_IPV6_TCP_EX, RSSTYPE_IPV4_UDP, RSSTYPE_IPV6_UDP, RSSTYPE_IPV6_UDP_EX,
};

#define RXDADV_PKTTYPE_IPV4	0x00000010 /* IPv4 hdr present */
#define RXDADV_PKTTYPE_IPV4_EX	0x00000020 /* IPv4 hdr + extensions */
#define RXDADV_PKTTYPE_IPV6	0x00000040 /* IPv6 hdr present */
#define RXDADV_PKTTYPE_IPV6_EX	0x00000080 /* IPv6 hdr + extensions */
#define RXDADV_PKTTYPE_TCP	0x00000100 /* TCP hdr present */
#define RXDADV_PKTTYPE_UDP	0x00000200 /* UDP hdr present */
#define RXDADV_PKTTYPE_SCTP	0x00000400 /* SCTP hdr present */
#define RXDADV_PKTTYPE_ETQF	0x00008000 /* PKTTYPE is ETQF index */

/* enum xdp_rss_hash_type of a type the NIC hashed by; 0: none, or reserved */
static inline u32 adv_hash_type(u16 pkt_info)
{
	switch (pkt_info & RXDADV_RSSTYPE_MASK) {
	case RSSTYPE_IPV4:	  return XDP_RSS_L3_IPV4;
	case RSSTYPE_IPV4_TCP:	  return XDP_RSS_L3_IPV4 | XDP_RSS_L4 | XDP_RSS_L4_TCP;
	case RSSTYPE_IPV4_UDP:	  return XDP_RSS_L3_IPV4 | XDP_RSS_L4 | XDP_RSS_L4_UDP;
	case RSSTYPE_IPV6:	  return XDP_RSS_L3_IPV6;
	case RSSTYPE_IPV6_TCP:	  return XDP_RSS_L3_IPV6 | XDP_RSS_L4 | XDP_RSS_L4_TCP;
	case RSSTYPE_IPV6_UDP:	  return XDP_RSS_L3_IPV6 | XDP_RSS_L4 | XDP_RSS_L4_UDP;
	case RSSTYPE_IPV6_EX:	  return XDP_RSS_L3_IPV6 | XDP_RSS_L3_DYNHDR;
	case RSSTYPE_IPV6_TCP_EX: return XDP_RSS_L3_IPV6 | XDP_RSS_L3_DYNHDR | XDP_RSS_L4 | XDP_RSS_L4_TCP;
	case RSSTYPE_IPV6_UDP_EX: return XDP_RSS_L3_IPV6 | XDP_RSS_L3_DYNHDR | XDP_RSS_L4 | XDP_RSS_L4_UDP;
	default: return 0;
	}
}

/* The headers a packet has, the last of each layer; false: no packet has this set. */
struct adv_headers {
	bool ipv4, ipv4_ex, ipv6, ipv6_ex;
	u32 l4; /* DPDK's code, 0: none */
};

static inline bool adv_headers(u16 pkt_info, struct adv_headers *h)
{
	h->ipv4 = pkt_info & RXDADV_PKTTYPE_IPV4;
	h->ipv4_ex = pkt_info & RXDADV_PKTTYPE_IPV4_EX;
	h->ipv6 = pkt_info & RXDADV_PKTTYPE_IPV6;
	h->ipv6_ex = pkt_info & RXDADV_PKTTYPE_IPV6_EX;
	if ((h->ipv4_ex && !h->ipv4) || (h->ipv6_ex && !h->ipv6))
		return false;
	switch (pkt_info & (RXDADV_PKTTYPE_TCP | RXDADV_PKTTYPE_UDP | RXDADV_PKTTYPE_SCTP)) {
	case 0:			  h->l4 = 0; break;
	case RXDADV_PKTTYPE_TCP:  h->l4 = L4_TCP; break;
	case RXDADV_PKTTYPE_UDP:  h->l4 = L4_UDP; break;
	case RXDADV_PKTTYPE_SCTP: h->l4 = L4_SCTP; break;
	default: return false;
	}
	return !h->l4 || h->ipv4 || h->ipv6;
}

/* RTE_PTYPE_* of a packet without NVGRE or VXLAN; 0: unknown */
static inline u32 adv_ptype(u16 pkt_info)
{
	struct adv_headers h;
	u32 outer;

	if (!adv_headers(pkt_info, &h))
		return 0;
	outer = h.ipv4_ex ? L3_IPV4_EXT : L3_IPV4;
	if (h.ipv4 && h.ipv6)
		return L2_ETHER | outer | TUNNEL_IP |
		       (h.ipv6_ex ? INNER_L3_IPV6_EXT : INNER_L3_IPV6) | INNER_L4(h.l4);
	if (h.ipv4)
		return L2_ETHER | outer | OUTER_L4(h.l4);
	if (h.ipv6)
		return L2_ETHER | (h.ipv6_ex ? L3_IPV6_EXT : L3_IPV6) | OUTER_L4(h.l4);
	return L2_ETHER;
}

#endif
