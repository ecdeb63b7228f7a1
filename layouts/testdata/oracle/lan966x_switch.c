/* SPDX-License-Identifier: MIT */
/*
 * lan966x as Linux 6.12 reads it: drivers/net/ethernet/microchip/lan966x
 * lan966x_ifh.h for positions and widths, lan966x_main.c lan966x_ifh_get for how
 * a field is taken out of the header, lan966x_ptp.c lan966x_ptp_rxtstamp.
 */
#include "oracle.h"

#define IFH_LEN_BYTES 28

#define IFH_POS_TIMESTAMP   192
#define IFH_POS_LEN	    178
#define IFH_POS_HAS_RED_TAG 174
#define IFH_POS_DSCP	    151
#define IFH_POS_DP	    150
#define IFH_POS_ETYPE_OFS   145
#define IFH_POS_SRCPORT	    141
#define IFH_POS_SEQ_NUM	    120
#define IFH_POS_TCI	    103
#define IFH_POS_QOS_CLASS   100
#define IFH_POS_CPUQ	    92
#define IFH_POS_SFLOW_ID    86
#define IFH_POS_ACL_HIT	    85
#define IFH_POS_ACL_IDX	    79
#define IFH_POS_ISDX	    71

#define IFH_WID_TIMESTAMP   32
#define IFH_WID_LEN	    14
#define IFH_WID_HAS_RED_TAG 1
#define IFH_WID_DSCP	    6
#define IFH_WID_DP	    1
#define IFH_WID_ETYPE_OFS   2
#define IFH_WID_SRCPORT	    4
#define IFH_WID_SEQ_NUM	    16
#define IFH_WID_TCI	    17
#define IFH_WID_QOS_CLASS   3
#define IFH_WID_CPUQ	    8
#define IFH_WID_SFLOW_ID    4
#define IFH_WID_ACL_HIT	    1
#define IFH_WID_ACL_IDX	    6
#define IFH_WID_ISDX	    8

static u64 lan966x_ifh_get(const u8 *ifh, size_t pos, size_t length)
{
	u64 val = 0;
	size_t i;

	for (i = 0; i < length; i++) {
		size_t j = pos + i;

		if (ifh[IFH_LEN_BYTES - (j / 8) - 1] & (1 << j % 8))
			val |= 1ULL << i;
	}
	return val;
}

#define IFH_GET(name) lan966x_ifh_get(ifh, IFH_POS_##name, IFH_WID_##name)

static void describe(const char *form, const u8 *ifh)
{
	(void)form;
	if (!IFH_GET(LEN))
		return;
	hint("pkt_len", IFH_GET(LEN));
	hint("rx_queue", (u16)beside(ifh + IFH_LEN_BYTES, 0));
	hint("timestamp_ns", IFH_GET(TIMESTAMP) >> 2); /* Drop the sub-ns precision */
	hint("chip_port", IFH_GET(SRCPORT));
	/* Stagd flag and classified TCI of frame (PCP/DEI/VID) */
	hint("classified_tci", IFH_GET(TCI) & 0xffff);
	hint("classified_stag", IFH_GET(TCI) >> 16);
	hint("qos_class", IFH_GET(QOS_CLASS));
	hint("dscp", IFH_GET(DSCP));
	hint("yellow", IFH_GET(DP));
	hint("tags", IFH_GET(ETYPE_OFS));
	hint("cpu_queues", IFH_GET(CPUQ));
	if (IFH_GET(HAS_RED_TAG))
		hint("redundancy_seq", IFH_GET(SEQ_NUM));
	if (IFH_GET(SFLOW_ID) != 15) /* 15: No sampling */
		hint("sflow", IFH_GET(SFLOW_ID));
	if (IFH_GET(ACL_HIT))
		hint("acl_index", IFH_GET(ACL_IDX));
	hint("isdx", IFH_GET(ISDX));
}
