/* SPDX-License-Identifier: MIT */
/*
 * mlx4 as Linux 6.12 reads it: include/linux/mlx4/cq.h for the entry and its bits,
 * drivers/net/ethernet/mellanox/mlx4/en_rx.c mlx4_en_process_rx_cq, check_csum and
 * mlx4_en_xdp_rx_hash, en_clock.c mlx4_en_get_cqe_ts. Packet types by rule instead
 * of by table: DPDK 20.02 drivers/net/mlx4/mlx4_rxtx.c mlx4_ptype_table.
 */
#include "oracle.h"

struct mlx4_cqe {
	u32 vlan_my_qpn;
	u32 immed_rss_invalid;
	u32 g_mlpath_rqpn;
	u16 sl_vid;
	u16 rlid;
	u16 status;
	u8 ipv6_ext_mask;
	u8 badfcs_enc;
	u32 byte_cnt;
	u16 wqe_index;
	u16 checksum;
	u8 reserved[3];
	u8 owner_sr_opcode;
};

struct mlx4_ts_cqe {
	u32 vlan_my_qpn;
	u32 immed_rss_invalid;
	u32 g_mlpath_rqpn;
	u32 timestamp_hi;
	u16 status;
	u8 ipv6_ext_mask;
	u8 badfcs_enc;
	u32 byte_cnt;
	u16 wqe_index;
	u16 checksum;
	u8 reserved;
	u16 timestamp_lo;
	u8 owner_sr_opcode;
} __attribute__((packed));

#define MLX4_CQE_L2_TUNNEL_IPOK	    (1U << 31)
#define MLX4_CQE_SVLAN_PRESENT_MASK (1U << 30)
#define MLX4_CQE_CVLAN_PRESENT_MASK (1U << 29)
#define MLX4_CQE_L2_TUNNEL	    (1U << 27)
#define MLX4_CQE_L2_TUNNEL_CSUM	    (1U << 26)
#define MLX4_CQE_L2_TUNNEL_IPV4	    (1U << 25)
#define MLX4_CQE_QPN_MASK	    0xffffff

#define MLX4_CQE_STATUS_IPV4	(1 << 6)
#define MLX4_CQE_STATUS_IPV4F	(1 << 7)
#define MLX4_CQE_STATUS_IPV6	(1 << 8)
#define MLX4_CQE_STATUS_IPV4OPT (1 << 9)
#define MLX4_CQE_STATUS_TCP	(1 << 10)
#define MLX4_CQE_STATUS_UDP	(1 << 11)
#define MLX4_CQE_STATUS_IPOK	(1 << 12)

#define MLX4_CQE_LLC	 1
#define MLX4_CQE_SNAP	 (1 << 1)
#define MLX4_CQE_BAD_FCS (1 << 4)

#define MLX4_CQE_OPCODE_MASK  0x1f
#define MLX4_CQE_OPCODE_ERROR 0x1e

#define NETIF_F_HW_VLAN_CTAG_RX BIT(8)
#define NETIF_F_HW_VLAN_STAG_RX BIT(46)
#define HWTSTAMP_FILTER_ALL	1
#define ETH_P_8021AD		0x88A8

/* What lies beside the entry, in the order in which the record has it. */
struct beside {
	u64 features;
	u32 real_num_rx_queues;
	u32 udp_rss;
	u32 hwtstamp_rx_filter;
	u8 fcs_del;
	u16 queue_index;
};

/* The headers of mlx4_ptype_table's index, without those of a tunnel; false: it has no such entry */
static bool headers(u16 status, u32 *l3, u32 *inner_l3, u32 *l4)
{
	bool ipv4 = status & MLX4_CQE_STATUS_IPV4, frag = status & MLX4_CQE_STATUS_IPV4F;
	bool ipv6 = status & MLX4_CQE_STATUS_IPV6, opt = status & MLX4_CQE_STATUS_IPV4OPT;
	bool tcp = status & MLX4_CQE_STATUS_TCP, udp = status & MLX4_CQE_STATUS_UDP;

	if (tcp && udp)
		return false;
	*l4 = tcp ? L4_TCP : udp ? L4_UDP : L4_NONFRAG;
	if (ipv6) {
		if (ipv4 || opt)
			return false;
		*l3 = L3_IPV6_EXT_UNKNOWN;
		*inner_l3 = INNER_L3_IPV6_EXT_UNKNOWN;
		if (frag)
			*l4 = L4_FRAG;
		return true;
	}
	*l3 = opt ? L3_IPV4_EXT : L3_IPV4_EXT_UNKNOWN;
	*inner_l3 = opt ? INNER_L3_IPV4_EXT : INNER_L3_IPV4_EXT_UNKNOWN;
	if (frag) { /* IPv4 or not, but nothing of layer 4 */
		*l4 = L4_FRAG;
		return !tcp && !udp;
	}
	return ipv4 || opt;
}

