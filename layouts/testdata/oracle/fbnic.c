/* SPDX-License-Identifier: MIT */
/*
 * fbnic as Linux 7.3 reads it: drivers/net/ethernet/meta/fbnic/fbnic_csr.h for the
 * numbers, fbnic_txrx.c fbnic_clean_rcq, fbnic_rx_csum, fbnic_skb_hash_type and
 * fbnic_build_skb for what is asked.
 */
#include "oracle.h"

#define FBNIC_RCD_TYPE_MASK		   GENMASK(62, 61)
#define FBNIC_RCD_TYPE_META		   3
#define FBNIC_RCD_META_RSS_HASH_MASK	   GENMASK(31, 0)
#define FBNIC_RCD_META_L2_CSUM_MASK	   GENMASK(47, 32)
#define FBNIC_RCD_META_L3_TYPE_MASK	   GENMASK(49, 48)
#define FBNIC_RCD_META_L4_TYPE_MASK	   GENMASK(51, 50)
#define FBNIC_RCD_META_L4_CSUM_UNNECESSARY BIT(52)
#define FBNIC_RCD_META_ERR_MAC_EOP	   BIT(53)
#define FBNIC_RCD_META_ERR_TRUNCATED_FRAME BIT(54)
#define FBNIC_RCD_META_ERR_PARSER	   BIT(55)
#define FBNIC_RCD_META_ECN		   BIT(60)

enum { L3_TYPE_OTHER, L3_TYPE_IPV4, L3_TYPE_IPV6, L3_TYPE_V6V6 };
enum { L4_TYPE_OTHER, L4_TYPE_TCP, L4_TYPE_UDP };

/* fbnic_skb_hash_type, with the protocols' names */
static u32 rss_type(u32 l3, u32 l4)
{
	u32 type;

	switch (l3) {
	case L3_TYPE_IPV4: type = XDP_RSS_L3_IPV4; break;
	case L3_TYPE_IPV6: type = XDP_RSS_L3_IPV6; break;
	default: return 0; /* none, or not told which */
	}
	switch (l4) {
	case L4_TYPE_OTHER: return type;
	case L4_TYPE_TCP:   return type | XDP_RSS_L4 | XDP_RSS_L4_TCP;
	case L4_TYPE_UDP:   return type | XDP_RSS_L4 | XDP_RSS_L4_UDP;
	default: return 0;
	}
}

static u32 rte_ptype(u32 l3, u32 l4)
{
	u32 ptype = L2_ETHER;

	if (l3 == L3_TYPE_OTHER && l4 == L4_TYPE_OTHER)
		return ptype;
	if ((l3 != L3_TYPE_IPV4 && l3 != L3_TYPE_IPV6) || l4 > L4_TYPE_UDP)
		return 0;
	ptype |= l3 == L3_TYPE_IPV4 ? L3_IPV4_EXT_UNKNOWN : L3_IPV6_EXT_UNKNOWN;
	return ptype | (l4 == L4_TYPE_TCP ? OUTER_L4(L4_TCP) : l4 == L4_TYPE_UDP ? OUTER_L4(L4_UDP) : 0);
}

static void meta(const u8 *raw)
{
	u32 l3, l4;
	u64 rcd;

	memcpy(&rcd, raw, sizeof(rcd));
	rcd = le64toh(rcd);
	if (FIELD_GET(FBNIC_RCD_TYPE_MASK, rcd) != FBNIC_RCD_TYPE_META)
		return;
	if (rcd & (FBNIC_RCD_META_ERR_MAC_EOP | FBNIC_RCD_META_ERR_TRUNCATED_FRAME)) /* fbnic_rcd_metadata_err */
		return;

	l3 = FIELD_GET(FBNIC_RCD_META_L3_TYPE_MASK, rcd);
	l4 = FIELD_GET(FBNIC_RCD_META_L4_TYPE_MASK, rcd);
	if (l3 != L3_TYPE_OTHER && l4 <= L4_TYPE_UDP)
		hint("rx_hash", FIELD_GET(FBNIC_RCD_META_RSS_HASH_MASK, rcd));
	if (rss_type(l3, l4))
		hint("rx_hash_type", rss_type(l3, l4));
	if (rte_ptype(l3, l4))
		hint("ptype", rte_ptype(l3, l4));
	if (rcd & FBNIC_RCD_META_L4_CSUM_UNNECESSARY) {
		hint("csum_status", CSUM_GOOD);
	} else {
		hint("csum_status", CSUM_COMPLETE);
		hint("csum", FIELD_GET(FBNIC_RCD_META_L2_CSUM_MASK, rcd));
	}
	hint("rx_error", !!(rcd & FBNIC_RCD_META_ERR_PARSER));
	hint("headers", l4 << 2 | l3);
	hint("ecn", !!(rcd & FBNIC_RCD_META_ECN));
}

static void describe(const char *form, const u8 *raw)
{
	if (strcmp(form, "meta") == 0) {
		meta(raw);
		return;
	}
	if (!beside(raw, 0)) /* qt->cmpl.desc */
		return;
	if (beside(raw, 1)) /* pkt->hwtstamp */
		hint("rx_timestamp", beside(raw, 1));
	hint("rx_queue", (u16)beside(raw, 2));
}
