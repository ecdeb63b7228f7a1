/* SPDX-License-Identifier: MIT */
/*
 * ice as Linux 6.12 reads it: drivers/net/ethernet/intel/ice/ice_lan_tx_rx.h for
 * the numbers, ice_txrx_lib.c ice_process_skb_fields and ice_rx_csum,
 * ice_xdp_rx_vlan_tag, ice_txrx_lib.h ice_get_vlan_tci, ice_ptp.c
 * ice_ptp_get_rx_hwts and ice_eswitch.c ice_eswitch_get_target for what is asked in which order. The
 * flow id's validity and packet types: DPDK 22.11 drivers/net/ice.
 */
#include "intel_ptype.h"

struct ice_32b_rx_flex_desc_nic {
	u8 rxdid;
	u8 mir_id_umb_cast; /* mirror=[5:0], umb=[7:6] */
	u16 ptype_flexi_flags0;
	u16 pkt_len;
	u16 hdr_len_sph_flex_flags1;
	u16 status_error0;
	u16 l2tag1;
	u32 rss_hash;
	u16 status_error1;
	u8 flexi_flags2;
	u8 ts_low;
	u16 l2tag2_1st;
	u16 l2tag2_2nd;
	union {
		u32 flow_id;
		struct {
			u16 flow_id;
			u16 src_vsi;
		} nic_2;
	};
	u32 ts_high;
};

enum { ICE_RXDID_FLEX_NIC = 2, ICE_RXDID_FLEX_NIC_2 = 6 };

#define ICE_RX_FLEX_DESC_PTYPE_M  0x3FF
#define ICE_RX_FLX_DESC_PKT_LEN_M 0x3FFF
#define ICE_PTP_TS_VALID	  BIT(0)

enum ice_rx_flex_desc_status_error_0_bits {
	ICE_RX_FLEX_DESC_STATUS0_DD_S = 0,
	ICE_RX_FLEX_DESC_STATUS0_EOF_S,
	ICE_RX_FLEX_DESC_STATUS0_HBO_S,
	ICE_RX_FLEX_DESC_STATUS0_L3L4P_S,
	ICE_RX_FLEX_DESC_STATUS0_XSUM_IPE_S,
	ICE_RX_FLEX_DESC_STATUS0_XSUM_L4E_S,
	ICE_RX_FLEX_DESC_STATUS0_XSUM_EIPE_S,
	ICE_RX_FLEX_DESC_STATUS0_XSUM_EUDPE_S,
	ICE_RX_FLEX_DESC_STATUS0_LPBK_S,
	ICE_RX_FLEX_DESC_STATUS0_IPV6EXADD_S,
	ICE_RX_FLEX_DESC_STATUS0_RXE_S,
	ICE_RX_FLEX_DESC_STATUS0_CRCP_S,
	ICE_RX_FLEX_DESC_STATUS0_RSS_VALID_S,
	ICE_RX_FLEX_DESC_STATUS0_L2TAG1P_S,
};

enum ice_rx_flex_desc_status_error_1_bits {
	ICE_RX_FLEX_DESC_STATUS1_NAT_S = 4,
	ICE_RX_FLEX_DESC_STATUS1_L2TAG2P_S = 11,
	ICE_RX_FLEX_DESC_STATUS1_XTRMD2_VALID_S = 12,
	ICE_RX_FLEX_DESC_STATUS1_XTRMD3_VALID_S = 13,
};

