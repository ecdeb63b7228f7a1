/* SPDX-License-Identifier: MIT */
/*
 * qede as Linux 6.12 reads it: include/linux/qed/eth_common.h and common_hsi.h
 * for the entry, drivers/net/ethernet/qlogic/qede/qede_fp.c qede_rx_process_cqe
 * and what it calls for what is taken out of it. Packet types: DPDK 22.11
 * drivers/net/qede/qede_rxtx.c qede_recv_pkts.
 */
#include "oracle.h"

struct eth_fast_path_rx_reg_cqe {
	u8 type;
	u8 bitfields;
	u16 pkt_len;
	u16 pars_flags;
	u16 vlan_tag;
	u32 rss_hash;
	u16 len_on_first_bd;
	u8 placement_offset;
	u8 tunnel_pars_flags;
	u8 bd_num;
	u8 reserved;
	u16 reserved2;
	u32 flow_id_or_resource_id;
	u8 reserved1[7];
	u8 pmd_flags;
};

#define ETH_RX_CQE_TYPE_REGULAR 1

#define ETH_FAST_PATH_RX_REG_CQE_RSS_HASH_TYPE_MASK  0x7
#define ETH_FAST_PATH_RX_REG_CQE_RSS_HASH_TYPE_SHIFT 0
#define ETH_FAST_PATH_RX_REG_CQE_TC_MASK	     0xF
#define ETH_FAST_PATH_RX_REG_CQE_TC_SHIFT	     3

#define PARSING_AND_ERR_FLAGS_L3TYPE_MASK			0x3
#define PARSING_AND_ERR_FLAGS_L3TYPE_SHIFT			0
#define PARSING_AND_ERR_FLAGS_L4PROTOCOL_MASK			0x3
#define PARSING_AND_ERR_FLAGS_L4PROTOCOL_SHIFT			2
#define PARSING_AND_ERR_FLAGS_IPV4FRAG_MASK			0x1
#define PARSING_AND_ERR_FLAGS_IPV4FRAG_SHIFT			4
#define PARSING_AND_ERR_FLAGS_TAG8021QEXIST_MASK		0x1
#define PARSING_AND_ERR_FLAGS_TAG8021QEXIST_SHIFT		5
#define PARSING_AND_ERR_FLAGS_L4CHKSMWASCALCULATED_MASK		0x1
#define PARSING_AND_ERR_FLAGS_L4CHKSMWASCALCULATED_SHIFT	6
#define PARSING_AND_ERR_FLAGS_TIMESYNCPKT_MASK			0x1
#define PARSING_AND_ERR_FLAGS_TIMESYNCPKT_SHIFT			7
#define PARSING_AND_ERR_FLAGS_TIMESTAMPRECORDED_MASK		0x1
#define PARSING_AND_ERR_FLAGS_TIMESTAMPRECORDED_SHIFT		8
#define PARSING_AND_ERR_FLAGS_IPHDRERROR_MASK			0x1
#define PARSING_AND_ERR_FLAGS_IPHDRERROR_SHIFT			9
#define PARSING_AND_ERR_FLAGS_L4CHKSMERROR_MASK			0x1
#define PARSING_AND_ERR_FLAGS_L4CHKSMERROR_SHIFT		10
#define PARSING_AND_ERR_FLAGS_TUNNELEXIST_MASK			0x1
#define PARSING_AND_ERR_FLAGS_TUNNELEXIST_SHIFT			11
#define PARSING_AND_ERR_FLAGS_TUNNEL8021QTAGEXIST_MASK		0x1
#define PARSING_AND_ERR_FLAGS_TUNNEL8021QTAGEXIST_SHIFT		12
#define PARSING_AND_ERR_FLAGS_TUNNELIPHDRERROR_MASK		0x1
#define PARSING_AND_ERR_FLAGS_TUNNELIPHDRERROR_SHIFT		13
#define PARSING_AND_ERR_FLAGS_TUNNELL4CHKSMWASCALCULATED_MASK	0x1
#define PARSING_AND_ERR_FLAGS_TUNNELL4CHKSMWASCALCULATED_SHIFT	14
#define PARSING_AND_ERR_FLAGS_TUNNELL4CHKSMERROR_MASK		0x1
#define PARSING_AND_ERR_FLAGS_TUNNELL4CHKSMERROR_SHIFT		15

