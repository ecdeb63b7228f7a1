/* SPDX-License-Identifier: MIT */
/*
 * bnxt_en as Linux 7.3 reads it: drivers/net/ethernet/broadcom/bnxt/bnxt.h for
 * the entries, bnxt.c bnxt_rx_pkt and bnxt_xdp.c bnxt_xdp_rx_hash for what is
 * asked in which order. Packet types: DPDK 22.11 drivers/net/bnxt/bnxt_rxr.c
 * bnxt_init_ptype_table.
 */
#include "oracle.h"

struct rx_cmp {
	u32 rx_cmp_len_flags_type;
#define RX_CMP_CMP_TYPE			  (0x3f << 0)
#define RX_CMP_FLAGS_RSS_VALID		  (1 << 10)
#define RX_CMP_FLAGS_PKT_METADATA_PRESENT (1 << 11)
#define RX_CMP_FLAGS_ITYPES_MASK	  0xf000
#define RX_CMP_FLAGS_ITYPE_IP		  (1 << 12)
#define RX_CMP_FLAGS_ITYPE_TCP		  (2 << 12)
#define RX_CMP_FLAGS_ITYPE_UDP		  (3 << 12)
#define RX_CMP_FLAGS_ITYPE_ICMP		  (7 << 12)
#define RX_CMP_FLAGS_ITYPE_PTP_WO_TS	  (8 << 12)
#define RX_CMP_FLAGS_ITYPE_PTP_W_TS	  (9 << 12)
#define RX_CMP_LEN_SHIFT		  16
	u32 rx_cmp_opaque;
	u32 rx_cmp_misc_v1;
#define RX_CMP_AGG_BUFS		    (0x1f << 1)
#define RX_CMP_AGG_BUFS_SHIFT	    1
#define RX_CMP_V3_RSS_EXT_OP_LEGACY (0xf << 12)
#define RX_CMP_V3_RSS_EXT_OP_NEW    (0xf << 8)
#define RX_CMP_METADATA1_TPID_SEL   (0x7U << 28)
#define RX_CMP_METADATA1_TPID_8021Q (0x1U << 28)
#define RX_CMP_METADATA1_TPID_8021AD (0x0U << 28)
#define RX_CMP_METADATA1_VALID	    (0x8U << 28)
	u32 rx_cmp_rss_hash;
};

struct rx_cmp_ext {
	u32 rx_cmp_flags2;
#define RX_CMP_FLAGS2_IP_CS_CALC       0x1
#define RX_CMP_FLAGS2_L4_CS_CALC       (0x1 << 1)
#define RX_CMP_FLAGS2_T_IP_CS_CALC     (0x1 << 2)
#define RX_CMP_FLAGS2_T_L4_CS_CALC     (0x1 << 3)
#define RX_CMP_FLAGS2_META_FORMAT_VLAN (0x1 << 4)
#define RX_CMP_FLAGS2_IP_TYPE	       (0x1 << 8)
	u32 rx_cmp_meta_data;
#define RX_CMP_FLAGS2_METADATA_TCI_MASK 0xffff
#define RX_CMP_FLAGS2_METADATA_TPID_SFT 16
	u32 rx_cmp_cfa_code_errors_v2;
#define RX_CMPL_ERRORS_IP_CS_ERROR	(0x1 << 4)
#define RX_CMPL_ERRORS_L4_CS_ERROR	(0x1 << 5)
#define RX_CMPL_ERRORS_T_IP_CS_ERROR	(0x1 << 6)
#define RX_CMPL_ERRORS_T_L4_CS_ERROR	(0x1 << 7)
#define RX_CMPL_ERRORS_T_PKT_ERROR_MASK (0x7 << 9)
#define RX_CMPL_ERRORS_PKT_ERROR_MASK	(0xf << 12)
#define RX_CMPL_CFA_CODE_SFT		16
	u32 rx_cmp_timestamp;
};

#define CMP_TYPE_RX_L2_CMP    17
#define CMP_TYPE_RX_L2_V3_CMP 23

#define RX_CMP_L4_CS_BITS     (RX_CMP_FLAGS2_L4_CS_CALC | RX_CMP_FLAGS2_T_L4_CS_CALC)
#define RX_CMP_L4_CS_ERR_BITS (RX_CMPL_ERRORS_L4_CS_ERROR | RX_CMPL_ERRORS_T_L4_CS_ERROR)

#define ETH_P_8021AD 0x88A8

#define BNXT_RSS_CAP_RSS_TCAM  BIT(3)
#define BNXT_FLAG_CHIP_P5_PLUS 0x1

