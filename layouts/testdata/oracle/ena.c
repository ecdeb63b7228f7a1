/* SPDX-License-Identifier: MIT */
/*
 * ena as Linux 6.12 reads it: drivers/net/ethernet/amazon/ena/ena_eth_io_defs.h
 * for the descriptor, ena_eth_com.c ena_com_rx_set_flags, ena_netdev.c
 * ena_rx_checksum and ena_set_rx_hash for what is asked in which order.
 */
#include "oracle.h"

struct ena_eth_io_rx_cdesc_base {
	u32 status;
	u16 length;
	u16 req_id;
	u32 hash;
	u16 sub_qid;
	u8 offset;
	u8 reserved;
};

#define ENA_ETH_IO_RX_CDESC_BASE_L3_PROTO_IDX_MASK     GENMASK(4, 0)
#define ENA_ETH_IO_RX_CDESC_BASE_SRC_VLAN_CNT_SHIFT    5
#define ENA_ETH_IO_RX_CDESC_BASE_SRC_VLAN_CNT_MASK     GENMASK(6, 5)
#define ENA_ETH_IO_RX_CDESC_BASE_L4_PROTO_IDX_SHIFT    8
#define ENA_ETH_IO_RX_CDESC_BASE_L4_PROTO_IDX_MASK     GENMASK(12, 8)
#define ENA_ETH_IO_RX_CDESC_BASE_L3_CSUM_ERR_MASK      BIT(13)
#define ENA_ETH_IO_RX_CDESC_BASE_L4_CSUM_ERR_MASK      BIT(14)
#define ENA_ETH_IO_RX_CDESC_BASE_IPV4_FRAG_MASK	       BIT(15)
#define ENA_ETH_IO_RX_CDESC_BASE_L4_CSUM_CHECKED_MASK  BIT(16)
#define ENA_ETH_IO_RX_CDESC_BASE_L3_CSUM2_MASK	       BIT(25)
#define ENA_ETH_IO_RX_CDESC_BASE_FIRST_MASK	       BIT(26)
#define ENA_ETH_IO_RX_CDESC_BASE_LAST_MASK	       BIT(27)

enum ena_eth_io_l3_proto_index { ENA_ETH_IO_L3_PROTO_IPV4 = 8, ENA_ETH_IO_L3_PROTO_IPV6 = 11 };
enum ena_eth_io_l4_proto_index { ENA_ETH_IO_L4_PROTO_TCP = 12, ENA_ETH_IO_L4_PROTO_UDP = 13 };

struct ena_com_rx_ctx {
	u32 l3_proto, l4_proto;
	bool l3_csum_err, l4_csum_err, l4_csum_checked, frag;
	u32 hash;
};

/* ena_com_rx_set_flags */
static struct ena_com_rx_ctx rx_ctx(u32 status, u32 hash)
{
	return (struct ena_com_rx_ctx){
		.l3_proto = status & ENA_ETH_IO_RX_CDESC_BASE_L3_PROTO_IDX_MASK,
		.l4_proto = (status & ENA_ETH_IO_RX_CDESC_BASE_L4_PROTO_IDX_MASK) >>
			    ENA_ETH_IO_RX_CDESC_BASE_L4_PROTO_IDX_SHIFT,
		.l3_csum_err = !!(status & ENA_ETH_IO_RX_CDESC_BASE_L3_CSUM_ERR_MASK),
		.l4_csum_err = !!(status & ENA_ETH_IO_RX_CDESC_BASE_L4_CSUM_ERR_MASK),
		.l4_csum_checked = !!(status & ENA_ETH_IO_RX_CDESC_BASE_L4_CSUM_CHECKED_MASK),
		.frag = !!(status & ENA_ETH_IO_RX_CDESC_BASE_IPV4_FRAG_MASK),
		.hash = hash,
	};
}

static bool is_l4(const struct ena_com_rx_ctx *ctx)
{
	return ctx->l4_proto == ENA_ETH_IO_L4_PROTO_TCP || ctx->l4_proto == ENA_ETH_IO_L4_PROTO_UDP;
}

static bool is_ipv4(const struct ena_com_rx_ctx *ctx)
{
	return ctx->l3_proto == ENA_ETH_IO_L3_PROTO_IPV4;
}