#define ETH_TUNNEL_PARSING_FLAGS_TYPE_MASK		 0x3
#define ETH_TUNNEL_PARSING_FLAGS_TYPE_SHIFT		 0
#define ETH_TUNNEL_PARSING_FLAGS_TENNANT_ID_EXIST_MASK	 0x1
#define ETH_TUNNEL_PARSING_FLAGS_TENNANT_ID_EXIST_SHIFT	 2
#define ETH_TUNNEL_PARSING_FLAGS_NEXT_PROTOCOL_MASK	 0x3
#define ETH_TUNNEL_PARSING_FLAGS_NEXT_PROTOCOL_SHIFT	 3
#define ETH_TUNNEL_PARSING_FLAGS_IPV4_FRAGMENT_MASK	 0x1
#define ETH_TUNNEL_PARSING_FLAGS_IPV4_FRAGMENT_SHIFT	 6

#define GET_FIELD(value, name) (((value) >> (name##_SHIFT)) & name##_MASK)

enum rss_hash_type {
	RSS_HASH_TYPE_DEFAULT, RSS_HASH_TYPE_IPV4, RSS_HASH_TYPE_TCP_IPV4, RSS_HASH_TYPE_IPV6,
	RSS_HASH_TYPE_TCP_IPV6, RSS_HASH_TYPE_UDP_IPV4, RSS_HASH_TYPE_UDP_IPV6,
};

enum eth_rx_tunn_type { ETH_RX_NO_TUNN, ETH_RX_TUNN_GENEVE, ETH_RX_TUNN_GRE, ETH_RX_TUNN_VXLAN };

static u32 hash_type(u8 htype)
{
	switch (htype) {
	case RSS_HASH_TYPE_IPV4:     return XDP_RSS_L3_IPV4;
	case RSS_HASH_TYPE_TCP_IPV4: return XDP_RSS_L3_IPV4 | XDP_RSS_L4 | XDP_RSS_L4_TCP;
	case RSS_HASH_TYPE_UDP_IPV4: return XDP_RSS_L3_IPV4 | XDP_RSS_L4 | XDP_RSS_L4_UDP;
	case RSS_HASH_TYPE_IPV6:     return XDP_RSS_L3_IPV6;
	case RSS_HASH_TYPE_TCP_IPV6: return XDP_RSS_L3_IPV6 | XDP_RSS_L4 | XDP_RSS_L4_TCP;
	case RSS_HASH_TYPE_UDP_IPV6: return XDP_RSS_L3_IPV6 | XDP_RSS_L4 | XDP_RSS_L4_UDP;
	default: return 0;
	}
}

static bool tunn_exist(u16 flag)
{
	return GET_FIELD(flag, PARSING_AND_ERR_FLAGS_TUNNELEXIST);
}

/* qede_pkt_is_ip_fragmented */
static bool is_ip_fragmented(u8 tun_pars_flg, u16 flag)
{
	return GET_FIELD(tun_pars_flg, ETH_TUNNEL_PARSING_FLAGS_IPV4_FRAGMENT) ||
	       GET_FIELD(flag, PARSING_AND_ERR_FLAGS_IPV4FRAG);
}

/*
 * qede_check_csum. With a tunnel the driver says "unnecessary" even where layer 4
 * was not calculated; that is said here when it was, of the inner packet.
 */
static enum csum_status check_csum(u8 tun_pars_flg, u16 flag)
{
	bool calculated = GET_FIELD(flag, PARSING_AND_ERR_FLAGS_L4CHKSMWASCALCULATED);
	bool error = GET_FIELD(flag, PARSING_AND_ERR_FLAGS_IPHDRERROR) ||
		     (calculated && GET_FIELD(flag, PARSING_AND_ERR_FLAGS_L4CHKSMERROR));

	if (tunn_exist(flag))
		error = error || GET_FIELD(flag, PARSING_AND_ERR_FLAGS_TUNNELIPHDRERROR) ||
			(GET_FIELD(flag, PARSING_AND_ERR_FLAGS_TUNNELL4CHKSMWASCALCULATED) &&
			 GET_FIELD(flag, PARSING_AND_ERR_FLAGS_TUNNELL4CHKSMERROR));
	if (error)
		return is_ip_fragmented(tun_pars_flg, flag) ? CSUM_UNKNOWN : CSUM_BAD;
	return calculated ? CSUM_GOOD : CSUM_UNKNOWN;
}

