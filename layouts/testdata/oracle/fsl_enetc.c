/* SPDX-License-Identifier: MIT */
/*
 * enetc as Linux 7.3 reads it: drivers/net/ethernet/freescale/enetc/enetc_hw.h for
 * the descriptor and its bits, enetc.c enetc_check_bd_errors_and_consume and
 * enetc_get_offloads.
 */
#include "oracle.h"

struct enetc_rx_bd { /* union enetc_rx_bd, r */
	u16 inet_csum;
	u16 parse_summary;
	u32 rss_hash;
	u16 buf_len;
	u16 vlan_opt;
	u32 lstatus; /* flags, error */
};

#define ENETC_RXBD_LSTATUS_R	  BIT(30)
#define ENETC_RXBD_LSTATUS_F	  BIT(31)
#define ENETC_RXBD_ERR_MASK	  0xff
#define ENETC_RXBD_LSTATUS(flags) ((flags) << 16)
#define ENETC_RXBD_FLAG_VLAN	  BIT(9)
#define ENETC_RXBD_FLAG_TSTMP	  BIT(10)
#define ENETC_RXBD_FLAG_TPID	  GENMASK(1, 0)
#define ETH_P_8021AD		  0x88A8

static void describe(const char *form, const u8 *raw)
{
	struct enetc_rx_bd bd;
	u32 lstatus;
	u16 flags;

	(void)form;
	memcpy(&bd, raw, sizeof(bd));
	lstatus = le32toh(bd.lstatus);
	flags = lstatus;
	if (!(lstatus & ENETC_RXBD_LSTATUS_R) || (lstatus & ENETC_RXBD_LSTATUS(ENETC_RXBD_ERR_MASK)))
		return;

	if (flags & ENETC_RXBD_FLAG_VLAN) {
		hint("vlan_tci", le16toh(bd.vlan_opt));
		switch (flags & ENETC_RXBD_FLAG_TPID) {
		case 0: hint("vlan_proto", htons(ETH_P_8021Q)); break;
		case 1: hint("vlan_proto", htons(ETH_P_8021AD)); break;
		}
	}
	if (lstatus & ENETC_RXBD_LSTATUS_F)
		hint("pkt_len", le16toh(bd.buf_len));
	hint("buffer_length", le16toh(bd.buf_len));
	hint("raw_csum", htons(le16toh(bd.inet_csum))); /* skb->csum is its complement */
	hint("raw_hash", le32toh(bd.rss_hash));
	hint("parse_summary", le16toh(bd.parse_summary));
	hint("timestamped", !!(flags & ENETC_RXBD_FLAG_TSTMP));
}