/*
 * ena_rx_checksum, with the counter csum_bad for bad. An IPv4 checksum that was
 * not looked at is an error there, too, and so is called nothing here.
 */
static u8 rx_checksum(const struct ena_com_rx_ctx *ctx)
{
	bool l3_unsure = is_ipv4(ctx) && ctx->l3_csum_err;

	if (ctx->frag || !is_l4(ctx))
		return CSUM_UNKNOWN;
	if (!ctx->l4_csum_checked)
		return CSUM_UNKNOWN;
	if (ctx->l4_csum_err)
		return CSUM_BAD;
	return l3_unsure ? CSUM_UNKNOWN : CSUM_GOOD;
}

/* ena_set_rx_hash, PKT_HASH_TYPE_L4 alone */
static void set_rx_hash(const struct ena_com_rx_ctx *ctx)
{
	u32 type = XDP_RSS_L4;

	if (!is_l4(ctx) || ctx->frag)
		return;
	hint("rx_hash", ctx->hash);
	type |= ctx->l4_proto == ENA_ETH_IO_L4_PROTO_TCP ? XDP_RSS_L4_TCP : XDP_RSS_L4_UDP;
	if (is_ipv4(ctx))
		hint("rx_hash_type", type | XDP_RSS_L3_IPV4);
	if (ctx->l3_proto == ENA_ETH_IO_L3_PROTO_IPV6)
		hint("rx_hash_type", type | XDP_RSS_L3_IPV6);
}

static u32 rte_ptype(const struct ena_com_rx_ctx *ctx)
{
	u32 l4 = 0;

	if (ctx->l4_proto == ENA_ETH_IO_L4_PROTO_TCP)
		l4 = OUTER_L4(L4_TCP);
	if (ctx->l4_proto == ENA_ETH_IO_L4_PROTO_UDP)
		l4 = OUTER_L4(L4_UDP);
	switch (ctx->l3_proto) {
	case ENA_ETH_IO_L3_PROTO_IPV4:
		return L2_ETHER | L3_IPV4_EXT_UNKNOWN | (ctx->frag ? OUTER_L4(L4_FRAG) : l4);
	case ENA_ETH_IO_L3_PROTO_IPV6:
		return L2_ETHER | L3_IPV6_EXT_UNKNOWN | l4;
	default:
		return L2_ETHER;
	}
}

static void describe(const char *form, const u8 *raw)
{
	struct ena_eth_io_rx_cdesc_base cdesc;
	struct ena_com_rx_ctx ctx;
	u32 status;

	(void)form;
	memcpy(&cdesc, raw, sizeof(cdesc));
	status = le32toh(cdesc.status);
	/* ena_xdp_handle_buff: frames of one descriptor */
	if (!(status & ENA_ETH_IO_RX_CDESC_BASE_FIRST_MASK) || !(status & ENA_ETH_IO_RX_CDESC_BASE_LAST_MASK))
		return;
	ctx = rx_ctx(status, le32toh(cdesc.hash));

	set_rx_hash(&ctx);
	if (rx_checksum(&ctx) != CSUM_UNKNOWN)
		hint("csum_status", rx_checksum(&ctx));
	hint("ptype", rte_ptype(&ctx));
	hint("pkt_len", le16toh(cdesc.length));
	hint("rx_queue", (u16)beside(raw + sizeof(cdesc), 0));

	if (is_ipv4(&ctx) && !ctx.l3_csum_err)
		hint("ip_csum", CSUM_GOOD);
	hint("fragment", ctx.frag);
	hint("l3_proto", ctx.l3_proto);
	hint("l4_proto", ctx.l4_proto);
	hint("vlan_tags", (status & ENA_ETH_IO_RX_CDESC_BASE_SRC_VLAN_CNT_MASK) >>
			  ENA_ETH_IO_RX_CDESC_BASE_SRC_VLAN_CNT_SHIFT);
	hint("l3_csum2", !!(status & ENA_ETH_IO_RX_CDESC_BASE_L3_CSUM2_MASK));
	hint("req_id", le16toh(cdesc.req_id));
	hint("sub_qid", le16toh(cdesc.sub_qid));
	hint("buffer_offset", cdesc.offset);
}