enum { EXT_OP_INNER_4 = 0x0, EXT_OP_OUTER_4 = 0x2, EXT_OP_INNFL_3 = 0x8, EXT_OP_OUTFL_3 = 0xa };

struct bnxt {
	u32 rss_cap;
	u32 flags;
	bool ptp_all_rx_tstamp;
};

/* bnxt_rss_ext_op */
static bool rss_ext_op_l4(const struct bnxt *bp, u32 misc)
{
	u8 ext_op = bp->rss_cap & BNXT_RSS_CAP_RSS_TCAM ? (misc & RX_CMP_V3_RSS_EXT_OP_NEW) >> 8 :
							  (misc & RX_CMP_V3_RSS_EXT_OP_LEGACY) >> 12;

	switch (ext_op) {
	case EXT_OP_INNER_4:
	case EXT_OP_OUTER_4:
	case EXT_OP_INNFL_3:
	case EXT_OP_OUTFL_3:
		return true;
	default:
		return false;
	}
}

/* bnxt_xdp_rx_hash */
static u32 hash_type(const struct bnxt *bp, u8 cmp_type, u32 flags, u32 misc, u32 flags2)
{
	u32 type = flags2 & RX_CMP_FLAGS2_IP_TYPE ? XDP_RSS_L3_IPV6 : XDP_RSS_L3_IPV4;

	if (cmp_type == CMP_TYPE_RX_L2_V3_CMP)
		return rss_ext_op_l4(bp, misc) ? type | XDP_RSS_L4 : type;
	switch (flags & RX_CMP_FLAGS_ITYPES_MASK) {
	case RX_CMP_FLAGS_ITYPE_TCP:  return type | XDP_RSS_L4 | XDP_RSS_L4_TCP;
	case RX_CMP_FLAGS_ITYPE_UDP:  return type | XDP_RSS_L4 | XDP_RSS_L4_UDP;
	case RX_CMP_FLAGS_ITYPE_ICMP: return type | XDP_RSS_L4 | XDP_RSS_L4_ICMP;
	default: return type;
	}
}

/* bnxt_rx_vlan */
static void vlan(u8 cmp_type, u32 misc, const struct rx_cmp_ext *rxcmp1)
{
	u32 meta_data = le32toh(rxcmp1->rx_cmp_meta_data), tpid_sel;

	if (cmp_type == CMP_TYPE_RX_L2_CMP) {
		u16 proto = meta_data >> RX_CMP_FLAGS2_METADATA_TPID_SFT;

		if (!(le32toh(rxcmp1->rx_cmp_flags2) & RX_CMP_FLAGS2_META_FORMAT_VLAN))
			return;
		if (proto != ETH_P_8021Q && proto != ETH_P_8021AD) /* eth_type_vlan */
			return;
		hint("vlan_tci", meta_data & RX_CMP_FLAGS2_METADATA_TCI_MASK);
		hint("vlan_proto", htons(proto));
		return;
	}
	if (!(misc & RX_CMP_METADATA1_VALID))
		return;
	tpid_sel = misc & RX_CMP_METADATA1_TPID_SEL;
	if (tpid_sel == RX_CMP_METADATA1_TPID_8021Q)
		hint("vlan_proto", htons(ETH_P_8021Q));
	else if (tpid_sel == RX_CMP_METADATA1_TPID_8021AD)
		hint("vlan_proto", htons(ETH_P_8021AD));
	else
		return;
	hint("vlan_tci", le32toh(rxcmp1->rx_cmp_cfa_code_errors_v2) >> 16); /* RX_CMP_METADATA0_TCI */
}

/*
 * bnxt_init_ptype_table, with layer 2 for PTP. Of a tunnel that has but a layer 4
 * checksum DPDK takes the inner headers for the outer; here nothing is said.
 */
static u32 rte_ptype(u32 flags, u32 flags2)
{
	bool ip6 = flags2 & RX_CMP_FLAGS2_IP_TYPE, tun = flags2 & RX_CMP_FLAGS2_T_IP_CS_CALC;
	u32 l3 = ip6 ? L3_IPV6_EXT_UNKNOWN : L3_IPV4_EXT_UNKNOWN, l4 = 0;

	switch (flags & RX_CMP_FLAGS_ITYPES_MASK) {
	case RX_CMP_FLAGS_ITYPE_IP: break;
	case RX_CMP_FLAGS_ITYPE_TCP: l4 = L4_TCP; break;
	case RX_CMP_FLAGS_ITYPE_UDP: l4 = L4_UDP; break;
	case RX_CMP_FLAGS_ITYPE_ICMP: l4 = L4_ICMP; break;
	case RX_CMP_FLAGS_ITYPE_PTP_WO_TS:
	case RX_CMP_FLAGS_ITYPE_PTP_W_TS: return L2_TIMESYNC;
	default: return L2_ETHER;
	}
	if (tun)
		return L2_ETHER | (ip6 ? INNER_L3_IPV6_EXT_UNKNOWN : INNER_L3_IPV4_EXT_UNKNOWN) | INNER_L4(l4);
	if (flags2 & RX_CMP_FLAGS2_T_L4_CS_CALC)
		return L2_ETHER;
	return L2_ETHER | l3 | OUTER_L4(l4);
}

