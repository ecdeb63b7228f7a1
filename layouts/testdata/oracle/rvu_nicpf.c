/* SPDX-License-Identifier: MIT */
/*
 * octeontx2's NIX as Linux 6.12 reads it: drivers/net/ethernet/marvell/octeontx2
 * nic/otx2_struct.h for the entry, nic/otx2_txrx.c otx2_rcv_pkt_handler,
 * otx2_set_rxhash, otx2_check_rcv_errors for what is taken out of it, af/npc.h
 * for the layers. Packet types: DPDK 22.11 drivers/net/cnxk/cnxk_lookup.c.
 */
#include "oracle.h"

/* NIX CQE header structure */
struct nix_cqe_hdr_s {
	u64 flow_tag	   : 32;
	u64 q		   : 20;
	u64 reserved_52_57 : 6;
	u64 node	   : 2;
	u64 cqe_type	   : 4;
};

/* NIX CQE RX parse structure */
struct nix_rx_parse_s {
	u64 chan	 : 12;
	u64 desc_sizem1	 : 5;
	u64 rsvd_17	 : 1;
	u64 express	 : 1;
	u64 wqwd	 : 1;
	u64 errlev	 : 4;
	u64 errcode	 : 8;
	u64 latype	 : 4;
	u64 lbtype	 : 4;
	u64 lctype	 : 4;
	u64 ldtype	 : 4;
	u64 letype	 : 4;
	u64 lftype	 : 4;
	u64 lgtype	 : 4;
	u64 lhtype	 : 4;
	u64 pkt_lenm1	 : 16; /* W1 */
	u64 l2m		 : 1;
	u64 l2b		 : 1;
	u64 l3m		 : 1;
	u64 l3b		 : 1;
	u64 vtag0_valid	 : 1;
	u64 vtag0_gone	 : 1;
	u64 vtag1_valid	 : 1;
	u64 vtag1_gone	 : 1;
	u64 pkind	 : 6;
	u64 rsvd_95_94	 : 2;
	u64 vtag0_tci	 : 16;
	u64 vtag1_tci	 : 16;
	u64 laflags	 : 8; /* W2 */
	u64 lbflags	 : 8;
	u64 lcflags	 : 8;
	u64 ldflags	 : 8;
	u64 leflags	 : 8;
	u64 lfflags	 : 8;
	u64 lgflags	 : 8;
	u64 lhflags	 : 8;
	u64 eoh_ptr	 : 8; /* W3 */
	u64 wqe_aura	 : 20;
	u64 pb_aura	 : 20;
	u64 match_id	 : 16;
	u64 laptr	 : 8; /* W4 */
	u64 lbptr	 : 8;
	u64 lcptr	 : 8;
	u64 ldptr	 : 8;
	u64 leptr	 : 8;
	u64 lfptr	 : 8;
	u64 lgptr	 : 8;
	u64 lhptr	 : 8;
	u64 vtag0_ptr	 : 8; /* W5 */
	u64 vtag1_ptr	 : 8;
	u64 flow_key_alg : 5;
	u64 rsvd_359_341 : 19;
	u64 color	 : 2;
	u64 rsvd_383_362 : 22;
	u64 rsvd_447_384;     /* W6 */
};

struct nix_cqe_rx_s {
	struct nix_cqe_hdr_s hdr;
	struct nix_rx_parse_s parse;
};

#define NIX_XQE_TYPE_RX 0x1

#define NPC_ERRLVL_NIX	 0x0F
#define ERRCODE_OL4_CSUM 0x12
#define ERRCODE_IL4_CSUM 0x22

