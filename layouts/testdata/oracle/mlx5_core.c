/* SPDX-License-Identifier: MIT */
/*
 * mlx5 as Linux 6.12 reads it: include/linux/mlx5/device.h for the entry and the
 * helpers that take it apart, drivers/net/ethernet/mellanox/mlx5/core/en_rx.c
 * mlx5e_build_rx_skb and mlx5e_handle_csum, en/xdp.c mlx5e_xdp_rx_hash and
 * mlx5e_xdp_rx_timestamp. Packet types: DPDK 22.11 drivers/net/mlx5/mlx5_rx.c
 * rxq_cq_to_pkt_type.
 */
#include "oracle.h"

struct mlx5_cqe64 {
	u8 tls_outer_l3_tunneled;
	u8 rsvd0;
	u16 wqe_id;
	u32 lro[2];
	u32 rss_hash_result;
	u8 rss_hash_type;
	u8 ml_path;
	u8 rsvd20[2];
	u16 check_sum;
	u16 slid;
	u32 flags_rqpn;
	u8 hds_ip_ext;
	u8 l4_l3_hdr_type;
	u16 vlan_info;
	u32 srqn;
	u32 ft_metadata;
	u8 rsvd40[4];
	u16 filler_consumed_strides; /* byte_cnt, as struct mpwrq_cqe_bc splits it */
	u16 byte_cnt;
	u32 timestamp_h;
	u32 timestamp_l;
	u32 sop_drop_qpn;
	u16 wqe_counter;
	u8 signature;
	u8 op_own;
};

#define MLX5_CQE_RESP_SEND 2
#define MLX5E_CE_BIT_MASK  0x80

#define CQE_RSS_HTYPE_IP GENMASK(3, 2)
#define CQE_RSS_HTYPE_L4 GENMASK(7, 6)
enum { CQE_RSS_IPV4 = 1, CQE_RSS_IPV6 = 2 };
enum { CQE_RSS_L4_TCP = 1, CQE_RSS_L4_UDP = 2, CQE_RSS_L4_IPSEC = 3 };

#define CQE_L2_OK (1 << 0)
#define CQE_L3_OK (1 << 1)
#define CQE_L4_OK (1 << 2)

/* mlx5_xdp_rss_type[] of mlx5e_xdp_rx_hash: no IP version, no type */
static u32 rss_type(u8 cht)
{
	u32 type;

	switch (FIELD_GET(CQE_RSS_HTYPE_IP, cht)) {
	case CQE_RSS_IPV4: type = XDP_RSS_L3_IPV4; break;
	case CQE_RSS_IPV6: type = XDP_RSS_L3_IPV6; break;
	default: return 0;
	}
	switch (FIELD_GET(CQE_RSS_HTYPE_L4, cht)) {
	case CQE_RSS_L4_TCP:   return type | XDP_RSS_L4 | XDP_RSS_L4_TCP;
	case CQE_RSS_L4_UDP:   return type | XDP_RSS_L4 | XDP_RSS_L4_UDP;
	case CQE_RSS_L4_IPSEC: return type | XDP_RSS_L4 | XDP_RSS_L4_IPSEC;
	default: return type;
	}
}

/* rxq_cq_to_pkt_type's index, and mlx5_set_ptype_table by rule */
static u8 ptype_index(const struct mlx5_cqe64 *cqe)
{
	return (cqe->tls_outer_l3_tunneled & 0x3) << 6 | cqe->l4_l3_hdr_type >> 2;
}

static u32 rte_ptype(u8 idx)
{
	static const u32 l4_code[] = { L4_NONFRAG, L4_TCP, L4_UDP, L4_TCP, L4_TCP };
	u32 l3 = idx & 3, l4 = idx >> 2 & 7;
	bool frag = idx & BIT(5), tunneled = idx & BIT(6), outer_ipv6 = idx & BIT(7);
	u32 outer = outer_ipv6 ? L3_IPV6_EXT_UNKNOWN : L3_IPV4_EXT_UNKNOWN;

	if (l3 == 0) { /* neither IP: plain Ethernet, or a tunnel with something else inside */
		if (l4 || frag || (outer_ipv6 && !tunneled))
			return 0;
		return L2_ETHER | (tunneled ? outer : 0);
	}
	if (l3 == 3 || l4 > 4)
		return 0;
	l4 = frag ? L4_FRAG : l4_code[l4];
	if (tunneled)
		return L2_ETHER | outer | INNER_L4(l4) |
		       (l3 == 1 ? INNER_L3_IPV6_EXT_UNKNOWN : INNER_L3_IPV4_EXT_UNKNOWN);
	return L2_ETHER | OUTER_L4(l4) | (l3 == 1 ? L3_IPV6_EXT_UNKNOWN : L3_IPV4_EXT_UNKNOWN);
}

