/* SPDX-License-Identifier: MIT */
/*
 * netsec as Linux 6.12 reads it: drivers/net/ethernet/socionext/netsec.c
 * netsec_process_rx, and netsec_set_rx_de for what an unused descriptor is.
 */
#include "oracle.h"

struct netsec_de {
	u32 attr;
	u32 data_buf_addr_up;
	u32 data_buf_addr_lw;
	u32 buf_len_info;
};

#define NETSEC_RX_PKT_OWN_FIELD 31
#define NETSEC_RX_PKT_ER_FIELD	21
#define NETSEC_RX_PKT_ERR_FIELD 16
#define NETSEC_RX_PKT_CO_FIELD	6

#define NETSEC_RX_PKT_ERR_MASK 3

#define NETSEC_RX_CKSUM_OK 1
#define NETSEC_RX_CKSUM_NG 2

static void describe(const char *form, const u8 *raw)
{
	struct netsec_de de;
	int err_code, rx_cksum_result;
	bool err_flag;
	u16 pkt_len;

	(void)form;
	memcpy(&de, raw, sizeof(de));
	de.attr = le32toh(de.attr);
	de.buf_len_info = le32toh(de.buf_len_info);

	if (de.attr & (1U << NETSEC_RX_PKT_OWN_FIELD))
		return;
	pkt_len = de.buf_len_info >> 16;
	if (!pkt_len) /* as netsec_set_rx_de leaves it */
		return;
	hint("pkt_len", pkt_len);

	err_code = (de.attr >> NETSEC_RX_PKT_ERR_FIELD) & NETSEC_RX_PKT_ERR_MASK;
	err_flag = (de.attr >> NETSEC_RX_PKT_ER_FIELD) & 1;
	hint("rx_error", err_flag);
	if (err_flag)
		hint("error_code", err_code);

	rx_cksum_result = (de.attr >> NETSEC_RX_PKT_CO_FIELD) & 3;
	switch (rx_cksum_result) {
	case NETSEC_RX_CKSUM_OK: hint("csum_status", CSUM_GOOD); break;
	case NETSEC_RX_CKSUM_NG: hint("csum_status", CSUM_BAD); break;
	}
	hint("rx_queue", (u16)beside(raw + sizeof(de), 0)); /* xdp_rxq_info_reg */
}
