/* virtio_net: struct virtio_net_hdr_v1_hash is in the buffer before the packet
 * (virtnet_xdp_rx_hash in drivers/net/virtio_net.c, 6.12). The device fills in the
 * hash only where VIRTIO_NET_F_HASH_REPORT was agreed on, which that function does
 * not ask. */
#include "walk.h"

struct virtnet_info {
	_Bool has_rss_hash_report;
	__u8 hdr_len;
} KERNEL;

static __always_inline __u32 hash_type(__u32 report)
{
	switch (report) {
	case 1: return IPV4;
	case 2: return IPV4 | TCP;
	case 3: return IPV4 | UDP;
	case 4: return IPV6;
	case 5: return IPV6 | TCP;
	case 6: return IPV6 | UDP;
	case 7: return IPV6 | HINTJIT_RSS_L3_DYNHDR;
	case 8: return IPV6 | HINTJIT_RSS_L3_DYNHDR | TCP;
	case 9: return IPV6 | HINTJIT_RSS_L3_DYNHDR | UDP;
	}
	return 0;
}

SEC("xdp")
int record(struct xdp_md *ctx)
{
	struct xdp_buff *xdp = bpf_cast_to_kern_ctx(ctx);
	struct virtnet_info *info = RAW((char *)xdp->rxq->dev + OFFSET(struct net_device, priv));
	__u32 header = info->hdr_len, report = info->has_rss_hash_report;
	__u32 *d = RAW((__u64)xdp->data - header);
	__u32 hash = d[3], type = d[4] & 0xffff;
	struct record *r = record_of(ctx);

	if (!r)
		return XDP_PASS;
	r->seen += 1;
	r->exists = RX_HASH | RX_HASH_TYPE;
	if (report && header >= 20 && hash_type(type)) {
		GIVE(r, rx_hash, hash);
		GIVE(r, rx_hash_type, hash_type(type));
	}
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
