/* SPDX-License-Identifier: MIT */
/*
 * tsnep as Linux 6.12 reads it: drivers/net/ethernet/engleder/tsnep_hw.h for
 * struct tsnep_rx_inline, tsnep_main.c tsnep_netdev_get_tstamp.
 */
#include "oracle.h"

struct tsnep_rx_inline {
	u64 counter;
	u64 timestamp;
};

static u64 netdev_get_tstamp(const struct tsnep_rx_inline *rx_inline, bool cycles)
{
	return le64toh(cycles ? rx_inline->counter : rx_inline->timestamp);
}

static void describe(const char *form, const u8 *raw)
{
	struct tsnep_rx_inline rx_inline;

	(void)form;
	memcpy(&rx_inline, raw, sizeof(rx_inline));
	if (!rx_inline.timestamp) /* written with every frame */
		return;
	hint("rx_timestamp", netdev_get_tstamp(&rx_inline, false));
	hint("cycles", netdev_get_tstamp(&rx_inline, true));
	hint("rx_queue", (u16)beside(raw + sizeof(rx_inline), 0)); /* skb_record_rx_queue */
}
