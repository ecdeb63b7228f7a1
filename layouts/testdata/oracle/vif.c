/* SPDX-License-Identifier: MIT */
/*
 * xen-netfront as Linux 6.12 reads it: include/xen/interface/io/netif.h for the
 * response, drivers/net/xen-netfront.c xennet_get_responses for what comes to a
 * program, xennet_poll for the checksum. Byte order is the machine's.
 */
#include "oracle.h"

struct xen_netif_rx_response {
	uint16_t id;
	uint16_t offset;
	uint16_t flags;
	int16_t status;
};

#define XEN_NETRXF_data_validated (1U << 0)
#define XEN_NETRXF_csum_blank	  (1U << 1)
#define XEN_NETRXF_more_data	  (1U << 2)
#define XEN_NETRXF_extra_info	  (1U << 3)

static void describe(const char *form, const u8 *raw)
{
	struct xen_netif_rx_response rx;

	(void)form;
	memcpy(&rx, raw, sizeof(rx));

	if (rx.status < 0) /* xennet_get_responses: goto next */
		return;
	if (rx.flags & XEN_NETRXF_more_data) /* "drop the frame" */
		return;
	if (rx.status == 0) /* no frame; a cleared slot */
		return;
	if (!(rx.flags & XEN_NETRXF_extra_info)) /* netfront_xdp_enabled: the backend sends the headroom of each */
		return;

	hint("csum_partial", !!(rx.flags & XEN_NETRXF_csum_blank));
	if (rx.flags & XEN_NETRXF_csum_blank)
		; /* CHECKSUM_PARTIAL */
	else if (rx.flags & XEN_NETRXF_data_validated)
		hint("csum_status", CSUM_GOOD); /* CHECKSUM_UNNECESSARY */
	hint("pkt_len", rx.status);
	hint("rx_queue", (u16)beside(raw + sizeof(rx), 0)); /* queue->id */
}