static void describe(const char *form, const u8 *raw)
{
	struct rx_cmp rxcmp;
	struct rx_cmp_ext rxcmp1;
	struct bnxt bp;
	const u8 *behind = raw + sizeof(rxcmp) + sizeof(rxcmp1);
	u32 flags, misc, flags2, errors;
	u8 cmp_type;

	(void)form;
	memcpy(&rxcmp, raw, sizeof(rxcmp));
	flags = le32toh(rxcmp.rx_cmp_len_flags_type);
	misc = le32toh(rxcmp.rx_cmp_misc_v1);
	memcpy(&rxcmp1, raw + sizeof(rxcmp), sizeof(rxcmp1));
	flags2 = le32toh(rxcmp1.rx_cmp_flags2);
	errors = le32toh(rxcmp1.rx_cmp_cfa_code_errors_v2);
	bp = (struct bnxt){ beside(behind, 0), beside(behind, 1), beside(behind, 2) };

	cmp_type = flags & RX_CMP_CMP_TYPE;
	if (cmp_type != CMP_TYPE_RX_L2_CMP && cmp_type != CMP_TYPE_RX_L2_V3_CMP)
		return;

	if (flags & RX_CMP_FLAGS_RSS_VALID) {
		hint("rx_hash", le32toh(rxcmp.rx_cmp_rss_hash));
		hint("rx_hash_type", hash_type(&bp, cmp_type, flags, misc, flags2));
	}
	vlan(cmp_type, misc, &rxcmp1);
	hint("ptype", rte_ptype(flags, flags2));
	if (errors & RX_CMP_L4_CS_ERR_BITS)
		hint("csum_status", CSUM_BAD);
	else if (flags2 & RX_CMP_L4_CS_BITS)
		hint("csum_status", CSUM_GOOD);
	if (!(misc & RX_CMP_AGG_BUFS))
		hint("pkt_len", flags >> RX_CMP_LEN_SHIFT);
	hint("rx_queue", (u16)beside(behind, 3));
	hint("rx_error", (errors & (RX_CMPL_ERRORS_T_PKT_ERROR_MASK | RX_CMPL_ERRORS_PKT_ERROR_MASK)) >> 9);

	if (errors & RX_CMPL_ERRORS_IP_CS_ERROR)
		hint("ip_csum", CSUM_BAD);
	else if (flags2 & RX_CMP_FLAGS2_IP_CS_CALC)
		hint("ip_csum", CSUM_GOOD);
	if (errors & RX_CMPL_ERRORS_T_IP_CS_ERROR)
		hint("tunnel_ip_csum", CSUM_BAD);
	else if (flags2 & RX_CMP_FLAGS2_T_IP_CS_CALC)
		hint("tunnel_ip_csum", CSUM_GOOD);
	hint("tunneled", (flags2 & RX_CMP_FLAGS2_T_L4_CS_CALC) >> 3); /* RX_CMP_ENCAP */
	if (cmp_type == CMP_TYPE_RX_L2_CMP)
		hint("cfa_code", errors >> RX_CMPL_CFA_CODE_SFT);

	/* bnxt_rx_ts_valid, BNXT_FLAG_CHIP_P5_PLUS */
	if (bp.flags & BNXT_FLAG_CHIP_P5_PLUS) {
		if ((flags & RX_CMP_FLAGS_ITYPES_MASK) == RX_CMP_FLAGS_ITYPE_PTP_W_TS ||
		    (bp.ptp_all_rx_tstamp && rxcmp1.rx_cmp_timestamp && !(flags & RX_CMP_FLAGS_PKT_METADATA_PRESENT)))
			hint("timestamp_low32", le32toh(rxcmp1.rx_cmp_timestamp));
	}
	hint("packet_type", (flags & RX_CMP_FLAGS_ITYPES_MASK) >> 12);
	hint("more_buffers", (misc & RX_CMP_AGG_BUFS) >> RX_CMP_AGG_BUFS_SHIFT);
}