/* From 300 on: what the DDP package for telecommunications adds. */
static u32 rte_ddp_ptype(unsigned int pt)
{
	static const u32 all[] = { L4_FRAG, L4_NONFRAG, L4_UDP, L4_TCP, L4_SCTP, L4_ICMP };
	static const u32 gtpu[] = { L4_FRAG, L4_NONFRAG, L4_UDP, L4_TCP, L4_ICMP }; /* no SCTP */
	u32 ipv4 = L2_ETHER | L3_IPV4_EXT_UNKNOWN, ipv6 = L2_ETHER | L3_IPV6_EXT_UNKNOWN;
	unsigned int n;

	if (pt == 300 || pt == 301)
		return L2_PPPOE;
	if (pt >= 302 && pt <= 307)
		return L2_PPPOE | L3_IPV4_EXT_UNKNOWN | OUTER_L4(all[pt - 302]);
	if (pt >= 308 && pt <= 313)
		return L2_PPPOE | L3_IPV6_EXT_UNKNOWN | OUTER_L4(all[pt - 308]);
	if (pt >= 325 && pt <= 330) /* the two versions take turns: GTP-C twice, GTP-U once */
		return (pt % 2 ? ipv4 : ipv6) | (pt < 329 ? TUNNEL_GTPC : TUNNEL_GTPU);
	if (pt >= 331 && pt <= 350) {
		n = (pt - 331) / 5; /* outer version is the low bit, inner the high one */
		return (n & 1 ? ipv6 : ipv4) | TUNNEL_GTPU |
		       (n & 2 ? INNER_L3_IPV6_EXT_UNKNOWN : INNER_L3_IPV4_EXT_UNKNOWN) |
		       INNER_L4(gtpu[(pt - 331) % 5]);
	}
	if (pt >= 372 && pt <= 391) /* eCPRI over UDP */
		return (pt <= 381 ? ipv4 : ipv6) | OUTER_L4(L4_UDP);
	return 0;
}

/* ice_get_default_pkt_type: unlike i40e's it has no inner MAC with a VLAN */
static u32 rte_ptype(unsigned int pt)
{
	struct ip_type t = ip_type(pt);

	if (t.encap == GRENAT_MAC_VLAN)
		return 0;
	return rte_l2_ptype(pt) | rte_ip_ptype(t) | rte_ddp_ptype(pt);
}

/*
 * ice_rx_csum. Where it gives up because of an outer header error or of IPv6
 * extension headers, the layer 4 checksum has not been found wrong. (The driver
 * also asks for time-sync frames, ptype 2; those have no layer 4 here.)
 */
static enum csum_status rx_csum(u16 rx_status0, u16 rx_status1, unsigned int ptype)
{
	struct ip_type decoded = ip_type(ptype);
	bool ipv4 = decoded.outer == 4, ipv6 = decoded.outer == 6;

	if (!decoded.outer || !has_l4(decoded))
		return CSUM_UNKNOWN;
	if (!(rx_status0 & BIT(ICE_RX_FLEX_DESC_STATUS0_L3L4P_S)))
		return CSUM_UNKNOWN;
	if (ipv4 && (rx_status0 & BIT(ICE_RX_FLEX_DESC_STATUS0_XSUM_EIPE_S)))
		return CSUM_UNKNOWN;
	if (ipv4 && (rx_status0 & BIT(ICE_RX_FLEX_DESC_STATUS0_XSUM_IPE_S)))
		return CSUM_BAD;
	if (ipv6 && (rx_status0 & BIT(ICE_RX_FLEX_DESC_STATUS0_IPV6EXADD_S)))
		return CSUM_UNKNOWN;
	if (rx_status0 & BIT(ICE_RX_FLEX_DESC_STATUS0_XSUM_L4E_S))
		return CSUM_BAD;
	if ((rx_status1 & BIT(ICE_RX_FLEX_DESC_STATUS1_NAT_S)) &&
	    (rx_status0 & BIT(ICE_RX_FLEX_DESC_STATUS0_XSUM_EUDPE_S)))
		return CSUM_BAD;
	return CSUM_GOOD;
}

/* What profiles 2 and 6 lay out differently */
static void flow(const struct ice_32b_rx_flex_desc_nic *d, u16 status1)
{
	u32 flow_id = le32toh(d->flow_id);
	bool valid = (status1 & BIT(ICE_RX_FLEX_DESC_STATUS1_XTRMD2_VALID_S)) &&
		     (status1 & BIT(ICE_RX_FLEX_DESC_STATUS1_XTRMD3_VALID_S));

	if (d->rxdid == ICE_RXDID_FLEX_NIC_2)
		hint("source_vsi", le16toh(d->nic_2.src_vsi));
	else if (valid && flow_id != 0xFFFFFFFF && flow_id != 0)
		hint("flow_mark", flow_id);
}

/* The order in which the record has the members. */
struct ice_rx_ring {
	u16 q_index;
	u16 vlan_proto;
	u64 cached_phctime;
};

/* ice_ptp_extend_32b_ts */
static u64 extend_32b_ts(u64 cached_phc_time, u32 in_tstamp)
{
	u32 phc_time_lo = (u32)cached_phc_time;
	u32 delta = in_tstamp - phc_time_lo;

	if (delta > UINT32_MAX / 2) {
		delta = phc_time_lo - in_tstamp;
		return cached_phc_time - delta;
	}
	return cached_phc_time + delta;
}

