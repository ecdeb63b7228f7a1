/* SPDX-License-Identifier: MIT */
/*
 * i40e as Linux 6.12 reads it: drivers/net/ethernet/intel/i40e/i40e_type.h for
 * the numbers, i40e_txrx.c i40e_process_skb_fields, i40e_rx_hash and
 * i40e_rx_checksum for what is asked in which order. What only the 32-byte form
 * has, and packet types: DPDK 22.11 drivers/net/i40e/i40e_rxtx.c.
 */
#include "intel_ptype.h"

/* The 16-byte form is the first half of it. */
struct i40e_32byte_rx_desc {
	u16 mirroring_status;
	u16 l2tag1;
	u32 rss; /* or fd_id */
	u64 status_error_len;
	u16 ext_status;
	u16 rsvd;
	u16 l2tag2_1;
	u16 l2tag2_2;
	u32 flex_bytes_lo;
	u32 fd_id; /* or flex_bytes_hi */
};

enum i40e_rx_desc_status_bits {
	I40E_RX_DESC_STATUS_DD_SHIFT = 0,
	I40E_RX_DESC_STATUS_EOF_SHIFT = 1,
	I40E_RX_DESC_STATUS_L2TAG1P_SHIFT = 2,
	I40E_RX_DESC_STATUS_L3L4P_SHIFT = 3,
	I40E_RX_DESC_STATUS_CRCP_SHIFT = 4,
	I40E_RX_DESC_STATUS_TSYNINDX_SHIFT = 5,
	I40E_RX_DESC_STATUS_TSYNVALID_SHIFT = 7,
	I40E_RX_DESC_STATUS_UMBCAST_SHIFT = 9,
	I40E_RX_DESC_STATUS_FLM_SHIFT = 11,
	I40E_RX_DESC_STATUS_FLTSTAT_SHIFT = 12,
	I40E_RX_DESC_STATUS_LPBK_SHIFT = 14,
	I40E_RX_DESC_STATUS_IPV6EXADD_SHIFT = 15,
	I40E_RX_DESC_STATUS_INT_UDP_0_SHIFT = 18,
	I40E_RX_DESC_STATUS_LAST
};

enum i40e_rx_desc_error_bits {
	I40E_RX_DESC_ERROR_RXE_SHIFT = 0,
	I40E_RX_DESC_ERROR_RECIPE_SHIFT = 1,
	I40E_RX_DESC_ERROR_HBO_SHIFT = 2,
	I40E_RX_DESC_ERROR_IPE_SHIFT = 3,
	I40E_RX_DESC_ERROR_L4E_SHIFT = 4,
	I40E_RX_DESC_ERROR_EIPE_SHIFT = 5,
	I40E_RX_DESC_ERROR_OVERSIZE_SHIFT = 6,
	I40E_RX_DESC_ERROR_PPRS_SHIFT = 7
};

enum { I40E_RX_DESC_FLTSTAT_RSV_FD_ID = 1, I40E_RX_DESC_FLTSTAT_RSS_HASH = 3 };

#define I40E_RXD_QW1_STATUS_MASK	(BIT(I40E_RX_DESC_STATUS_LAST) - 1)
#define I40E_RXD_QW1_ERROR_MASK		(0xFFULL << 19)
#define I40E_RXD_QW1_PTYPE_MASK		(0xFFULL << 30)
#define I40E_RXD_QW1_LENGTH_PBUF_MASK	(0x3FFFULL << 38)

#define I40E_RX_DESC_EXT_STATUS_L2TAG2P_SHIFT 0
#define I40E_RX_DESC_EXT_STATUS_FLEXBH_SHIFT  4
#define I40E_RX_DESC_EXT_STATUS_FLEXBH_MASK   0x3
#define I40E_RX_DESC_EXT_STATUS_FLEXBH_FD_ID  0x1

/* i40e_get_default_pkt_type */
static u32 rte_ptype(u8 pt)
{
	static const u32 l4[] = { L4_FRAG, L4_NONFRAG, L4_UDP, L4_TCP, L4_SCTP, L4_ICMP };

	if (pt == 154)
		return L2_NSH;
	if (pt >= 155 && pt <= 160)
		return L2_NSH | L3_IPV4_EXT_UNKNOWN | OUTER_L4(l4[pt - 155]);
	if (pt >= 161 && pt <= 166)
		return L2_NSH | L3_IPV6_EXT_UNKNOWN | OUTER_L4(l4[pt - 161]);
	return rte_l2_ptype(pt) | rte_ip_ptype(ip_type(pt));
}

/* i40e_rx_checksum */
static enum csum_status rx_checksum(u64 qword)
{
	struct ip_type decoded = ip_type(FIELD_GET(I40E_RXD_QW1_PTYPE_MASK, qword));
	u32 rx_error = FIELD_GET(I40E_RXD_QW1_ERROR_MASK, qword);
	u32 rx_status = FIELD_GET(I40E_RXD_QW1_STATUS_MASK, qword);
	bool ipv4 = decoded.outer == 4, ipv6 = decoded.outer == 6;

	if (!decoded.outer || !has_l4(decoded))
		return CSUM_UNKNOWN;
	if (!(rx_status & BIT(I40E_RX_DESC_STATUS_L3L4P_SHIFT)))
		return CSUM_UNKNOWN;
	if (ipv4 && (rx_error & (BIT(I40E_RX_DESC_ERROR_IPE_SHIFT) | BIT(I40E_RX_DESC_ERROR_EIPE_SHIFT))))
		return CSUM_BAD;
	if (ipv6 && (rx_status & BIT(I40E_RX_DESC_STATUS_IPV6EXADD_SHIFT)))
		return CSUM_UNKNOWN;
	if (rx_error & BIT(I40E_RX_DESC_ERROR_L4E_SHIFT))
		return CSUM_BAD;
	if (rx_error & BIT(I40E_RX_DESC_ERROR_PPRS_SHIFT))
		return CSUM_UNKNOWN;
	return CSUM_GOOD;
}

