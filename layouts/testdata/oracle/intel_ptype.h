/* SPDX-License-Identifier: MIT */
/*
 * The packet types of i40e and ice, computed. Linux (libie/rx.c, 6.12) builds
 * its table from nested macros and DPDK (22.11) writes its out; both follow one
 * scheme: for each outer IP version 66 types, for each inner IP header seven.
 */
#ifndef INTEL_PTYPE_H
#define INTEL_PTYPE_H

#include "oracle.h"

enum encap { NO_TUNNEL, IP_IN_IP, GRENAT, GRENAT_MAC, GRENAT_MAC_VLAN };
enum last { FRAG, OTHER, UDP, RESERVED, TCP, SCTP, ICMP, BARE };

struct ip_type {
	int outer;	   /* 4, 6; 0: no such type */
	enum encap encap;
	int inner;	   /* 4, 6; 0: none */
	enum last last;	   /* what the last IP header is followed by; BARE: there is none */
};

#define IP_FIRST 22
#define IP_EACH	 66

static inline struct ip_type ip_type(unsigned int pt)
{
	struct ip_type t = { 0 };
	unsigned int q, r;

	if (pt < IP_FIRST || pt >= IP_FIRST + 2 * IP_EACH)
		return t;
	t.outer = pt < IP_FIRST + IP_EACH ? 4 : 6;
	q = (pt - IP_FIRST) % IP_EACH;
	if (q < 7) {
		t.last = q;
	} else if (q < 21) {
		t.encap = IP_IN_IP;
		t.inner = q < 14 ? 4 : 6;
		t.last = q % 7;
	} else {
		t.encap = GRENAT + (q - 21) / 15;
		r = (q - 21) % 15;
		t.inner = r == 0 ? 0 : r <= 7 ? 4 : 6;
		t.last = r == 0 ? BARE : (r - 1) % 7;
	}
	if (t.last == RESERVED)
		t.outer = 0;
	return t;
}

/* libie: the protocol whose checksum and ports the NIC looked at */
static inline bool has_l4(struct ip_type t)
{
	return t.last == UDP || t.last == TCP || t.last == SCTP || t.last == ICMP;
}

/* LIBIE_RX_PT's .hash_type: the outer version, and the innermost protocol */
static inline u32 xdp_hash_type(struct ip_type t)
{
	u32 type = t.outer == 4 ? XDP_RSS_L3_IPV4 : t.outer == 6 ? XDP_RSS_L3_IPV6 : 0;

	if (!t.outer || !has_l4(t))
		return type;
	type |= XDP_RSS_L4;
	switch (t.last) {
	case UDP:  return type | XDP_RSS_L4_UDP;
	case TCP:  return type | XDP_RSS_L4_TCP;
	case SCTP: return type | XDP_RSS_L4_SCTP;
	default:   return type | XDP_RSS_L4_ICMP;
	}
}

static inline u32 rte_l4(enum last last)
{
	switch (last) {
	case FRAG:  return L4_FRAG;
	case OTHER: return L4_NONFRAG;
	case UDP:   return L4_UDP;
	case TCP:   return L4_TCP;
	case SCTP:  return L4_SCTP;
	case ICMP:  return L4_ICMP;
	default:    return 0;
	}
}

/* RTE_PTYPE_* of an IP type; 0: unknown */
static inline u32 rte_ip_ptype(struct ip_type t)
{
	u32 ptype = L2_ETHER;

	if (!t.outer)
		return 0;
	ptype |= t.outer == 4 ? L3_IPV4_EXT_UNKNOWN : L3_IPV6_EXT_UNKNOWN;
	if (t.encap == NO_TUNNEL)
		return ptype | OUTER_L4(rte_l4(t.last));
	ptype |= t.encap == IP_IN_IP ? TUNNEL_IP : TUNNEL_GRENAT;
	if (t.encap == GRENAT_MAC)
		ptype |= INNER_L2_ETHER;
	if (t.encap == GRENAT_MAC_VLAN)
		ptype |= INNER_L2_ETHER_VLAN;
	if (t.inner)
		ptype |= t.inner == 4 ? INNER_L3_IPV4_EXT_UNKNOWN : INNER_L3_IPV6_EXT_UNKNOWN;
	return ptype | INNER_L4(rte_l4(t.last));
}

/* the four types without IP that DPDK has for both drivers */
static inline u32 rte_l2_ptype(unsigned int pt)
{
	switch (pt) {
	case 1:	 return L2_ETHER;
	case 2:	 return L2_TIMESYNC;
	case 6:	 return L2_LLDP;
	case 11: return L2_ARP;
	default: return 0;
	}
}

#endif
