/* SPDX-License-Identifier: MIT */
/*
 * gve as Linux 7.3 reads it: drivers/net/ethernet/google/gve/gve_desc.h and
 * gve_desc_dqo.h for the descriptors, gve_rx.c gve_rx and gve_rx_dqo.c
 * gve_rx_complete_skb for what is asked in which order.
 */
#include "oracle.h"

struct gve_rx_desc {
	u8 padding[48];
	u32 rss_hash;
	u16 mss;
	u16 reserved;
	u8 hdr_len;
	u8 hdr_off;
	u16 csum;
	u16 len;
	u16 flags_seq;
} __attribute__((packed));

#define GVE_RX_PAD 2

#define GVE_SEQNO(x)	 (be16toh(x) & 0x7)
#define GVE_RXFLG(x)	 htobe16(1 << (3 + (x)))
#define GVE_RXF_FRAG	 GVE_RXFLG(3)
#define GVE_RXF_IPV4	 GVE_RXFLG(4)
#define GVE_RXF_IPV6	 GVE_RXFLG(5)
#define GVE_RXF_TCP	 GVE_RXFLG(6)
#define GVE_RXF_UDP	 GVE_RXFLG(7)
#define GVE_RXF_PKT_CONT GVE_RXFLG(10)

static bool gve_needs_rss(u16 flag)
{
	if (flag & GVE_RXF_FRAG)
		return false;
	return flag & (GVE_RXF_IPV4 | GVE_RXF_IPV6);
}

/* IPv4 or else IPv6, as a packet has one of them */
static u32 gqi_hash_type(u16 flags)
{
	u32 type = flags & GVE_RXF_IPV4 ? XDP_RSS_L3_IPV4 : XDP_RSS_L3_IPV6;

	if (flags & GVE_RXF_TCP)
		return type | XDP_RSS_L4 | XDP_RSS_L4_TCP;
	if (flags & GVE_RXF_UDP)
		return type | XDP_RSS_L4 | XDP_RSS_L4_UDP;
	return type;
}

static u32 gqi_ptype(u16 flags)
{
	u32 l4 = flags & GVE_RXF_FRAG ? L4_FRAG : flags & GVE_RXF_TCP ? L4_TCP : flags & GVE_RXF_UDP ? L4_UDP : 0;

	if (flags & GVE_RXF_IPV4)
		return L2_ETHER | L3_IPV4_EXT_UNKNOWN | OUTER_L4(l4);
	if (flags & GVE_RXF_IPV6)
		return L2_ETHER | L3_IPV6_EXT_UNKNOWN | OUTER_L4(l4);
	return L2_ETHER;
}

static void describe_gqi(const u8 *raw)
{
	struct gve_rx_desc desc;
	const u8 *behind = raw + sizeof(desc);
	u16 flags;

	memcpy(&desc, raw, sizeof(desc));
	flags = desc.flags_seq;
	/* a sequence number is 1 to 7; XDP: is_only_frag */
	if (!GVE_SEQNO(flags) || (flags & GVE_RXF_PKT_CONT))
		return;

	if (gve_needs_rss(flags)) {
		hint("rx_hash", be32toh(desc.rss_hash));
		hint("rx_hash_type", gqi_hash_type(flags));
	}
	if (desc.csum) {
		hint("csum_status", CSUM_COMPLETE);
		hint("csum", desc.csum); /* csum_unfold */
	}
	hint("ptype", gqi_ptype(flags));
	if (be16toh(desc.len) >= GVE_RX_PAD)
		hint("pkt_len", be16toh(desc.len) - GVE_RX_PAD);
	hint("rx_queue", (u16)beside(behind, 0));
	hint("fragment", !!(flags & GVE_RXF_FRAG));
	hint("header_len", desc.hdr_len);
	hint("header_offset", desc.hdr_off);
	hint("mss", be16toh(desc.mss));
}

struct gve_rx_compl_desc_dqo {
	u8 rxdid : 4;
	u8 reserved0 : 4;

	u8 loopback : 1;
	u8 ipv6_ex_add : 1;
	u8 rx_error : 1;
	u8 reserved1 : 5;

	u16 packet_type : 10;
	u16 ip_hdr_err : 1;
	u16 udp_len_err : 1;
	u16 raw_cs_invalid : 1;
	u16 reserved2 : 3;

	u16 packet_len : 14;
	u16 generation : 1;
	u16 buffer_queue_id : 1;

	u16 header_len : 10;
	u16 rsc : 1;
	u16 split_header : 1;
	u16 reserved3 : 4;

	u8 descriptor_done : 1;
	u8 end_of_packet : 1;
	u8 header_buffer_overflow : 1;
	u8 l3_l4_processed : 1;
	u8 csum_ip_err : 1;
	u8 csum_l4_err : 1;
	u8 csum_external_ip_err : 1;
	u8 csum_external_udp_err : 1;

	u8 status_error1;

	u8 reserved5;
	u8 ts_sub_nsecs_low;
	u16 buf_id;

	u16 raw_cs;
	u32 hash;
	u32 reserved6;
	u32 reserved7;
	u32 ts;
} __attribute__((packed));

#define GVE_DQO_RX_HWTSTAMP_VALID 0x1
#define HWTSTAMP_FILTER_ALL	  1

enum gve_l3_type { GVE_L3_TYPE_UNKNOWN, GVE_L3_TYPE_OTHER, GVE_L3_TYPE_IPV4, GVE_L3_TYPE_IPV6 };
enum gve_l4_type {
	GVE_L4_TYPE_UNKNOWN, GVE_L4_TYPE_OTHER, GVE_L4_TYPE_TCP, GVE_L4_TYPE_UDP, GVE_L4_TYPE_ICMP, GVE_L4_TYPE_SCTP,
};

