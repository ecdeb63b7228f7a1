/* SPDX-License-Identifier: MIT */
/*
 * The packet types of ixgbe and its virtual functions, by rule instead of by
 * table: DPDK 22.11 drivers/net/ixgbe/ixgbe_rxtx.c ixgbe_rxd_pkt_info_to_pkt_type;
 * linux 6.12 drivers/net/ethernet/intel/ixgbe/ixgbe_type.h for the numbers.
 */
#ifndef IXGBE_PTYPE_H
#define IXGBE_PTYPE_H

#include "intel_adv.h"

#define IXGBE_RXDADV_PKTTYPE_VXLAN     0x00000800 /* VXLAN hdr present */
#define IXGBE_RXDADV_PKTTYPE_TUNNEL    0x00010000 /* Tunnel type */

/* ixgbe_rxd_pkt_info_to_pkt_type, ptype_table_tn by rule: IPv4 and what pkt_info has is inside */
static inline u32 rte_ptype(u32 pkt_info)
{
	u32 outer = L2_ETHER | L3_IPV4_EXT_UNKNOWN | TUNNEL_GRE | INNER_L2_ETHER;
	struct adv_headers h;

	if (pkt_info & RXDADV_PKTTYPE_ETQF)
		return 0;
	if (!(pkt_info & IXGBE_RXDADV_PKTTYPE_TUNNEL))
		return adv_ptype(pkt_info);
	if (!adv_headers(pkt_info, &h))
		return 0;
	if (pkt_info & IXGBE_RXDADV_PKTTYPE_VXLAN)
		outer = L2_ETHER | L3_IPV4_EXT_UNKNOWN | OUTER_L4(L4_UDP) | TUNNEL_VXLAN | INNER_L2_ETHER;
	if (h.ipv4 && h.ipv6) /* not with options, not with SCTP, and the second header is not told */
		return h.ipv4_ex || h.l4 == L4_SCTP ? 0 : outer | INNER_L3_IPV4;
	if (h.ipv4)
		outer |= h.ipv4_ex ? INNER_L3_IPV4_EXT : INNER_L3_IPV4;
	if (h.ipv6)
		outer |= h.ipv6_ex ? INNER_L3_IPV6_EXT : INNER_L3_IPV6;
	return outer | INNER_L4(h.l4);
}

#endif