enum { NPC_LT_LB_CTAG = 2 };
enum {
	NPC_LT_LC_PTP = 1, NPC_LT_LC_IP, NPC_LT_LC_IP_OPT, NPC_LT_LC_IP6, NPC_LT_LC_IP6_EXT, NPC_LT_LC_ARP,
	NPC_LT_LC_RARP, NPC_LT_LC_MPLS, NPC_LT_LC_NSH, NPC_LT_LC_FCOE, NPC_LT_LC_NGIO,
};
enum {
	NPC_LT_LD_TCP = 1, NPC_LT_LD_UDP, NPC_LT_LD_SCTP = 4, NPC_LT_LD_ICMP6, NPC_LT_LD_IGMP = 8, NPC_LT_LD_AH,
	NPC_LT_LD_GRE, NPC_LT_LD_NVGRE, NPC_LT_LD_ICMP = 15,
};
enum { NPC_LT_LE_VXLAN = 1, NPC_LT_LE_GENEVE };
enum { NPC_LT_LF_TU_ETHER = 1 };
enum { NPC_LT_LG_TU_IP = 1, NPC_LT_LG_TU_IP6 };
enum { NPC_LT_LH_TU_TCP = 1, NPC_LT_LH_TU_UDP, NPC_LT_LH_TU_SCTP = 4, NPC_LT_LH_TU_ICMP6, NPC_LT_LH_TU_ICMP = 15 };

#define OTX2_FLAG_TC_MARK_ENABLED BIT(17)
#define OTX2_HW_TIMESTAMP_LEN	  8

/* The order in which the record has the driver's state. */
struct otx2_nic {
	u32 flowkey_cfg;
	u64 flags;
	u32 queue_index;
};

static bool is_ip(const struct nix_rx_parse_s *parse)
{
	return parse->lctype >= NPC_LT_LC_IP && parse->lctype <= NPC_LT_LC_IP6_EXT;
}

/* nix_create_tunnel_ptype_array, of the combinations that there are; -1: there is no such packet */
static int64_t inner_ptype(const struct nix_rx_parse_s *parse)
{
	bool ip = parse->lgtype == NPC_LT_LG_TU_IP, ip6 = parse->lgtype == NPC_LT_LG_TU_IP6;
	u32 inner = 0;

	if (parse->lftype > NPC_LT_LF_TU_ETHER)
		return -1;
	if (parse->lftype == NPC_LT_LF_TU_ETHER)
		inner |= INNER_L2_ETHER;
	if (!parse->lgtype)
		return parse->lhtype ? -1 : (int64_t)inner;
	if (!ip && !ip6)
		return -1;
	inner |= ip ? INNER_L3_IPV4 : INNER_L3_IPV6;
	switch (parse->lhtype) {
	case 0: return inner;
	case NPC_LT_LH_TU_TCP: return inner | INNER_L4(L4_TCP);
	case NPC_LT_LH_TU_UDP: return inner | INNER_L4(L4_UDP);
	case NPC_LT_LH_TU_SCTP: return inner | INNER_L4(L4_SCTP);
	case NPC_LT_LH_TU_ICMP: return ip ? (int64_t)(inner | INNER_L4(L4_ICMP)) : -1;
	case NPC_LT_LH_TU_ICMP6: return ip6 ? (int64_t)(inner | INNER_L4(L4_ICMP)) : -1;
	default: return -1;
	}
}

/*
 * Outer and tunnel, by the same file's nix_create_non_tunnel_ptype_array. Of
 * tunnels the outer IP is told without options or extension headers.
 */
static u32 rte_ptype(const struct nix_rx_parse_s *parse)
{
	bool udp_tunnel = parse->letype == NPC_LT_LE_VXLAN || parse->letype == NPC_LT_LE_GENEVE;
	u32 type = L2_ETHER, tunnel = 0;

	switch (parse->lctype) {
	case 0: case NPC_LT_LC_MPLS: case NPC_LT_LC_NSH: case NPC_LT_LC_FCOE: case NPC_LT_LC_NGIO: return L2_ETHER;
	case NPC_LT_LC_PTP: return L2_TIMESYNC;
	case NPC_LT_LC_ARP: case NPC_LT_LC_RARP: return L2_ARP;
	case NPC_LT_LC_IP: type |= L3_IPV4; break;
	case NPC_LT_LC_IP_OPT: type |= L3_IPV4_EXT; break;
	case NPC_LT_LC_IP6: type |= L3_IPV6; break;
	case NPC_LT_LC_IP6_EXT: type |= L3_IPV6_EXT; break;
	default: return 0;
	}
	if (parse->ldtype == NPC_LT_LD_UDP && udp_tunnel)
		tunnel = OUTER_L4(L4_UDP) | (parse->letype == NPC_LT_LE_VXLAN ? TUNNEL_VXLAN : 0x5 << 12 /* Geneve */);
	else if (parse->ldtype == NPC_LT_LD_GRE)
		tunnel = TUNNEL_GRE;
	else if (parse->ldtype == NPC_LT_LD_NVGRE)
		tunnel = 0x4 << 12; /* RTE_PTYPE_TUNNEL_NVGRE */
	if (tunnel) {
		if (inner_ptype(parse) < 0)
			return 0;
		type = L2_ETHER | (parse->lctype <= NPC_LT_LC_IP_OPT ? L3_IPV4_EXT_UNKNOWN : L3_IPV6_EXT_UNKNOWN);
		return type | tunnel | inner_ptype(parse);
	}
	if (udp_tunnel)
		return 0; /* not over anything but UDP */
	switch (parse->ldtype) {
	case 0: case NPC_LT_LD_AH: return type;
	case NPC_LT_LD_TCP: return type | OUTER_L4(L4_TCP);
	case NPC_LT_LD_UDP: return type | OUTER_L4(L4_UDP);
	case NPC_LT_LD_SCTP: return type | OUTER_L4(L4_SCTP);
	case NPC_LT_LD_ICMP: case NPC_LT_LD_ICMP6: return type | OUTER_L4(L4_ICMP);
	case NPC_LT_LD_IGMP: return type | OUTER_L4(7);
	default: return 0;
	}
}