/* The order in which the record has the members. */
struct mlx5e_rq {
	u32 ix;
	bool title; /* cqe == &rq->cqd.title */
	u32 rx_filter; /* tstamp->rx_filter */
};

#define HWTSTAMP_FILTER_ALL 1
#define NSEC_PER_SEC	    1000000000ULL

/*
 * Whether a clock that says so much runs in real time, which the driver knows
 * from the firmware (mlx5_is_real_time_rq). From 2004 to 2072 seconds are in the
 * middle of the range of 32 bits; cycles do not come that far.
 */
static bool is_real_time(u32 timestamp_h)
{
	return timestamp_h >= 1U << 30 && timestamp_h < 3U << 30;
}

/* mlx5e_xdp_rx_timestamp, mlx5_real_time_cyc2time; the title's is another packet's */
static void rx_timestamp(const struct mlx5e_rq *rq, u32 hi, u32 low)
{
	if (rq->rx_filter == HWTSTAMP_FILTER_ALL && !rq->title && is_real_time(hi))
		hint("rx_timestamp", hi * NSEC_PER_SEC + low);
}

static void describe(const char *form, const u8 *raw)
{
	struct mlx5_cqe64 cqe;
	struct mlx5e_rq rq = {
		.ix = beside(raw + sizeof(cqe), 0), .title = beside(raw + sizeof(cqe), 1) != 0,
		.rx_filter = beside(raw + sizeof(cqe), 2),
	};
	u32 hi, low;
	u32 tls, flow_tag;
	bool hashed;

	(void)form;
	memcpy(&cqe, raw, sizeof(cqe));
	if (cqe.op_own >> 4 != MLX5_CQE_RESP_SEND)
		return;

	/* RSS_TYPE_NO_HASH, which is also how mlx5e_decompress_cqe_no_hash marks a rebuilt entry */
	hashed = cqe.rss_hash_type & (CQE_RSS_HTYPE_IP | CQE_RSS_HTYPE_L4);
	if (hashed)
		hint("rx_hash", be32toh(cqe.rss_hash_result));
	if (rss_type(cqe.rss_hash_type))
		hint("rx_hash_type", rss_type(cqe.rss_hash_type));
	if (cqe.l4_l3_hdr_type & 0x1) { /* cqe_has_vlan */
		hint("vlan_tci", be16toh(cqe.vlan_info));
		hint("vlan_proto", htons(ETH_P_8021Q));
	}
	if (rte_ptype(ptype_index(&cqe)))
		hint("ptype", rte_ptype(ptype_index(&cqe)));
	if ((cqe.hds_ip_ext & CQE_L3_OK) && (cqe.hds_ip_ext & CQE_L4_OK))
		hint("csum_status", CSUM_GOOD);
	flow_tag = be32toh(cqe.sop_drop_qpn) & 0xffffff;
	if (flow_tag)
		hint("flow_mark", flow_tag);
	hint("pkt_len", be16toh(cqe.byte_cnt)); /* mpwrq_get_cqe_byte_cnt */

	tls = cqe.tls_outer_l3_tunneled >> 3 & 0x3; /* get_cqe_tls_offload */
	hint("headers", ptype_index(&cqe));
	hint("header_ok", cqe.hds_ip_ext & (CQE_L2_OK | CQE_L3_OK | CQE_L4_OK));
	hint("ip_options", cqe.l4_l3_hdr_type >> 1 & 1);
	if ((cqe.hds_ip_ext & CQE_L3_OK) && !tls)
		hint("check_sum", cqe.check_sum); /* a __sum16 as it lies there */
	hi = be32toh(cqe.timestamp_h);
	low = be32toh(cqe.timestamp_l);
	if (hashed && hi < 3U << 30)
		hint("cqe_timestamp", (u64)hi << 32 | low);
	rx_timestamp(&rq, hi, low);
	hint("rx_queue", (u16)rq.ix);
	hint("flow_metadata", be32toh(cqe.ft_metadata));
	hint("tls_status", tls);
	hint("ecn_ce", !!(cqe.ml_path & MLX5E_CE_BIT_MASK));
}
