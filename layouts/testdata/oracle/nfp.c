/* SPDX-License-Identifier: MIT */
/*
 * nfp as Linux 6.12 reads it: drivers/net/ethernet/netronome/nfp/nfp_net.h and
 * nfp_net_ctrl.h for the numbers, nfd3/dp.c nfp_nfd3_rx, nfp_nfd3_parse_meta,
 * nfp_nfd3_rx_csum and nfp_net_dp.c nfp_net_vlan_strip for what is taken out of
 * descriptor and metadata, and in which order.
 */
#include "oracle.h"

#define PCIE_DESC_RX_DD		   BIT(7)
#define PCIE_DESC_RX_META_LEN_MASK GENMASK(6, 0)

#define PCIE_DESC_RX_I_IP4_CSUM	   BIT(14)
#define PCIE_DESC_RX_I_IP4_CSUM_OK BIT(13)
#define PCIE_DESC_RX_I_TCP_CSUM	   BIT(12)
#define PCIE_DESC_RX_I_TCP_CSUM_OK BIT(11)
#define PCIE_DESC_RX_I_UDP_CSUM	   BIT(10)
#define PCIE_DESC_RX_I_UDP_CSUM_OK BIT(9)
#define PCIE_DESC_RX_DECRYPTED	   BIT(8)
#define PCIE_DESC_RX_IP4_CSUM	   BIT(6)
#define PCIE_DESC_RX_IP4_CSUM_OK   BIT(5)
#define PCIE_DESC_RX_TCP_CSUM	   BIT(4)
#define PCIE_DESC_RX_TCP_CSUM_OK   BIT(3)
#define PCIE_DESC_RX_UDP_CSUM	   BIT(2)
#define PCIE_DESC_RX_UDP_CSUM_OK   BIT(1)
#define PCIE_DESC_RX_VLAN	   BIT(0)

#define __PCIE_DESC_RX_CSUM_ALL \
	(PCIE_DESC_RX_IP4_CSUM | PCIE_DESC_RX_TCP_CSUM | PCIE_DESC_RX_UDP_CSUM | PCIE_DESC_RX_I_IP4_CSUM | \
	 PCIE_DESC_RX_I_TCP_CSUM | PCIE_DESC_RX_I_UDP_CSUM)
#define __PCIE_DESC_RX_CSUM_ALL_OK \
	(PCIE_DESC_RX_IP4_CSUM_OK | PCIE_DESC_RX_TCP_CSUM_OK | PCIE_DESC_RX_UDP_CSUM_OK | \
	 PCIE_DESC_RX_I_IP4_CSUM_OK | PCIE_DESC_RX_I_TCP_CSUM_OK | PCIE_DESC_RX_I_UDP_CSUM_OK)
#define PCIE_DESC_RX_CSUM_OK_SHIFT 1

#define NFP_NET_META_FIELD_MASK 0xf
#define NFP_NET_META_FIELD_SIZE 4
enum {
	NFP_NET_META_HASH = 1, NFP_NET_META_MARK, NFP_NET_META_VLAN = 4, NFP_NET_META_PORTID, NFP_NET_META_CSUM,
	NFP_NET_META_CONN_HANDLE, NFP_NET_META_RESYNC_INFO, NFP_NET_META_IPSEC,
};

#define NFP_NET_META_VLAN_STRIP	    BIT(31)
#define NFP_NET_META_VLAN_TPID_MASK GENMASK(19, 16)
#define NFP_NET_META_VLAN_TCI_MASK  GENMASK(15, 0)

#define ETH_P_8021AD 0x88a8

enum { /* NFP_NET_RSS_* */
	RSS_NONE, RSS_IPV4, RSS_IPV6, RSS_IPV6_EX, RSS_IPV4_TCP, RSS_IPV6_TCP, RSS_IPV6_EX_TCP, RSS_IPV4_UDP,
	RSS_IPV6_UDP, RSS_IPV6_EX_UDP,
};

/* The order in which the record has what is beside the descriptor. */
enum {
	INFO, WORD1, FLAGS1, TCI1, WORD2, FLAGS2, TCI2, QUEUE,
};

struct nfp_meta_parsed {
	bool hash_there, mark_there, csum_there, ipsec_there, vlan_there, vlan_stripped;
	u32 hash, mark, csum, ipsec_saidx;
	u8 hash_type, vlan_tpid;
	u16 vlan_tci;
};

/* nfp_nfd3_parse_meta for two words. No field comes twice; of two, here the first is taken. */
static void parse_meta(struct nfp_meta_parsed *meta, const u8 *behind)
{
	u32 meta_info = beside(behind, INFO);
	int data;

	for (data = WORD1; data <= WORD2; data += WORD2 - WORD1) {
		u32 value = beside(behind, data), id = meta_info & NFP_NET_META_FIELD_MASK;
		u16 vlan_flags = beside(behind, data + 1); /* the same bytes in the driver */

		switch (id) {
		case NFP_NET_META_HASH:
			if (meta->hash_there)
				return;
			meta_info >>= NFP_NET_META_FIELD_SIZE;
			meta->hash_there = true;
			meta->hash_type = meta_info & NFP_NET_META_FIELD_MASK;
			meta->hash = value;
			break;
		case NFP_NET_META_MARK:
			if (!meta->mark_there)
				meta->mark = value;
			meta->mark_there = true;
			break;
		case NFP_NET_META_VLAN:
			if (meta->vlan_there)
				break;
			meta->vlan_there = true;
			meta->vlan_stripped = FIELD_GET(NFP_NET_META_VLAN_STRIP, (u32)vlan_flags << 16);
			meta->vlan_tpid = FIELD_GET(NFP_NET_META_VLAN_TPID_MASK, (u32)vlan_flags << 16);
			meta->vlan_tci = beside(behind, data + 2);
			break;
		case NFP_NET_META_PORTID:
			break;
		case NFP_NET_META_CSUM:
			if (!meta->csum_there)
				meta->csum = value;
			meta->csum_there = true;
			break;
		case NFP_NET_META_IPSEC:
			if (!meta->ipsec_there)
				meta->ipsec_saidx = value;
			meta->ipsec_there = true;
			break;
		default:
			return;
		}
		meta_info >>= NFP_NET_META_FIELD_SIZE;
	}
}

