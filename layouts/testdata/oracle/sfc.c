/* SPDX-License-Identifier: MIT */
/*
 * sfc as Linux 6.12 reads it: drivers/net/ethernet/sfc/ef10_regs.h for the
 * prefix, rx_common.h efx_rx_buf_hash and ptp.c efx_rx_buf_timestamp_minor for
 * how it is read, net_driver.h for what the driver keeps of the event, rx.c
 * efx_rx_deliver for what it makes of that.
 */
#include "oracle.h"

#define ES_DZ_RX_PREFIX_HASH_OFST   0
#define ES_DZ_RX_PREFIX_VLAN1_OFST  4
#define ES_DZ_RX_PREFIX_VLAN2_OFST  6
#define ES_DZ_RX_PREFIX_TSTAMP_OFST 10
#define ES_DZ_RX_PREFIX_SIZE	    14

#define EFX_RX_PKT_CSUMMED    0x0002
#define EFX_RX_PKT_TCP	      0x0040
#define EFX_RX_PKT_CSUM_LEVEL 0x0200

enum efx_sync_events_state {
	SYNC_EVENTS_DISABLED, SYNC_EVENTS_QUIESCENT, SYNC_EVENTS_REQUESTED, SYNC_EVENTS_VALID,
};

/* The order in which the record has the driver's state. */
struct efx {
	u32 rx_prefix_size;
	u16 flags, len; /* of the efx_rx_buffer */
	u32 sync_events_state;
	u32 queue_index;
};

static u32 le32_at(const u8 *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static u16 le16_at(const u8 *p)
{
	u16 v;

	memcpy(&v, p, sizeof(v));
	return le16toh(v);
}

static void describe(const char *form, const u8 *raw)
{
	const u8 *eh = raw + 16; /* where the frame starts */
	struct efx efx = {
		.rx_prefix_size = beside(eh, 0), .flags = beside(eh, 1), .len = beside(eh, 2),
		.sync_events_state = beside(eh, 3), .queue_index = beside(eh, 4),
	};
	u32 rx_packet_hash_offset = ES_DZ_RX_PREFIX_HASH_OFST - efx.rx_prefix_size;
	u32 rx_packet_ts_offset = ES_DZ_RX_PREFIX_TSTAMP_OFST - efx.rx_prefix_size;

	(void)form;
	if (efx.rx_prefix_size != ES_DZ_RX_PREFIX_SIZE) /* efx_hunt_a0_nic_type and its like */
		return;

	if (le32_at(eh + (int)rx_packet_hash_offset))
		hint("rx_hash", le32_at(eh + (int)rx_packet_hash_offset));
	if (efx.flags & EFX_RX_PKT_CSUMMED) {
		hint("csum_status", CSUM_GOOD);
		hint("csum_level", !!(efx.flags & EFX_RX_PKT_CSUM_LEVEL));
	}
	hint("tcp", !!(efx.flags & EFX_RX_PKT_TCP));
	hint("pkt_len", efx.len);
	hint("rx_queue", (u16)efx.queue_index);
	if (efx.sync_events_state == SYNC_EVENTS_VALID) /* efx_rx_skb_attach_timestamp */
		hint("timestamp_minor", le32_at(eh + (int)rx_packet_ts_offset));
	hint("prefix_vlan1", le16_at(eh - ES_DZ_RX_PREFIX_SIZE + ES_DZ_RX_PREFIX_VLAN1_OFST));
	hint("prefix_vlan2", le16_at(eh - ES_DZ_RX_PREFIX_SIZE + ES_DZ_RX_PREFIX_VLAN2_OFST));
}
