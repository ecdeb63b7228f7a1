/* SPDX-License-Identifier: MIT */
/*
 * idpf as Linux 7.3 reads it: include/linux/net/intel/virtchnl2_lan_desc.h for the
 * descriptor, drivers/net/ethernet/intel/idpf/idpf_txrx.c idpf_rx_hash,
 * idpf_rx_splitq_extract_csum_bits, idpf_rx_csum and idpf_rx_hwtstamp, and
 * idpf_ptp.c idpf_ptp_tstamp_extend_32b_to_64b.
 */
#include "oracle.h"

struct virtchnl2_rx_flex_desc_adv_nic_3 {
	u8 rxdid_ucast;
	u8 status_err0_qw0;
	u16 ptype_err_fflags0;
	u16 pktlen_gen_bufq_id;
	u16 hdrlen_flags;
	u8 status_err0_qw1;
	u8 status_err1;
	u8 fflags1;
	u8 ts_low;
	u16 buf_id;
	u16 raw_cs; /* misc */
	u16 hash1;
	u8 hash2; /* ff2_mirrid_hash2 */
	u8 hash3;
	u16 l2tag2;
	u16 fmd4;
	u16 l2tag1;
	u16 fmd6;
	u32 ts_high;
};

#define VIRTCHNL2_RXDID_2_FLEX_SPLITQ		    2
#define VIRTCHNL2_RX_FLEX_DESC_ADV_RXDID_M	    GENMASK(3, 0)
#define VIRTCHNL2_RX_FLEX_DESC_ADV_UMBCAST_M	    GENMASK(7, 6)
#define VIRTCHNL2_RX_FLEX_DESC_ADV_PTYPE_M	    GENMASK(9, 0)
#define VIRTCHNL2_RX_FLEX_DESC_ADV_RAW_CSUM_INV_M   BIT(12)
#define VIRTCHNL2_RX_FLEX_DESC_ADV_LEN_PBUF_M	    GENMASK(13, 0)
#define VIRTCHNL2_RX_FLEX_DESC_ADV_LEN_HDR_M	    GENMASK(9, 0)
#define VIRTCHNL2_RX_FLEX_DESC_ADV_RSC_M	    BIT(10)
#define VIRTCHNL2_RX_FLEX_DESC_ADV_SPH_M	    BIT(11)
#define VIRTCHNL2_RX_FLEX_TSTAMP_VALID		    BIT(0)

/* status_err0_qw1 */
#define VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_EOF_M	BIT(1)
#define VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_HBO_M	BIT(2)
#define VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_L3L4P_M	BIT(3)
#define VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_XSUM_IPE_M	BIT(4)
#define VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_XSUM_L4E_M	BIT(5)
#define VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_XSUM_EIPE_M	BIT(6)
#define VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_XSUM_EUDPE_M BIT(7)

/* status_err0_qw0 */
#define VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_LPBK_M      BIT(0)
#define VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_IPV6EXADD_M BIT(1)
#define VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_RXE_M       BIT(2)
#define VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_CRCP_M      BIT(3)
#define VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_RSS_VALID_M BIT(4)

enum { LIBETH_RX_PT_OUTER_L2, LIBETH_RX_PT_OUTER_IPV4, LIBETH_RX_PT_OUTER_IPV6 };

/* rxq->rx_ptype_lkup[rx_ptype], in the order in which the record has its members, and what the queue has */
struct libeth_rx_pt {
	u32 outer_ip, outer_frag, inner_prot, payload_layer, hash_type;
};

struct rx_queue {
	bool ptp;
	u64 cached_phc_time;
	u16 queue_index;
};

/* idpf_rx_csum; an outer UDP checksum that is wrong, which it does not look at, is left unknown */
static enum csum_status rx_csum(const struct libeth_rx_pt *decoded, u8 qword0, u8 qword1)
{
	bool ipv4 = decoded->outer_ip == LIBETH_RX_PT_OUTER_IPV4, ipv6 = decoded->outer_ip == LIBETH_RX_PT_OUTER_IPV6;

	if (!decoded->inner_prot) /* libeth_rx_pt_has_checksum */
		return CSUM_UNKNOWN;
	if (!(qword1 & VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_L3L4P_M))
		return CSUM_UNKNOWN;
	if (ipv4 && (qword1 & (VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_XSUM_IPE_M |
			       VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_XSUM_EIPE_M)))
		return CSUM_BAD;
	if (ipv6 && (qword0 & VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_IPV6EXADD_M))
		return CSUM_UNKNOWN;
	if (qword1 & VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_XSUM_L4E_M)
		return CSUM_BAD;
	return qword1 & VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_XSUM_EUDPE_M ? CSUM_UNKNOWN : CSUM_GOOD;
}

