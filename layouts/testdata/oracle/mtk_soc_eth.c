/* SPDX-License-Identifier: MIT */
/*
 * mtk_eth_soc as Linux 6.12 reads it: drivers/net/ethernet/mediatek
 * mtk_eth_soc.h for the numbers, mtk_eth_soc.c mtk_poll_rx for what is taken out
 * of a descriptor, mt7986_data and mt7988_data for what depends on the SoC.
 */
#include "oracle.h"

struct mtk_rx_dma_v2 { /* of which struct mtk_rx_dma is the first half */
	u32 rxd1;
	u32 rxd2;
	u32 rxd3;
	u32 rxd4;
	u32 rxd5;
	u32 rxd6;
	u32 rxd7;
	u32 rxd8;
};

#define RX_DMA_DONE	   BIT(31)
#define RX_DMA_SPECIAL_TAG BIT(22)
#define RX_DMA_L4_VALID_V2 BIT(2)

#define MTK_RXD4_FOE_ENTRY	GENMASK(13, 0)
#define MTK_RXD4_PPE_CPU_REASON GENMASK(18, 14)
#define MTK_RXD5_FOE_ENTRY	GENMASK(14, 0)
#define MTK_RXD5_PPE_CPU_REASON GENMASK(22, 18)

#define RX_DMA_GET_SPORT(x)    (((x) >> 19) & 0x7)
#define RX_DMA_GET_SPORT_V2(x) (((x) >> 26) & 0xf)

#define MTK_TX_DMA_BUF_LEN    0x3fff
#define MTK_TX_DMA_BUF_LEN_V2 0xffff

struct mtk_soc_data {
	u8 version;
	u32 desc_size;
	u32 dma_max_len;
	u32 dma_len_offset;
};

static const struct mtk_soc_data mt7986_data = { 2, 16, MTK_TX_DMA_BUF_LEN, 16 };
static const struct mtk_soc_data mt7988_data = { 3, 32, MTK_TX_DMA_BUF_LEN_V2, 8 };

static void describe(const char *form, const u8 *raw)
{
	const struct mtk_soc_data *soc = !strcmp(form, "rxd") ? &mt7986_data : &mt7988_data;
	struct mtk_rx_dma_v2 trxd = { 0 };
	u32 words[8] = { 0 }, hash, reason;
	int i;

	memcpy(words, raw, soc->desc_size);
	for (i = 0; i < 8; i++) /* a little endian machine's */
		words[i] = le32toh(words[i]);
	memcpy(&trxd, words, sizeof(trxd));
	if (!(trxd.rxd2 & RX_DMA_DONE))
		return;

	if (soc->version >= 3) { /* mtk_is_netsys_v3_or_greater */
		reason = FIELD_GET(MTK_RXD5_PPE_CPU_REASON, trxd.rxd5);
		hash = trxd.rxd5 & MTK_RXD5_FOE_ENTRY;
		if (hash != MTK_RXD5_FOE_ENTRY)
			hint("foe_entry", hash);
		hint("gmac", RX_DMA_GET_SPORT_V2(trxd.rxd5));
		if (trxd.rxd3 & RX_DMA_L4_VALID_V2)
			hint("csum_status", CSUM_GOOD);
	} else {
		reason = FIELD_GET(MTK_RXD4_PPE_CPU_REASON, trxd.rxd4);
		hash = trxd.rxd4 & MTK_RXD4_FOE_ENTRY;
		if (hash != MTK_RXD4_FOE_ENTRY)
			hint("foe_entry", hash);
		if (!(trxd.rxd4 & RX_DMA_SPECIAL_TAG))
			hint("gmac", RX_DMA_GET_SPORT(trxd.rxd4));
	}
	hint("cpu_reason", reason);
	hint("pkt_len", (trxd.rxd2 >> soc->dma_len_offset) & soc->dma_max_len); /* RX_DMA_GET_PLEN0 */
	hint("rx_queue", (u16)beside(raw + soc->desc_size, 0));
}