struct gve_ptype {
	u8 l3_type;
	u8 l4_type;
};

/* gve_rx_skb_csum; where it gives up because of an error, the checksum is bad */
static u8 rx_csum(const struct gve_rx_compl_desc_dqo *desc, struct gve_ptype ptype)
{
	if (!desc->l3_l4_processed)
		return CSUM_UNKNOWN;
	if (ptype.l3_type > GVE_L3_TYPE_IPV6)
		return CSUM_UNKNOWN; /* there is no such type */
	if (ptype.l3_type == GVE_L3_TYPE_IPV4) {
		if (desc->csum_ip_err || desc->csum_external_ip_err)
			return CSUM_BAD;
	} else if (ptype.l3_type == GVE_L3_TYPE_IPV6) {
		if (desc->ipv6_ex_add)
			return CSUM_UNKNOWN;
	}
	switch (ptype.l4_type) {
	case GVE_L4_TYPE_TCP:
	case GVE_L4_TYPE_UDP:
	case GVE_L4_TYPE_ICMP:
	case GVE_L4_TYPE_SCTP:
		return desc->csum_l4_err ? CSUM_BAD : CSUM_GOOD;
	default:
		return CSUM_UNKNOWN;
	}
}

/* gve_rx_skb_hash: any known layer 4 makes it PKT_HASH_TYPE_L4 */
static void rx_hash(u32 hash, struct gve_ptype ptype)
{
	u32 type;

	switch (ptype.l3_type) {
	case GVE_L3_TYPE_IPV4: type = XDP_RSS_L3_IPV4; break;
	case GVE_L3_TYPE_IPV6: type = XDP_RSS_L3_IPV6; break;
	default: return;
	}
	hint("rx_hash", hash);
	if (ptype.l4_type != GVE_L4_TYPE_UNKNOWN)
		type |= XDP_RSS_L4;
	switch (ptype.l4_type) {
	case GVE_L4_TYPE_UNKNOWN:
	case GVE_L4_TYPE_OTHER: break;
	case GVE_L4_TYPE_TCP:	type |= XDP_RSS_L4_TCP; break;
	case GVE_L4_TYPE_UDP:	type |= XDP_RSS_L4_UDP; break;
	case GVE_L4_TYPE_ICMP:	type |= XDP_RSS_L4_ICMP; break;
	case GVE_L4_TYPE_SCTP:	type |= XDP_RSS_L4_SCTP; break;
	default: return; /* there is no such type */
	}
	hint("rx_hash_type", type);
}

/* 0: there is no such type */
static u32 dqo_ptype(struct gve_ptype ptype)
{
	static const u8 l4[] = { 0, 0, L4_TCP, L4_UDP, L4_ICMP, L4_SCTP };
	u32 l3;

	switch (ptype.l3_type) {
	case GVE_L3_TYPE_UNKNOWN:
	case GVE_L3_TYPE_OTHER: return L2_ETHER;
	case GVE_L3_TYPE_IPV4: l3 = L3_IPV4_EXT_UNKNOWN; break;
	case GVE_L3_TYPE_IPV6: l3 = L3_IPV6_EXT_UNKNOWN; break;
	default: return 0;
	}
	return ptype.l4_type < sizeof(l4) ? L2_ETHER | l3 | OUTER_L4(l4[ptype.l4_type]) : 0;
}

/* gve_rx_get_hwtstamp */
static u64 rx_hwtstamp(u64 last_read, u32 hwts)
{
	u32 low = (u32)last_read;
	int32_t diff = hwts - low;

	return last_read + diff;
}

static void describe_dqo(const u8 *raw)
{
	struct gve_rx_compl_desc_dqo desc;
	const u8 *behind = raw + sizeof(desc);
	struct gve_ptype ptype = { .l3_type = beside(behind, 0), .l4_type = beside(behind, 1) };
	u32 rx_filter = beside(behind, 2);
	u64 last_sync_nic_counter = beside(behind, 3);

	memcpy(&desc, raw, sizeof(desc));
	if (desc.rxdid != 1 || !desc.end_of_packet)
		return;

	rx_hash(le32toh(desc.hash), ptype);
	if (rx_csum(&desc, ptype) != CSUM_UNKNOWN)
		hint("csum_status", rx_csum(&desc, ptype));
	if (rx_filter == HWTSTAMP_FILTER_ALL && (desc.ts_sub_nsecs_low & GVE_DQO_RX_HWTSTAMP_VALID) &&
	    last_sync_nic_counter)
		hint("rx_timestamp", rx_hwtstamp(last_sync_nic_counter, le32toh(desc.ts)));
	if (desc.ts_sub_nsecs_low & GVE_DQO_RX_HWTSTAMP_VALID)
		hint("timestamp_low32", le32toh(desc.ts));
	if (dqo_ptype(ptype))
		hint("ptype", dqo_ptype(ptype));
	hint("pkt_len", desc.packet_len);
	hint("rx_queue", (u16)beside(behind, 4));
	hint("rx_error", desc.ip_hdr_err | desc.udp_len_err << 1);
	hint("packet_type", desc.packet_type);
	hint("header_len", desc.header_len);
	if (!desc.raw_cs_invalid && !desc.rsc)
		hint("raw_csum", le16toh(desc.raw_cs));
	if (desc.l3_l4_processed)
		hint("outer_udp_csum_bad", desc.csum_external_udp_err);
	hint("ipv6_ext_headers", desc.ipv6_ex_add);
	hint("loopback", desc.loopback);
	hint("buffer_id", le16toh(desc.buf_id));
}

static void describe(const char *form, const u8 *raw)
{
	if (!strcmp(form, "gqi"))
		describe_gqi(raw);
	else
		describe_dqo(raw);
}