static u32 hash_type(u8 type)
{
	static const u32 l3[] = { XDP_RSS_L3_IPV4, XDP_RSS_L3_IPV6, XDP_RSS_L3_IPV6 | XDP_RSS_L3_DYNHDR };
	static const u32 l4[] = { 0, XDP_RSS_L4 | XDP_RSS_L4_TCP, XDP_RSS_L4 | XDP_RSS_L4_UDP };

	if (type == RSS_NONE || type > RSS_IPV6_EX_UDP)
		return 0;
	return l3[(type - 1) % 3] | l4[(type - 1) / 3];
}

static bool rx_csum_has_errors(u16 flags)
{
	u16 csum_all_checked = flags & __PCIE_DESC_RX_CSUM_ALL;
	u16 csum_all_ok = flags & __PCIE_DESC_RX_CSUM_ALL_OK;

	return csum_all_checked != csum_all_ok << PCIE_DESC_RX_CSUM_OK_SHIFT;
}

static enum csum_status rx_csum(const struct nfp_meta_parsed *meta, u16 flags)
{
	if (meta->csum_there)
		return CSUM_COMPLETE;
	if (rx_csum_has_errors(flags))
		return CSUM_BAD;
	if (flags & (PCIE_DESC_RX_TCP_CSUM_OK | PCIE_DESC_RX_UDP_CSUM_OK | PCIE_DESC_RX_I_TCP_CSUM_OK |
		     PCIE_DESC_RX_I_UDP_CSUM_OK))
		return CSUM_GOOD;
	return CSUM_UNKNOWN;
}

/* nfp_net_vlan_strip */
static void vlan_strip(const struct nfp_meta_parsed *meta, u16 flags, u16 vlan)
{
	if (flags & PCIE_DESC_RX_VLAN) {
		hint("vlan_tci", vlan);
		hint("vlan_proto", htons(ETH_P_8021Q));
	} else if (meta->vlan_stripped) {
		hint("vlan_tci", meta->vlan_tci);
		if (meta->vlan_tpid <= 1) /* others are dropped behind XDP */
			hint("vlan_proto", htons(meta->vlan_tpid ? ETH_P_8021AD : ETH_P_8021Q));
	}
}

/* One of the checksums alone. */
static enum csum_status part(u16 flags, u16 checked, u16 ok)
{
	if (!(flags & checked) != !(flags & ok))
		return CSUM_BAD;
	return flags & ok ? CSUM_GOOD : CSUM_UNKNOWN;
}

static void describe(const char *form, const u8 *raw)
{
	const u8 *behind = raw + 8;
	struct nfp_meta_parsed meta = { 0 };
	enum csum_status ip, tcp, udp;
	u16 data_len, meta_len, flags, vlan;

	(void)form;
	if (!(raw[3] & PCIE_DESC_RX_DD))
		return;
	memcpy(&data_len, raw, sizeof(data_len));
	data_len = le16toh(data_len);
	meta_len = raw[3] & PCIE_DESC_RX_META_LEN_MASK;
	memcpy(&flags, raw + 4, sizeof(flags));
	memcpy(&vlan, raw + 6, sizeof(vlan));
	flags = le16toh(flags);
	vlan = le16toh(vlan);
	if (meta_len) /* of firmware with dp->chained_metadata_format */
		parse_meta(&meta, behind);

	if (meta.hash_there) {
		hint("rx_hash", meta.hash);
		if (hash_type(meta.hash_type))
			hint("rx_hash_type", hash_type(meta.hash_type));
	}
	vlan_strip(&meta, flags, vlan);
	if (rx_csum(&meta, flags))
		hint("csum_status", rx_csum(&meta, flags));
	if (meta.csum_there)
		hint("csum", htonl(meta.csum)); /* read from the metadata as it lies there */
	if (meta.mark_there)
		hint("flow_mark", meta.mark);
	hint("data_len", data_len);
	hint("meta_len", meta_len);
	hint("rx_queue", (u16)beside(behind, QUEUE));

	ip = part(flags, PCIE_DESC_RX_IP4_CSUM, PCIE_DESC_RX_IP4_CSUM_OK);
	if (ip)
		hint("ip_csum", ip);
	tcp = part(flags, PCIE_DESC_RX_I_TCP_CSUM, PCIE_DESC_RX_I_TCP_CSUM_OK);
	udp = part(flags, PCIE_DESC_RX_I_UDP_CSUM, PCIE_DESC_RX_I_UDP_CSUM_OK);
	if (tcp == CSUM_BAD || udp == CSUM_BAD)
		hint("inner_csum", CSUM_BAD);
	else if (tcp || udp)
		hint("inner_csum", CSUM_GOOD);
	hint("decrypted", !!(flags & PCIE_DESC_RX_DECRYPTED));
	if (meta.ipsec_there)
		hint("ipsec_sa", meta.ipsec_saidx);
}
