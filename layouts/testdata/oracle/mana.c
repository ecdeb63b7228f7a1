/* SPDX-License-Identifier: MIT */
/*
 * mana as Linux 6.12 reads it: include/net/mana/mana.h for the completion,
 * drivers/net/ethernet/microsoft/mana/mana_en.c mana_process_rx_cqe and
 * mana_rx_skb for what is asked in which order.
 */
#include "oracle.h"

struct mana_cqe_header {
	u32 cqe_type : 6;
	u32 client_type : 2;
	u32 vendor_err : 24;
};

/* NDIS HASH Types */
#define NDIS_HASH_IPV4	      BIT(0)
#define NDIS_HASH_TCP_IPV4    BIT(1)
#define NDIS_HASH_UDP_IPV4    BIT(2)
#define NDIS_HASH_IPV6	      BIT(3)
#define NDIS_HASH_TCP_IPV6    BIT(4)
#define NDIS_HASH_UDP_IPV6    BIT(5)
#define NDIS_HASH_IPV6_EX     BIT(6)
#define NDIS_HASH_TCP_IPV6_EX BIT(7)
#define NDIS_HASH_UDP_IPV6_EX BIT(8)

struct mana_rxcomp_perpkt_info {
	u32 pkt_len : 16;
	u32 reserved1 : 16;
	u32 reserved2;
	u32 pkt_hash;
};

struct mana_rxcomp_oob {
	struct mana_cqe_header cqe_hdr;

	u32 rx_vlan_id : 12;
	u32 rx_vlantag_present : 1;
	u32 rx_outer_iphdr_csum_succeed : 1;
	u32 rx_outer_iphdr_csum_fail : 1;
	u32 reserved1 : 1;
	u32 rx_hashtype : 9;
	u32 rx_iphdr_csum_succeed : 1;
	u32 rx_iphdr_csum_fail : 1;
	u32 rx_tcp_csum_succeed : 1;
	u32 rx_tcp_csum_fail : 1;
	u32 rx_udp_csum_succeed : 1;
	u32 rx_udp_csum_fail : 1;
	u32 reserved2 : 1;

	struct mana_rxcomp_perpkt_info ppi[4];

	u32 rx_wqe_offset;
};

_Static_assert(sizeof(struct mana_rxcomp_oob) == 60, "struct mana_rxcomp_oob");

#define CQE_RX_OKAY 1

static u32 l3_of(u32 hashtype)
{
	if (hashtype & (NDIS_HASH_IPV4 | NDIS_HASH_TCP_IPV4 | NDIS_HASH_UDP_IPV4))
		return XDP_RSS_L3_IPV4;
	if (hashtype & (NDIS_HASH_IPV6_EX | NDIS_HASH_TCP_IPV6_EX | NDIS_HASH_UDP_IPV6_EX))
		return XDP_RSS_L3_IPV6 | XDP_RSS_L3_DYNHDR;
	return XDP_RSS_L3_IPV6;
}

static void hash_of(u32 hashtype)
{
	u32 type, ptype, l4 = 0;

	if (__builtin_popcount(hashtype) != 1) /* a frame is hashed in one way */
		return;
	type = l3_of(hashtype);
	if (hashtype & (NDIS_HASH_TCP_IPV4 | NDIS_HASH_TCP_IPV6 | NDIS_HASH_TCP_IPV6_EX)) {
		type |= XDP_RSS_L4 | XDP_RSS_L4_TCP;
		l4 = L4_TCP;
	} else if (hashtype & (NDIS_HASH_UDP_IPV4 | NDIS_HASH_UDP_IPV6 | NDIS_HASH_UDP_IPV6_EX)) {
		type |= XDP_RSS_L4 | XDP_RSS_L4_UDP;
		l4 = L4_UDP;
	}
	ptype = L2_ETHER | (type & XDP_RSS_L3_IPV4 ? L3_IPV4_EXT_UNKNOWN : L3_IPV6_EXT_UNKNOWN) | OUTER_L4(l4);
	hint("rx_hash_type", type);
	hint("ptype", ptype);
}

/* mana_rx_skb; bad is what it takes for not good and the NIC for failed */
static u8 csum(const struct mana_rxcomp_oob *cqe)
{
	if (cqe->rx_iphdr_csum_succeed) {
		if (cqe->rx_tcp_csum_succeed || cqe->rx_udp_csum_succeed)
			return CSUM_GOOD;
	}
	if (cqe->rx_iphdr_csum_fail || cqe->rx_tcp_csum_fail || cqe->rx_udp_csum_fail)
		return CSUM_BAD;
	return CSUM_UNKNOWN;
}

static void describe(const char *form, const u8 *raw)
{
	struct mana_rxcomp_oob oob;

	(void)form;
	memcpy(&oob, raw, sizeof(oob));
	if (oob.cqe_hdr.cqe_type != CQE_RX_OKAY || oob.ppi[0].pkt_len == 0)
		return;

	if (oob.rx_hashtype != 0) {
		hint("rx_hash", oob.ppi[0].pkt_hash);
		hash_of(oob.rx_hashtype);
	}
	if (oob.rx_vlantag_present) {
		hint("vlan_tci", oob.rx_vlan_id);
		hint("vlan_proto", htons(ETH_P_8021Q));
	}
	if (csum(&oob) != CSUM_UNKNOWN)
		hint("csum_status", csum(&oob));
	if (oob.rx_iphdr_csum_succeed)
		hint("ip_csum", CSUM_GOOD);
	else if (oob.rx_iphdr_csum_fail)
		hint("ip_csum", CSUM_BAD);
	if (oob.rx_outer_iphdr_csum_succeed)
		hint("outer_ip_csum", CSUM_GOOD);
	else if (oob.rx_outer_iphdr_csum_fail)
		hint("outer_ip_csum", CSUM_BAD);
	hint("pkt_len", oob.ppi[0].pkt_len);
	hint("rx_queue", (u16)beside(raw + sizeof(oob), 0));
}