static void describe(const char *form, const u8 *raw)
{
	struct nix_cqe_rx_s cqe;
	const struct nix_rx_parse_s *parse = &cqe.parse;
	struct otx2_nic pfvf = {
		.flowkey_cfg = beside(raw + 64, 0), .flags = beside(raw + 64, 1), .queue_index = beside(raw + 64, 2),
	};
	u64 words[8];
	bool l4;
	int i;

	(void)form;
	memcpy(words, raw, sizeof(words));
	for (i = 0; i < 8; i++) /* the bit-fields are a little endian machine's */
		words[i] = le64toh(words[i]);
	memcpy(&cqe, words, sizeof(cqe));
	if (cqe.hdr.cqe_type != NIX_XQE_TYPE_RX)
		return;

	if (pfvf.flowkey_cfg)
		hint("rx_hash", cqe.hdr.flow_tag);
	if (parse->vtag0_valid && parse->vtag0_gone) {
		hint("vlan_tci", parse->vtag0_tci);
		if (parse->lbtype == NPC_LT_LB_CTAG)
			hint("vlan_proto", htons(ETH_P_8021Q));
	}
	if (rte_ptype(parse))
		hint("ptype", rte_ptype(parse));
	l4 = parse->ldtype == NPC_LT_LD_TCP || parse->ldtype == NPC_LT_LD_UDP || parse->ldtype == NPC_LT_LD_SCTP;
	if (parse->errlev == NPC_ERRLVL_NIX &&
	    (parse->errcode == ERRCODE_OL4_CSUM || parse->errcode == ERRCODE_IL4_CSUM))
		hint("csum_status", CSUM_BAD);
	else if (!(parse->errlev || parse->errcode) && is_ip(parse) && l4)
		hint("csum_status", CSUM_GOOD);
	if ((pfvf.flags & OTX2_FLAG_TC_MARK_ENABLED) && parse->match_id)
		hint("flow_mark", parse->match_id);
	hint("rx_error", parse->errcode << 4 | parse->errlev);
	hint("rx_queue", (u16)pfvf.queue_index);

	/* With a timestamp before the frame all pointers count it too. */
	if (!parse->laptr) {
		hint("pkt_len", parse->pkt_lenm1 + 1);
		if (is_ip(parse))
			hint("l3_offset", parse->lcptr);
		if (is_ip(parse) && (l4 || parse->ldtype == NPC_LT_LD_ICMP6 || parse->ldtype == NPC_LT_LD_ICMP))
			hint("l4_offset", parse->ldptr);
		hint("timestamp_in_packet", 0);
	} else if (parse->laptr == OTX2_HW_TIMESTAMP_LEN) {
		hint("timestamp_in_packet", 1);
	}
	hint("cast", parse->l2m | parse->l2b << 1 | parse->l3m << 2 | parse->l3b << 3);
	hint("channel", parse->chan);
	hint("flow_key_alg", parse->flow_key_alg);
	hint("color", parse->color);
}