/* ice_get_vlan_tci, with the protocol that ice_xdp_rx_vlan_tag has from the ring */
static void vlan_tag(const struct ice_32b_rx_flex_desc_nic *d, const struct ice_rx_ring *ring)
{
	if (le16toh(d->status_error0) & BIT(ICE_RX_FLEX_DESC_STATUS0_L2TAG1P_S))
		hint("vlan_tci", le16toh(d->l2tag1));
	else if (le16toh(d->status_error1) & BIT(ICE_RX_FLEX_DESC_STATUS1_L2TAG2P_S))
		hint("vlan_tci", le16toh(d->l2tag2_2nd));
	else
		return;
	if (ring->vlan_proto)
		hint("vlan_proto", htons(ring->vlan_proto));
}

/* ice_ptp_get_rx_hwts */
static void timestamp(const struct ice_32b_rx_flex_desc_nic *d, const struct ice_rx_ring *ring)
{
	u32 ts_high = le32toh(d->ts_high);

	if (!(d->ts_low & ICE_PTP_TS_VALID))
		return;
	hint("timestamp_low32", ts_high);
	if (ring->cached_phctime)
		hint("rx_timestamp", extend_32b_ts(ring->cached_phctime, ts_high));
}

static void describe(const char *form, const u8 *raw)
{
	struct ice_32b_rx_flex_desc_nic d;
	struct ice_rx_ring ring = {
		.q_index = beside(raw + sizeof(d), 0), .vlan_proto = beside(raw + sizeof(d), 1),
		.cached_phctime = beside(raw + sizeof(d), 2),
	};
	u16 status0, status1, pt;
	enum csum_status csum;
	u32 type;

	(void)form;
	memcpy(&d, raw, sizeof(d));
	status0 = le16toh(d.status_error0);
	status1 = le16toh(d.status_error1);
	pt = le16toh(d.ptype_flexi_flags0) & ICE_RX_FLEX_DESC_PTYPE_M;
	if (!(status0 & BIT(ICE_RX_FLEX_DESC_STATUS0_DD_S)) || !(status0 & BIT(ICE_RX_FLEX_DESC_STATUS0_EOF_S)))
		return;
	if (d.rxdid != ICE_RXDID_FLEX_NIC && d.rxdid != ICE_RXDID_FLEX_NIC_2)
		return;

	if (status0 & BIT(ICE_RX_FLEX_DESC_STATUS0_RSS_VALID_S)) {
		hint("rx_hash", le32toh(d.rss_hash));
		type = xdp_hash_type(ip_type(pt));
		if (type)
			hint("rx_hash_type", type);
	}
	vlan_tag(&d, &ring);
	if (rte_ptype(pt))
		hint("ptype", rte_ptype(pt));
	csum = rx_csum(status0, status1, pt);
	if (csum)
		hint("csum_status", csum);
	hint("pkt_len", le16toh(d.pkt_len) & ICE_RX_FLX_DESC_PKT_LEN_M);
	hint("rx_error", (status0 >> ICE_RX_FLEX_DESC_STATUS0_RXE_S & 1) |
			 (status0 >> ICE_RX_FLEX_DESC_STATUS0_HBO_S & 1) << 1);
	flow(&d, status1);

	timestamp(&d, &ring);
	hint("rx_queue", ring.q_index);
	hint("cast_class", d.mir_id_umb_cast >> 6);
	if (d.mir_id_umb_cast >> 6 == 3)
		hint("mirror_id", d.mir_id_umb_cast & 0x3F);
	hint("loopback", !!(status0 & BIT(ICE_RX_FLEX_DESC_STATUS0_LPBK_S)));
	hint("crc_present", !!(status0 & BIT(ICE_RX_FLEX_DESC_STATUS0_CRCP_S)));
	hint("tunneled", !!(status1 & BIT(ICE_RX_FLEX_DESC_STATUS1_NAT_S)));
	if (status0 & BIT(ICE_RX_FLEX_DESC_STATUS0_L3L4P_S))
		hint("ipv6_ext", !!(status0 & BIT(ICE_RX_FLEX_DESC_STATUS0_IPV6EXADD_S)));
}