static u32 rte_ptype(u32 vlan_my_qpn, u16 status)
{
	bool tunnel = vlan_my_qpn & MLX4_CQE_L2_TUNNEL, tunnel_ipv4 = vlan_my_qpn & MLX4_CQE_L2_TUNNEL_IPV4;
	u32 outer = L2_ETHER | (tunnel_ipv4 ? L3_IPV4_EXT_UNKNOWN : L3_IPV6_EXT_UNKNOWN);
	u32 l3, inner_l3, l4;

	if (tunnel_ipv4 && !tunnel)
		return 0;
	if (!(status & (MLX4_CQE_STATUS_IPV4 | MLX4_CQE_STATUS_IPV4F | MLX4_CQE_STATUS_IPV6 | MLX4_CQE_STATUS_IPV4OPT |
			MLX4_CQE_STATUS_TCP | MLX4_CQE_STATUS_UDP)))
		return tunnel ? outer : L2_ETHER;
	if (!headers(status, &l3, &inner_l3, &l4))
		return 0;
	return tunnel ? outer | inner_l3 | INNER_L4(l4) : L2_ETHER | l3 | OUTER_L4(l4);
}

/* mlx4_en_xdp_rx_hash, but for sets of headers that say two things, and UDP as RSS takes it (udp_rss) */
static u32 rss_type(const struct mlx4_cqe *cqe, u16 status, u32 udp_rss)
{
	bool ipv4 = status & (MLX4_CQE_STATUS_IPV4 | MLX4_CQE_STATUS_IPV4F), ipv6 = status & MLX4_CQE_STATUS_IPV6;
	u32 l3, inner_l3, l4, xht;

	if ((!ipv4 && !ipv6) || !headers(status, &l3, &inner_l3, &l4))
		return 0;
	if (ipv6)
		xht = cqe->ipv6_ext_mask ? XDP_RSS_L3_IPV6 | XDP_RSS_L3_DYNHDR : XDP_RSS_L3_IPV6;
	else
		xht = XDP_RSS_L3_IPV4;
	if (l4 == L4_FRAG) /* of IPv6 with ports: of two minds */
		return status & (MLX4_CQE_STATUS_TCP | MLX4_CQE_STATUS_UDP) ? 0 : xht;
	if (l4 == L4_TCP)
		xht |= XDP_RSS_L4 | XDP_RSS_L4_TCP;
	if (l4 == L4_UDP && udp_rss)
		xht |= XDP_RSS_L4 | XDP_RSS_L4_UDP;
	return xht;
}

/* the end of mlx4_en_process_rx_cq; while time is stamped there is no tag (mlx4_en_reset_config) */
static void rx_vlan(const struct mlx4_cqe *cqe, const struct beside *b)
{
	u32 vlan = be32toh(cqe->vlan_my_qpn);

	if (b->hwtstamp_rx_filter == HWTSTAMP_FILTER_ALL)
		return;
	if ((vlan & MLX4_CQE_CVLAN_PRESENT_MASK) && (b->features & NETIF_F_HW_VLAN_CTAG_RX)) {
		hint("vlan_proto", htons(ETH_P_8021Q));
		hint("vlan_tci", be16toh(cqe->sl_vid));
	} else if ((vlan & MLX4_CQE_SVLAN_PRESENT_MASK) && (b->features & NETIF_F_HW_VLAN_STAG_RX) &&
		   (b->features & NETIF_F_HW_VLAN_CTAG_RX)) { /* mlx4_en_fix_features */
		hint("vlan_proto", htons(ETH_P_8021AD));
		hint("vlan_tci", be16toh(cqe->sl_vid));
	}
}