/* idpf_ptp_tstamp_extend_32b_to_64b */
static u64 extend_32b_to_64b(u64 cached_phc_time, u32 in_timestamp)
{
	u32 phc_time_lo = cached_phc_time;
	u32 delta = in_timestamp - phc_time_lo;

	if (delta > UINT32_MAX / 2)
		return cached_phc_time - (u32)(phc_time_lo - in_timestamp);
	return cached_phc_time + delta;
}

static void describe(const char *form, const u8 *raw)
{
	struct virtchnl2_rx_flex_desc_adv_nic_3 d;
	const u8 *behind = raw + sizeof(d);
	struct libeth_rx_pt decoded = {
		.outer_ip = beside(behind, 0), .outer_frag = beside(behind, 1), .inner_prot = beside(behind, 2),
		.payload_layer = beside(behind, 3), .hash_type = beside(behind, 4),
	};
	struct rx_queue rxq = {
		.ptp = beside(behind, 5) & 1, .cached_phc_time = beside(behind, 6), .queue_index = beside(behind, 7),
	};
	enum csum_status csum;
	u8 qword0, qword1;
	u16 hdrlen_flags, ptype_err_fflags0;
	bool rsc;

	(void)form;
	memcpy(&d, raw, sizeof(d));
	qword0 = d.status_err0_qw0;
	qword1 = d.status_err0_qw1;
	hdrlen_flags = le16toh(d.hdrlen_flags);
	ptype_err_fflags0 = le16toh(d.ptype_err_fflags0);
	if ((d.rxdid_ucast & VIRTCHNL2_RX_FLEX_DESC_ADV_RXDID_M) != VIRTCHNL2_RXDID_2_FLEX_SPLITQ)
		return;
	if (!(qword1 & VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_EOF_M))
		return;

	if (qword0 & VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_RSS_VALID_M) {
		hint("rx_hash", le16toh(d.hash1) | (u32)d.hash2 << 16 | (u32)d.hash3 << 24);
		if (decoded.payload_layer) /* libeth_rx_pt_has_hash */
			hint("rx_hash_type", decoded.hash_type);
	}
	if (d.ts_low & VIRTCHNL2_RX_FLEX_TSTAMP_VALID) {
		hint("timestamp_low32", le32toh(d.ts_high));
		if (rxq.ptp && rxq.cached_phc_time) /* idpf_queue_has(PTP, rxq), and not before the clock was read */
			hint("rx_timestamp", extend_32b_to_64b(rxq.cached_phc_time, le32toh(d.ts_high)));
	}
	rsc = hdrlen_flags & VIRTCHNL2_RX_FLEX_DESC_ADV_RSC_M;
	csum = rsc ? CSUM_UNKNOWN : rx_csum(&decoded, qword0, qword1);
	if (csum)
		hint("csum_status", csum);
	if (!rsc && !(ptype_err_fflags0 & VIRTCHNL2_RX_FLEX_DESC_ADV_RAW_CSUM_INV_M))
		hint("raw_csum", htons(le16toh(d.raw_cs)));
	if (hdrlen_flags & VIRTCHNL2_RX_FLEX_DESC_ADV_SPH_M)
		hint("header_length", FIELD_GET(VIRTCHNL2_RX_FLEX_DESC_ADV_LEN_HDR_M, hdrlen_flags));
	else
		hint("pkt_len", FIELD_GET(VIRTCHNL2_RX_FLEX_DESC_ADV_LEN_PBUF_M, le16toh(d.pktlen_gen_bufq_id)));
	hint("rx_error", (qword0 & VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_RXE_M ? 1 : 0) |
			 (qword1 & VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_HBO_M ? 2 : 0));
	hint("rx_queue", rxq.queue_index);

	hint("packet_type", FIELD_GET(VIRTCHNL2_RX_FLEX_DESC_ADV_PTYPE_M, ptype_err_fflags0));
	if (decoded.payload_layer) {
		hint("ip_version", decoded.outer_ip);
		hint("layer4", decoded.inner_prot);
		hint("fragment", decoded.outer_frag);
	}
	hint("cast_class", FIELD_GET(VIRTCHNL2_RX_FLEX_DESC_ADV_UMBCAST_M, d.rxdid_ucast));
	hint("loopback", !!(qword0 & VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_LPBK_M));
	hint("crc_present", !!(qword0 & VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_CRCP_M));
	if (qword1 & VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_L3L4P_M) {
		hint("ipv6_ext", !!(qword0 & VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_IPV6EXADD_M));
		hint("ip_csum_errors", (qword1 & VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_XSUM_IPE_M ? 1 : 0) |
				       (qword1 & VIRTCHNL2_RX_FLEX_DESC_ADV_STATUS0_XSUM_EIPE_M ? 2 : 0));
	}
}
