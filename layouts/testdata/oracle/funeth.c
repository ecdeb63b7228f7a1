/* SPDX-License-Identifier: MIT */
/*
 * funeth as Linux 6.12 reads it: drivers/net/ethernet/fungible/funcore/fun_hci.h
 * for the entry, funeth/funeth_rx.c fun_handle_cqe_pkt and cqe_to_pkt_hash_type
 * for what is asked in which order.
 */
#include "oracle.h"

struct fun_eth_cqe {
	u8 op;
	u8 len8;
	u8 nsgl;
	u8 repr_idn;
	u32 pkt_len;

	u64 timestamp;

	u16 pkt_cv;
	u16 rsvd0;
	u32 hash;

	u16 encap_proto;
	u16 vlan;
	u32 rsvd1;

	u32 buf_offset;
	u16 headroom;
	u16 csum;
};

_Static_assert(sizeof(struct fun_eth_cqe) == 40, "struct fun_eth_cqe");

#define FUN_ETH_RX_CV_IL4_PROT_S   13U
#define FUN_ETH_RX_CV_IL4_PROT_M   0x3
#define FUN_ETH_RX_CV_IL3_PROT_S   11U
#define FUN_ETH_RX_CV_IL3_PROT_M   0x3
#define FUN_ETH_RX_CV_OL4_PROT_S   8U
#define FUN_ETH_RX_CV_OL4_PROT_M   0x7
#define FUN_ETH_RX_CV_ENCAP_TYPE_S 6U
#define FUN_ETH_RX_CV_ENCAP_TYPE_M 0x3
#define FUN_ETH_RX_CV_OL3_PROT_S   4U
#define FUN_ETH_RX_CV_OL3_PROT_M   0x3

#define CV(cv, field) ((cv) >> FUN_ETH_RX_CV_##field##_S & FUN_ETH_RX_CV_##field##_M)

enum fun_rx_cv { FUN_RX_CV_IP = 0x2, FUN_RX_CV_IP6 = 0x3, FUN_RX_CV_TCP = 0x2, FUN_RX_CV_UDP = 0x3 };

#define FUN_XDP_HEADROOM    192
#define HWTSTAMP_FILTER_ALL 1

enum pkt_hash_types { PKT_HASH_TYPE_NONE, PKT_HASH_TYPE_L2, PKT_HASH_TYPE_L3, PKT_HASH_TYPE_L4 };

static enum pkt_hash_types cqe_to_pkt_hash_type(u16 pkt_parse)
{
	static const enum pkt_hash_types htype_map[] = {
		PKT_HASH_TYPE_NONE, PKT_HASH_TYPE_L3,
		PKT_HASH_TYPE_NONE, PKT_HASH_TYPE_L4,
		PKT_HASH_TYPE_NONE, PKT_HASH_TYPE_L3,
		PKT_HASH_TYPE_NONE, PKT_HASH_TYPE_L3
	};
	u16 key;

	/* Build the key from the TCP/UDP and IP/IPv6 bits */
	key = ((pkt_parse >> FUN_ETH_RX_CV_OL4_PROT_S) & 6) |
	      ((pkt_parse >> (FUN_ETH_RX_CV_OL3_PROT_S + 1)) & 1);

	return htype_map[key];
}

static u32 hash_type(u16 cv)
{
	u32 type = CV(cv, OL3_PROT) == FUN_RX_CV_IP6 ? XDP_RSS_L3_IPV6 : XDP_RSS_L3_IPV4;

	switch (cqe_to_pkt_hash_type(cv)) {
	case PKT_HASH_TYPE_L4:
		return type | XDP_RSS_L4 | (CV(cv, OL4_PROT) == FUN_RX_CV_UDP ? XDP_RSS_L4_UDP : XDP_RSS_L4_TCP);
	case PKT_HASH_TYPE_L3:
		return type;
	default:
		return 0;
	}
}

static u32 rte_ptype(u16 cv)
{
	u32 ptype = L2_ETHER;

	switch (CV(cv, OL3_PROT)) {
	case FUN_RX_CV_IP: ptype |= L3_IPV4_EXT_UNKNOWN; break;
	case FUN_RX_CV_IP6: ptype |= L3_IPV6_EXT_UNKNOWN; break;
	default: return ptype;
	}
	switch (CV(cv, OL4_PROT)) {
	case FUN_RX_CV_TCP: return ptype | OUTER_L4(L4_TCP);
	case FUN_RX_CV_UDP: return ptype | OUTER_L4(L4_UDP);
	default: return ptype;
	}
}

static void describe(const char *form, const u8 *raw)
{
	struct fun_eth_cqe cqe;
	u16 cv;

	(void)form;
	memcpy(&cqe, raw, sizeof(cqe));
	if (be16toh(cqe.headroom) != FUN_XDP_HEADROOM)
		return;
	cv = be16toh(cqe.pkt_cv);

	if (cqe.hash) {
		hint("rx_hash", be32toh(cqe.hash));
		if (hash_type(cv))
			hint("rx_hash_type", hash_type(cv));
	}
	if (cqe.csum) {
		hint("csum_status", CSUM_GOOD);
		hint("csum_good", be16toh(cqe.csum)); /* csum_level + 1 */
	}
	if (beside(raw + sizeof(cqe), 0) == HWTSTAMP_FILTER_ALL)
		hint("rx_timestamp", be64toh(cqe.timestamp));
	hint("ptype", rte_ptype(cv));
	hint("pkt_len", be32toh(cqe.pkt_len));
	hint("rx_queue", (u16)beside(raw + sizeof(cqe), 1));
	hint("tunnel_type", CV(cv, ENCAP_TYPE));
	hint("inner_l3", CV(cv, IL3_PROT));
	hint("inner_l4", CV(cv, IL4_PROT));
}