/* Layers 3 and 4 as they are numbered in the outer packet; -1: no such entry in DPDK's table. */
static int headers(u16 flag)
{
	u32 l3 = GET_FIELD(flag, PARSING_AND_ERR_FLAGS_L3TYPE), l4 = GET_FIELD(flag, PARSING_AND_ERR_FLAGS_L4PROTOCOL);
	bool frag = GET_FIELD(flag, PARSING_AND_ERR_FLAGS_IPV4FRAG);

	if (l3 == 0 && l4 == 0 && !frag)
		return 0;
	if ((l3 != 1 && l3 != 2) || l4 == 3 || (frag && l4))
		return -1;
	return (l3 == 1 ? L3_IPV4_EXT_UNKNOWN : L3_IPV6_EXT_UNKNOWN) |
	       OUTER_L4(frag ? L4_FRAG : l4 == 1 ? L4_TCP : l4 == 2 ? L4_UDP : 0);
}

static u32 rte_ptype(u8 tunnel, u16 flag)
{
	static const u32 tunnels[] = { 0, 0x5 << 12, TUNNEL_GRE, TUNNEL_VXLAN }; /* RTE_PTYPE_TUNNEL_GENEVE */
	u32 type = GET_FIELD(tunnel, ETH_TUNNEL_PARSING_FLAGS_TYPE);
	u32 next = GET_FIELD(tunnel, ETH_TUNNEL_PARSING_FLAGS_NEXT_PROTOCOL);
	int l3l4 = headers(flag);
	u32 inner;

	if (l3l4 < 0)
		return 0;
	if (!tunn_exist(flag))
		return L2_ETHER | l3l4;
	if (type == ETH_RX_NO_TUNN || next == 3)
		return 0;
	inner = next == 0 ? INNER_L2_ETHER : 0;
	if ((l3l4 & 0xf0) == L3_IPV4_EXT_UNKNOWN)
		inner |= INNER_L3_IPV4_EXT_UNKNOWN;
	else if (l3l4)
		inner |= INNER_L3_IPV6_EXT_UNKNOWN;
	return L2_ETHER | tunnels[type] | inner | INNER_L4(l3l4 >> 8);
}

static void describe(const char *form, const u8 *raw)
{
	struct eth_fast_path_rx_reg_cqe cqe;
	u16 parse_flag;
	u8 htype;

	(void)form;
	memcpy(&cqe, raw, sizeof(cqe));
	if (cqe.type != ETH_RX_CQE_TYPE_REGULAR)
		return;
	parse_flag = le16toh(cqe.pars_flags);

	htype = GET_FIELD(cqe.bitfields, ETH_FAST_PATH_RX_REG_CQE_RSS_HASH_TYPE);
	if (htype)
		hint("rx_hash", le32toh(cqe.rss_hash));
	if (hash_type(htype))
		hint("rx_hash_type", hash_type(htype));
	if (cqe.vlan_tag) {
		hint("vlan_tci", le16toh(cqe.vlan_tag));
		hint("vlan_proto", htons(ETH_P_8021Q));
	}
	if (rte_ptype(cqe.tunnel_pars_flags, parse_flag))
		hint("ptype", rte_ptype(cqe.tunnel_pars_flags, parse_flag));
	if (check_csum(cqe.tunnel_pars_flags, parse_flag))
		hint("csum_status", check_csum(cqe.tunnel_pars_flags, parse_flag));
	hint("pkt_len", le16toh(cqe.pkt_len));
	hint("rx_queue", (u16)beside(raw + sizeof(cqe), 0)); /* skb_record_rx_queue */

	hint("fragment", is_ip_fragmented(cqe.tunnel_pars_flags, parse_flag));
	if (tunn_exist(parse_flag)) {
		hint("tunnel", GET_FIELD(cqe.tunnel_pars_flags, ETH_TUNNEL_PARSING_FLAGS_TYPE));
		hint("tenant_id", GET_FIELD(cqe.tunnel_pars_flags, ETH_TUNNEL_PARSING_FLAGS_TENNANT_ID_EXIST));
		hint("outer_tagged", GET_FIELD(parse_flag, PARSING_AND_ERR_FLAGS_TUNNEL8021QTAGEXIST));
	}
	hint("tagged", GET_FIELD(parse_flag, PARSING_AND_ERR_FLAGS_TAG8021QEXIST));
	hint("traffic_class", GET_FIELD(cqe.bitfields, ETH_FAST_PATH_RX_REG_CQE_TC));
	hint("ptp", GET_FIELD(parse_flag, PARSING_AND_ERR_FLAGS_TIMESYNCPKT));
	hint("timestamp_latched", GET_FIELD(parse_flag, PARSING_AND_ERR_FLAGS_TIMESTAMPRECORDED));
	hint("buffers", cqe.bd_num);
	hint("flow_id", le32toh(cqe.flow_id_or_resource_id));
}
