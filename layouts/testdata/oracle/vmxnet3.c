/* SPDX-License-Identifier: MIT */
/*
 * vmxnet3 as Linux 6.12 reads it: drivers/net/vmxnet3/vmxnet3_defs.h for the
 * numbers, vmxnet3_drv.c vmxnet3_rq_rx_complete and vmxnet3_rx_csum for what is
 * asked in which order. Packet types: DPDK 22.11
 * drivers/net/vmxnet3/vmxnet3_rxtx.c vmxnet3_rx_offload.
 */
#include "oracle.h"

struct Vmxnet3_RxCompDesc {
	u32 rxdIdx : 12;  /* Index of the RxDesc */
	u32 ext1 : 2;	  /* v4/v6/.. or rssType are of the inner header */
	u32 eop : 1;	  /* End of Packet */
	u32 sop : 1;	  /* Start of Packet */
	u32 rqID : 10;	  /* rx queue/ring ID */
	u32 rssType : 4;  /* RSS hash type used */
	u32 cnc : 1;	  /* Checksum Not Calculated */
	u32 ext2 : 1;

	u32 rssHash;	  /* RSS hash value */

	u32 len : 14;	  /* data length */
	u32 err : 1;	  /* Error */
	u32 ts : 1;	  /* Tag is stripped */
	u32 tci : 16;	  /* Tag stripped */

	u32 csum : 16;
	u32 tuc : 1;	  /* TCP/UDP Checksum Correct */
	u32 udp : 1;	  /* UDP packet */
	u32 tcp : 1;	  /* TCP packet */
	u32 ipc : 1;	  /* IP Checksum Correct */
	u32 v6 : 1;	  /* IPv6 */
	u32 v4 : 1;	  /* IPv4 */
	u32 frg : 1;	  /* IP Fragment */
	u32 fcs : 1;	  /* Frame CRC correct */
	u32 type : 7;	  /* completion type */
	u32 gen : 1;	  /* generation bit */
};

/* accessing all cmd/completion descriptors */
union Vmxnet3_GenericDesc {
	u32 dword[4];
	struct Vmxnet3_RxCompDesc rcd;
};

#define VMXNET3_RCD_HDR_INNER_SHIFT 13
#define VMXNET3_RCD_TUC_SHIFT	    16
#define VMXNET3_RCD_IPC_SHIFT	    19
#define VMXNET3_RCD_CSUM_OK	    (1 << VMXNET3_RCD_TUC_SHIFT | 1 << VMXNET3_RCD_IPC_SHIFT)

#define VMXNET3_CDTYPE_RXCOMP_LRO 4 /* Rx Completion Descriptor for LRO */

enum {
	VMXNET3_RCD_RSS_TYPE_NONE, VMXNET3_RCD_RSS_TYPE_IPV4, VMXNET3_RCD_RSS_TYPE_TCPIPV4,
	VMXNET3_RCD_RSS_TYPE_IPV6, VMXNET3_RCD_RSS_TYPE_TCPIPV6, VMXNET3_RCD_RSS_TYPE_UDPIPV4,
	VMXNET3_RCD_RSS_TYPE_UDPIPV6, VMXNET3_RCD_RSS_TYPE_ESPIPV4, VMXNET3_RCD_RSS_TYPE_ESPIPV6,
};

/* enum xdp_rss_hash_type; 0: none, or not known to the driver */
static u32 hash_type(u32 rssType)
{
	switch (rssType) {
	case VMXNET3_RCD_RSS_TYPE_IPV4:	   return XDP_RSS_L3_IPV4;
	case VMXNET3_RCD_RSS_TYPE_TCPIPV4: return XDP_RSS_L3_IPV4 | XDP_RSS_L4 | XDP_RSS_L4_TCP;
	case VMXNET3_RCD_RSS_TYPE_UDPIPV4: return XDP_RSS_L3_IPV4 | XDP_RSS_L4 | XDP_RSS_L4_UDP;
	case VMXNET3_RCD_RSS_TYPE_ESPIPV4: return XDP_RSS_L3_IPV4 | XDP_RSS_L4 | XDP_RSS_L4_IPSEC;
	case VMXNET3_RCD_RSS_TYPE_IPV6:	   return XDP_RSS_L3_IPV6;
	case VMXNET3_RCD_RSS_TYPE_TCPIPV6: return XDP_RSS_L3_IPV6 | XDP_RSS_L4 | XDP_RSS_L4_TCP;
	case VMXNET3_RCD_RSS_TYPE_UDPIPV6: return XDP_RSS_L3_IPV6 | XDP_RSS_L4 | XDP_RSS_L4_UDP;
	case VMXNET3_RCD_RSS_TYPE_ESPIPV6: return XDP_RSS_L3_IPV6 | XDP_RSS_L4 | XDP_RSS_L4_IPSEC;
	default: return 0;
	}
}

