/* SPDX-License-Identifier: MIT */
/*
 * mvneta as Linux 6.12 reads it: drivers/net/ethernet/marvell/mvneta.c
 * mvneta_rx_swbm, mvneta_rx_error, mvneta_swbm_rx_frame and mvneta_rx_csum.
 */
#include "oracle.h"

/* The members that are read, in the order of the record. */
struct mvneta_rx_desc {
	u32 status;    /* Info about received packet */
	u16 data_size; /* Size of received packet in bytes */
};

#define MVNETA_RXD_ERR_CRC	    0x0
#define MVNETA_RXD_ERR_SUMMARY	    BIT(16)
#define MVNETA_RXD_ERR_OVERRUN	    BIT(17)
#define MVNETA_RXD_ERR_LEN	    BIT(18)
#define MVNETA_RXD_ERR_RESOURCE	    (BIT(17) | BIT(18))
#define MVNETA_RXD_ERR_CODE_MASK    (BIT(17) | BIT(18))
#define MVNETA_RXD_L3_IP4	    BIT(25)
#define MVNETA_RXD_LAST_DESC	    BIT(26)
#define MVNETA_RXD_FIRST_DESC	    BIT(27)
#define MVNETA_RXD_FIRST_LAST_DESC  (MVNETA_RXD_FIRST_DESC | MVNETA_RXD_LAST_DESC)
#define MVNETA_RXD_L4_CSUM_OK	    BIT(30)

#define MVNETA_MH_SIZE 2
#define ETH_FCS_LEN    4

/* mvneta_rx_error, in the order of its cases; 0 is no error */
static int rx_error(u32 status)
{
	if (!(status & MVNETA_RXD_ERR_SUMMARY))
		return 0;
	switch (status & MVNETA_RXD_ERR_CODE_MASK) {
	case MVNETA_RXD_ERR_CRC:     return 1;
	case MVNETA_RXD_ERR_OVERRUN: return 2;
	case MVNETA_RXD_ERR_LEN:     return 3;
	default:		     return 4; /* MVNETA_RXD_ERR_RESOURCE */
	}
}

static void describe(const char *form, const u8 *raw)
{
	struct mvneta_rx_desc rx_desc = { .status = beside(raw, 0), .data_size = beside(raw, 1) };
	u32 rx_status;
	int data_len;

	(void)form;
	rx_status = rx_desc.status;

	/* FIRST in a descriptor before: its status and size are not in this one */
	if ((rx_status & MVNETA_RXD_FIRST_LAST_DESC) != MVNETA_RXD_FIRST_LAST_DESC)
		return;

	hint("rx_error", rx_error(rx_status));
	data_len = -MVNETA_MH_SIZE;
	data_len += rx_desc.data_size - ETH_FCS_LEN;
	if (data_len >= 0)
		hint("pkt_len", data_len);
	if ((rx_status & MVNETA_RXD_L3_IP4) && (rx_status & MVNETA_RXD_L4_CSUM_OK))
		hint("csum_status", CSUM_GOOD);
	hint("rx_queue", (u16)beside(raw, 2)); /* __xdp_rxq_info_reg */
}
