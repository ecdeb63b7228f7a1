/* SPDX-License-Identifier: MIT */
/*
 * dpaa2-eth as Linux 6.12 reads it: drivers/net/ethernet/freescale/dpaa2/
 * dpaa2-eth.h for where the annotation has what, dpaa2-eth.c
 * dpaa2_eth_receive_skb for the timestamp.
 */
#include "oracle.h"

/* PTP nominal frequency 1GHz */
#define DPAA2_PTP_CLK_PERIOD_NS 1

#define DPAA2_TS_OFFSET 0x8

/* Accessors for the hardware annotation, without a software one as on receiving */
static const void *dpaa2_get_hwa(const void *buf_addr) { return buf_addr; }
static const void *dpaa2_get_ts(const void *buf_addr) { return (const u8 *)dpaa2_get_hwa(buf_addr) + DPAA2_TS_OFFSET; }

/* Of struct dpaa2_eth_priv and dpaa2_eth_fq, in the order of the record. */
struct dpaa2_eth_priv {
	bool rx_tstamp;
	u32 flowid;
};

static void describe(const char *form, const u8 *raw)
{
	const u8 *behind = raw + 16;
	struct dpaa2_eth_priv priv = { .rx_tstamp = beside(behind, 0) != 0, .flowid = beside(behind, 1) };
	u64 ts, ns;

	(void)form;
	memcpy(&ts, dpaa2_get_ts(raw), sizeof(ts));
	ns = DPAA2_PTP_CLK_PERIOD_NS * le64toh(ts);
	if (!ns) /* never stamped */
		return;
	if (priv.rx_tstamp)
		hint("rx_timestamp", ns);
	hint("rx_queue", (u16)priv.flowid); /* skb_record_rx_queue(skb, fq->flowid) */
}