/*
 * vmxnet3_rx_offload, for an entry with both SOP and EOP. It calls a good packet
 * that is not TCP UDP; here the udp bit is asked. Fragments it does not know.
 */
static u32 rte_ptype(const struct Vmxnet3_RxCompDesc *rcd)
{
	u32 l3, l4 = rcd->frg ? L4_FRAG : rcd->tcp ? L4_TCP : rcd->udp ? L4_UDP : 0;

	if (rcd->v4)
		l3 = L3_IPV4_EXT_UNKNOWN;
	else if (rcd->v6)
		l3 = L3_IPV6_EXT_UNKNOWN;
	else
		return L2_ETHER;
	return L2_ETHER | l3 | OUTER_L4(l4);
}

/* vmxnet3_rx_csum */
static void rx_csum(const union Vmxnet3_GenericDesc *gdesc)
{
	if (gdesc->rcd.cnc)
		return;
	if (gdesc->rcd.v4 && (le32toh(gdesc->dword[3]) & VMXNET3_RCD_CSUM_OK) == VMXNET3_RCD_CSUM_OK)
		hint("csum_status", CSUM_GOOD);
	else if (gdesc->rcd.v6 && (le32toh(gdesc->dword[3]) & (1 << VMXNET3_RCD_TUC_SHIFT)))
		hint("csum_status", CSUM_GOOD);
	else if (gdesc->rcd.csum)
		hint("raw_csum", htons(gdesc->rcd.csum));

	if (gdesc->rcd.v4 && gdesc->rcd.ipc)
		hint("ip_csum", CSUM_GOOD);
}

static void describe(const char *form, const u8 *raw)
{
	union Vmxnet3_GenericDesc gdesc;
	const struct Vmxnet3_RxCompDesc *rcd = &gdesc.rcd;
	bool inner;
	int i;

	(void)form;
	memcpy(&gdesc, raw, sizeof(gdesc));
	for (i = 0; i < 4; i++) /* the fields are a little endian host's, as the driver's copy of an entry is */
		gdesc.dword[i] = le32toh(gdesc.dword[i]);

	/* XDP: rcd->sop && rcd->eop, and LRO turned off */
	if (!rcd->sop || !rcd->eop || rcd->type == VMXNET3_CDTYPE_RXCOMP_LRO)
		return;

	if (rcd->rssType != VMXNET3_RCD_RSS_TYPE_NONE) {
		hint("rx_hash", rcd->rssHash);
		hint("inner_hash", gdesc.dword[0] >> (VMXNET3_RCD_HDR_INNER_SHIFT - 1) & 1);
	}
	if (hash_type(rcd->rssType))
		hint("rx_hash_type", hash_type(rcd->rssType));
	if (rcd->ts) {
		hint("vlan_tci", rcd->tci);
		hint("vlan_proto", htons(ETH_P_8021Q));
	}
	if (!rcd->ext1)
		hint("ptype", rte_ptype(rcd));
	rx_csum(&gdesc);
	hint("pkt_len", rcd->len);
	hint("rx_error", rcd->err);

	inner = gdesc.dword[0] & (1UL << VMXNET3_RCD_HDR_INNER_SHIFT);
	hint("inner_headers", inner);
	hint("fragment", rcd->frg);
	hint("fcs_ok", rcd->fcs);
	hint("ring_id", rcd->rqID);
	hint("buffer_index", rcd->rxdIdx);
	hint("rx_queue", (u16)beside(raw + sizeof(gdesc), 0)); /* skb_record_rx_queue(skb, rq->qid) */
}