static void checksums(const struct mlx4_cqe *cqe, u16 status)
{
	bool ip = status & (MLX4_CQE_STATUS_IPV4 | MLX4_CQE_STATUS_IPV4F | MLX4_CQE_STATUS_IPV6);
	bool one = !(status & MLX4_CQE_STATUS_IPV6) || !(status & (MLX4_CQE_STATUS_IPV4 | MLX4_CQE_STATUS_IPV4OPT));

	if (status & MLX4_CQE_STATUS_IPOK)
		hint("ip_csum", CSUM_GOOD);
	/* TCP or UDP of one IP header */
	if (ip && one && !(status & MLX4_CQE_STATUS_TCP) != !(status & MLX4_CQE_STATUS_UDP) &&
	    (status & MLX4_CQE_STATUS_IPOK) && cqe->checksum == htobe16(0xffff))
		hint("csum_status", CSUM_GOOD);
	if (status & (MLX4_CQE_STATUS_IPV4 | MLX4_CQE_STATUS_IPV6)) /* MLX4_CQE_STATUS_IP_ANY */
		hint("raw_csum", cqe->checksum);
}

/* mlx4_en_get_cqe_ts, in two parts */
static void cqe_ts(const u8 *raw)
{
	struct mlx4_ts_cqe ts_cqe;
	u64 hi, lo;

	memcpy(&ts_cqe, raw, sizeof(ts_cqe));
	lo = be16toh(ts_cqe.timestamp_lo);
	hi = ((u64)be32toh(ts_cqe.timestamp_hi) + !lo) << 16;
	hint("cqe_time_high", hi);
	hint("cqe_time_low", lo);
}

static void describe(const char *form, const u8 *raw)
{
	const u8 *behind = raw + sizeof(struct mlx4_cqe);
	struct beside b = {
		.features = beside(behind, 0), .real_num_rx_queues = beside(behind, 1), .udp_rss = beside(behind, 2),
		.hwtstamp_rx_filter = beside(behind, 3), .fcs_del = beside(behind, 4), .queue_index = beside(behind, 5),
	};
	struct mlx4_cqe cqe;
	u32 vlan_my_qpn, byte_cnt;
	u16 status;

	(void)form;
	memcpy(&cqe, raw, sizeof(cqe));
	vlan_my_qpn = be32toh(cqe.vlan_my_qpn);
	status = be16toh(cqe.status);
	byte_cnt = be32toh(cqe.byte_cnt);
	if ((cqe.owner_sr_opcode & MLX4_CQE_OPCODE_MASK) == MLX4_CQE_OPCODE_ERROR)
		return;
	if ((cqe.badfcs_enc & MLX4_CQE_BAD_FCS) || !byte_cnt)
		return;

	if (b.real_num_rx_queues != 1) { /* mlx4_en_config_rss_steer: "Optimized Non-RSS steering" */
		if (status & (MLX4_CQE_STATUS_IPV4 | MLX4_CQE_STATUS_IPV4F | MLX4_CQE_STATUS_IPV6))
			hint("rx_hash", be32toh(cqe.immed_rss_invalid));
		if (rss_type(&cqe, status, b.udp_rss))
			hint("rx_hash_type", rss_type(&cqe, status, b.udp_rss));
	}
	rx_vlan(&cqe, &b);
	if (rte_ptype(vlan_my_qpn, status))
		hint("ptype", rte_ptype(vlan_my_qpn, status));
	checksums(&cqe, status);
	if (b.fcs_del == 0 || (b.fcs_del == 4 && byte_cnt >= 4))
		hint("pkt_len", byte_cnt - b.fcs_del);
	hint("rx_queue", b.queue_index);
	if (b.hwtstamp_rx_filter == HWTSTAMP_FILTER_ALL)
		cqe_ts(raw);

	hint("byte_count", byte_cnt);
	hint("headers", status >> 6 & 0x3f);
	if ((status & MLX4_CQE_STATUS_IPV6) && !(status & (MLX4_CQE_STATUS_IPV4 | MLX4_CQE_STATUS_IPV4OPT)) &&
	    !((status & MLX4_CQE_STATUS_TCP) && (status & MLX4_CQE_STATUS_UDP)))
		hint("ipv6_ext", cqe.ipv6_ext_mask);
	hint("tunneled", (vlan_my_qpn & MLX4_CQE_L2_TUNNEL ? 2 : 0) | (vlan_my_qpn & MLX4_CQE_L2_TUNNEL_IPV4 ? 1 : 0));
	if (vlan_my_qpn & MLX4_CQE_L2_TUNNEL)
		hint("outer_csum", (vlan_my_qpn & MLX4_CQE_L2_TUNNEL_CSUM ? 1 : 0) |
				   (vlan_my_qpn & MLX4_CQE_L2_TUNNEL_IPOK ? 2 : 0));
	hint("encapsulation", cqe.badfcs_enc & (MLX4_CQE_LLC | MLX4_CQE_SNAP));
	hint("qp", vlan_my_qpn & MLX4_CQE_QPN_MASK);
}
