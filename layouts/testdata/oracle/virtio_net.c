/* SPDX-License-Identifier: MIT */
/*
 * virtio_net as Linux 6.12 reads it: include/uapi/linux/virtio_net.h for the
 * header, drivers/net/virtio_net.c virtnet_xdp_rx_hash, virtnet_receive_done and
 * receive_mergeable_xdp for what is taken out of it. Packet types: DPDK 22.11
 * lib/mbuf/rte_mbuf_ptype.h.
 */
#include "oracle.h"

struct virtio_net_hdr_v1_hash {
	u8 flags;
	u8 gso_type;
	u16 hdr_len;
	u16 gso_size;
	u16 csum_start;
	u16 csum_offset;
	u16 num_buffers;
	u32 hash_value;
	u16 hash_report;
	u16 padding;
};

#define VIRTIO_NET_HDR_F_NEEDS_CSUM 1
#define VIRTIO_NET_HDR_F_DATA_VALID 2

#define VIRTIO_F_VERSION_1 32

enum {
	VIRTIO_NET_HASH_REPORT_NONE, VIRTIO_NET_HASH_REPORT_IPv4, VIRTIO_NET_HASH_REPORT_TCPv4,
	VIRTIO_NET_HASH_REPORT_UDPv4, VIRTIO_NET_HASH_REPORT_IPv6, VIRTIO_NET_HASH_REPORT_TCPv6,
	VIRTIO_NET_HASH_REPORT_UDPv6, VIRTIO_NET_HASH_REPORT_IPv6_EX, VIRTIO_NET_HASH_REPORT_TCPv6_EX,
	VIRTIO_NET_HASH_REPORT_UDPv6_EX, VIRTIO_NET_HASH_REPORT_MAX_TABLE
};

/* The order in which the record has the driver's state. */
struct virtnet_info {
	u64 hdr_len;	 /* the u8, as a number */
	bool mergeable_rx_bufs;
	u64 features;	 /* of the virtio_device */
	u32 queue_index; /* of the xdp_rxq_info */
};

/* virtnet_xdp_rss_type */
static u32 rss_type(u16 report)
{
	static const u32 l3[] = { XDP_RSS_L3_IPV4, XDP_RSS_L3_IPV6, XDP_RSS_L3_IPV6 | XDP_RSS_L3_DYNHDR };
	static const u32 l4[] = { 0, XDP_RSS_L4 | XDP_RSS_L4_TCP, XDP_RSS_L4 | XDP_RSS_L4_UDP };

	if (report == VIRTIO_NET_HASH_REPORT_NONE || report >= VIRTIO_NET_HASH_REPORT_MAX_TABLE)
		return 0; /* XDP_RSS_TYPE_NONE */
	return l3[(report - 1) / 3] | l4[(report - 1) % 3];
}

/* The headers the hash was computed of. */
static u32 rte_ptype(u16 report)
{
	switch (report) {
	case VIRTIO_NET_HASH_REPORT_IPv4:
		return L2_ETHER | L3_IPV4_EXT_UNKNOWN;
	case VIRTIO_NET_HASH_REPORT_TCPv4:
		return L2_ETHER | L3_IPV4_EXT_UNKNOWN | OUTER_L4(L4_TCP);
	case VIRTIO_NET_HASH_REPORT_UDPv4:
		return L2_ETHER | L3_IPV4_EXT_UNKNOWN | OUTER_L4(L4_UDP);
	case VIRTIO_NET_HASH_REPORT_IPv6:
	case VIRTIO_NET_HASH_REPORT_IPv6_EX:
		return L2_ETHER | L3_IPV6_EXT_UNKNOWN;
	case VIRTIO_NET_HASH_REPORT_TCPv6:
	case VIRTIO_NET_HASH_REPORT_TCPv6_EX:
		return L2_ETHER | L3_IPV6_EXT_UNKNOWN | OUTER_L4(L4_TCP);
	case VIRTIO_NET_HASH_REPORT_UDPv6:
	case VIRTIO_NET_HASH_REPORT_UDPv6_EX:
		return L2_ETHER | L3_IPV6_EXT_UNKNOWN | OUTER_L4(L4_UDP);
	}
	return 0;
}

static void describe(const char *form, const u8 *raw)
{
	struct virtio_net_hdr_v1_hash hdr;
	struct virtnet_info vi = {
		.hdr_len = beside(raw + sizeof(hdr), 0), .mergeable_rx_bufs = beside(raw + sizeof(hdr), 1),
		.features = beside(raw + sizeof(hdr), 2), .queue_index = beside(raw + sizeof(hdr), 3),
	};
	u16 report;

	(void)form;
	memcpy(&hdr, raw, sizeof(hdr));
	if (!vi.hdr_len) /* not after virtnet_probe */
		return;
	/* what virtnet_probe takes for VIRTIO_NET_F_HASH_REPORT, in 6.18 also struct virtio_net_hdr_v1_hash_tunnel */
	if (vi.hdr_len == sizeof(struct virtio_net_hdr_v1_hash) || vi.hdr_len == 24) {
		report = le16toh(hdr.hash_report);
		if (report != VIRTIO_NET_HASH_REPORT_NONE)
			hint("rx_hash", le32toh(hdr.hash_value));
		if (rss_type(report))
			hint("rx_hash_type", rss_type(report));
		if (rte_ptype(report))
			hint("ptype", rte_ptype(report));
	}
	if (hdr.flags & VIRTIO_NET_HDR_F_DATA_VALID) /* CHECKSUM_UNNECESSARY */
		hint("csum_status", CSUM_GOOD);
	hint("csum_partial", hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
	/* virtio16_to_cpu(vi->vdev, hdr->num_buffers), whose order is the machine's with a legacy device */
	if (vi.mergeable_rx_bufs && (vi.features & BIT(VIRTIO_F_VERSION_1)))
		hint("num_buffers", le16toh(hdr.num_buffers));
	hint("rx_queue", (u16)vi.queue_index);
}
