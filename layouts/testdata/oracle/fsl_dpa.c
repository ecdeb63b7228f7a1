/* SPDX-License-Identifier: MIT */
/*
 * dpaa as Linux 6.12 reads it: drivers/net/ethernet/freescale/fman/fman.h for the
 * parser's result, dpaa/dpaa_eth.c rx_default_dqrr for hash and time. What the
 * parser found: DPDK 22.11 drivers/net/dpaa/dpaa_rxtx.h, whose masks are of the
 * first 8 bytes as a little endian number.
 */
#include "oracle.h"

/* Parse results memory layout */
struct fman_prs_result {
	u8 lpid;	   /* Logical port id */
	u8 shimr;	   /* Shim header result */
	u16 l2r;	   /* Layer 2 result */
	u16 l3r;	   /* Layer 3 result */
	u8 l4r;		   /* Layer 4 result */
	u8 cplan;	   /* Classification plan id */
	u16 nxthdr;	   /* Next Header */
	u16 cksum;	   /* Running-sum */
	u16 flags_frag_off;
	u8 route_type;
	u8 rhp_ip_valid;
	u8 shim_off[2];	   /* Shim offset */
	u8 ip_pid_off;	   /* IP PID (last IP-proto) offset */
	u8 eth_off;	   /* ETH offset */
	u8 llc_snap_off;   /* LLC_SNAP offset */
	u8 vlan_off[2];	   /* VLAN offset */
	u8 etype_off;	   /* ETYPE offset */
	u8 pppoe_off;	   /* PPP offset */
	u8 mpls_off[2];	   /* MPLS offset */
	u8 ip_off[2];	   /* IP offset */
	u8 gre_off;	   /* GRE offset */
	u8 l4_off;	   /* Layer 4 offset */
	u8 nxthdr_off;	   /* Parser end point */
};

/* fman_sp_build_buffer_struct */
#define TIME_STAMP_OFFSET  sizeof(struct fman_prs_result)
#define HASH_RESULT_OFFSET (sizeof(struct fman_prs_result) + 8)

#define FM_L3_PARSE_RESULT_IPV4 0x8000
#define FM_L3_PARSE_RESULT_IPV6 0x4000
#define FM_L4_PARSE_RESULT_UDP	0x40
#define FM_L4_PARSE_RESULT_TCP	0x20

#define DPAA_PARSE_MASK		0x00E044ED00800000ULL
#define DPAA_PARSE_VLAN		0x0000000000400000ULL /* of DPAA_PARSE_VLAN_MASK, the bit after Ethernet's */
#define DPAA_PKT_TYPE_ETHER	0x0000000000800000ULL
#define DPAA_PKT_TYPE_IPV4	(0x0000008000000000ULL | DPAA_PKT_TYPE_ETHER)
#define DPAA_PKT_TYPE_IPV6	(0x0000004000000000ULL | DPAA_PKT_TYPE_ETHER)
#define MIN_ENC			0x0000001000000000ULL /* struct dpaa_eth_parse_results_t */
#define FIRST_INFO_ERR		0x0000000200000000ULL /* of which EXT and FRAG are the number then */
#define FRAG			0x0000400000000000ULL
#define EXT			0x0000000100000000ULL
#define TCP			0x0020000000000000ULL
#define UDP			0x0040000000000000ULL
#define SCTP			0x0080000000000000ULL

/* dpaa_eth_packet_info, and by the same bits what it has no case for */
static u32 packet_type(u64 prs)
{
	u64 l4 = prs & (TCP | UDP | SCTP);
	u32 l3;

	switch (prs & ~(FRAG | TCP | UDP | SCTP)) {
	case DPAA_PKT_TYPE_IPV4:       l3 = L3_IPV4; break;
	case DPAA_PKT_TYPE_IPV4 | EXT: l3 = L3_IPV4_EXT; break;
	case DPAA_PKT_TYPE_IPV6:       l3 = L3_IPV6; break;
	case DPAA_PKT_TYPE_IPV6 | EXT: l3 = L3_IPV6_EXT; break;
	default:		       return prs == DPAA_PKT_TYPE_ETHER ? L2_ETHER : 0;
	}
	if (l4 != 0 && l4 != TCP && l4 != UDP && l4 != SCTP)
		return 0;
	return L2_ETHER | l3 | OUTER_L4(prs & FRAG ? L4_FRAG : l4 == TCP ? L4_TCP : l4 == UDP ? L4_UDP : l4 ? L4_SCTP : 0);
}

static void describe(const char *form, const u8 *raw)
{
	const u8 *behind = raw + HASH_RESULT_OFFSET + 8;
	bool rx_tstamp = beside(behind, 0), keygen_in_use = beside(behind, 1);
	struct fman_prs_result res;
	u64 prs, ns;
	u32 hash, ptype;
	u16 l3r;

	(void)form;
	memcpy(&res, raw, sizeof(res));
	memcpy(&prs, raw, sizeof(prs));
	memcpy(&ns, raw + TIME_STAMP_OFFSET, sizeof(ns));
	memcpy(&hash, raw + HASH_RESULT_OFFSET, sizeof(hash));
	prs = le64toh(prs);
	if (!(prs & DPAA_PKT_TYPE_ETHER))
		return;

	if (rx_tstamp)
		hint("rx_timestamp", be64toh(ns));
	if (keygen_in_use)
		hint("rx_hash", be32toh(hash));
	hint("fqid", (u32)beside(behind, 2)); /* xdp_rxq_info_reg */

	ptype = packet_type(prs & (DPAA_PARSE_MASK | MIN_ENC | FIRST_INFO_ERR));
	if (ptype)
		hint("ptype", ptype);
	l3r = be16toh(res.l3r);
	if (!(l3r & FM_L3_PARSE_RESULT_IPV4) != !(l3r & FM_L3_PARSE_RESULT_IPV6)) /* not both */
		hint("l3_offset", res.ip_off[0]);
	switch (res.l4r & 0xE0) {
	case FM_L4_PARSE_RESULT_TCP:
	case FM_L4_PARSE_RESULT_UDP:
	case 0x80: /* SCTP */
		hint("l4_offset", res.l4_off);
	}
	if (prs & DPAA_PARSE_VLAN)
		hint("vlan_offset", res.vlan_off[0]);
	hint("l2_cast", be16toh(res.l2r) >> 5 & 3); /* eth_frame_type, above 5 bits of errors */
}