/* __vlan_hwaccel_put_tag(skb, htons(ETH_P_8021Q), ...), and DPDK's i40e_rxd_to_vlan_tci */
static void vlan_tags(const struct i40e_32byte_rx_desc *d, bool wide, u32 rx_status)
{
	bool tag1 = rx_status & BIT(I40E_RX_DESC_STATUS_L2TAG1P_SHIFT);
	bool tag2 = wide && (le16toh(d->ext_status) & BIT(I40E_RX_DESC_EXT_STATUS_L2TAG2P_SHIFT));

	if (tag1)
		hint("vlan_tci", le16toh(d->l2tag1));
	else if (tag2)
		hint("vlan_tci", le16toh(d->l2tag2_2));
	if (tag1 && tag2)
		hint("inner_vlan_tci", le16toh(d->l2tag2_2));
	if (tag1 && !tag2) /* of two tags, the outer one's protocol is a setting of the port */
		hint("vlan_proto", htons(ETH_P_8021Q));
}

/* i40e_rx_hash; the 16-byte form's FD_ID in the same place, and DPDK's i40e_rxd_build_fdir */
static void hash_or_mark(const struct i40e_32byte_rx_desc *d, bool wide, u64 qword)
{
	u32 type = xdp_hash_type(ip_type(FIELD_GET(I40E_RXD_QW1_PTYPE_MASK, qword)));
	u64 rss_mask = (u64)I40E_RX_DESC_FLTSTAT_RSS_HASH << I40E_RX_DESC_STATUS_FLTSTAT_SHIFT;
	u64 fd_id = (u64)I40E_RX_DESC_FLTSTAT_RSV_FD_ID << I40E_RX_DESC_STATUS_FLTSTAT_SHIFT;
	bool match = qword & BIT(I40E_RX_DESC_STATUS_FLM_SHIFT);
	u16 flexbh = le16toh(d->ext_status) >> I40E_RX_DESC_EXT_STATUS_FLEXBH_SHIFT;

	if ((qword & rss_mask) == rss_mask) {
		hint("rx_hash", le32toh(d->rss));
		if (type)
			hint("rx_hash_type", type);
	}
	if (match && !wide && (qword & rss_mask) == fd_id)
		hint("flow_mark", le32toh(d->rss));
	flexbh &= I40E_RX_DESC_EXT_STATUS_FLEXBH_MASK;
	if (match && wide && flexbh == I40E_RX_DESC_EXT_STATUS_FLEXBH_FD_ID)
		hint("flow_mark", le32toh(d->fd_id));
}

static void describe(const char *form, const u8 *raw)
{
	bool wide = strcmp(form, "wb32") == 0;
	struct i40e_32byte_rx_desc d = { 0 };
	u32 rx_status, rx_error, ptype;
	enum csum_status csum;
	u64 qword;

	memcpy(&d, raw, wide ? 32 : 16);
	qword = le64toh(d.status_error_len);
	rx_status = FIELD_GET(I40E_RXD_QW1_STATUS_MASK, qword);
	rx_error = FIELD_GET(I40E_RXD_QW1_ERROR_MASK, qword);
	if (!(rx_status & BIT(I40E_RX_DESC_STATUS_DD_SHIFT)) || !(rx_status & BIT(I40E_RX_DESC_STATUS_EOF_SHIFT)))
		return;

	hash_or_mark(&d, wide, qword);
	vlan_tags(&d, wide, rx_status);
	ptype = rte_ptype(FIELD_GET(I40E_RXD_QW1_PTYPE_MASK, qword));
	if (ptype)
		hint("ptype", ptype);
	csum = rx_checksum(qword);
	if (csum)
		hint("csum_status", csum);
	hint("pkt_len", FIELD_GET(I40E_RXD_QW1_LENGTH_PBUF_MASK, qword));
	hint("rx_error", (rx_error >> I40E_RX_DESC_ERROR_RXE_SHIFT & 1) |
			 (rx_error >> I40E_RX_DESC_ERROR_RECIPE_SHIFT & 1) << 1 |
			 (rx_error >> I40E_RX_DESC_ERROR_HBO_SHIFT & 1) << 2 |
			 (rx_error >> I40E_RX_DESC_ERROR_OVERSIZE_SHIFT & 1) << 3);

	if (!wide) /* ring->queue_index */
		hint("rx_queue", (u16)beside(raw + 16, 0));
	hint("fdir_match", !!(rx_status & BIT(I40E_RX_DESC_STATUS_FLM_SHIFT)));
	hint("cast_class", rx_status >> I40E_RX_DESC_STATUS_UMBCAST_SHIFT & 3);
	hint("loopback", !!(rx_status & BIT(I40E_RX_DESC_STATUS_LPBK_SHIFT)));
	hint("crc_present", !!(rx_status & BIT(I40E_RX_DESC_STATUS_CRCP_SHIFT)));
	if (rx_status & BIT(I40E_RX_DESC_STATUS_TSYNVALID_SHIFT))
		hint("timestamp_index", rx_status >> I40E_RX_DESC_STATUS_TSYNINDX_SHIFT & 3);
	if (rx_status & BIT(I40E_RX_DESC_STATUS_L3L4P_SHIFT)) {
		hint("ipv6_ext", !!(rx_status & BIT(I40E_RX_DESC_STATUS_IPV6EXADD_SHIFT)));
		hint("udp_csum_zero", !!(rx_status & BIT(I40E_RX_DESC_STATUS_INT_UDP_0_SHIFT)));
	}
}
