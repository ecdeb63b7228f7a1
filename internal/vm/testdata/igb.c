/* igb: the entry of the ring at next_to_clean, which igb_clean_rx_irq moves on
 * only after the program has run (drivers/net/ethernet/intel/igb/igb_main.c, 6.12:
 * igb_run_xdp, then igb_is_non_eop). Not with AF_XDP's zero copy. */
#include "walk.h"

struct igb_ring {
	struct net_device *netdev;
	void *desc;
	__u16 next_to_clean;
	struct xdp_rxq_info xdp_rxq;
} KERNEL;

#ifdef OFF_BY_ONE
#define INDEX(ring) ((__u64)(ring)->next_to_clean + 1)
#else
#define INDEX(ring) ((__u64)(ring)->next_to_clean)
#endif

static __always_inline __u32 hash_type(__u32 rss)
{
	switch (rss) {
	case 1: return IPV4 | TCP;
	case 2: return IPV4;
	case 3: return IPV6 | TCP;
	case 4: return IPV6 | HINTJIT_RSS_L3_DYNHDR;
	case 5: return IPV6;
	case 6: return IPV6 | HINTJIT_RSS_L3_DYNHDR | TCP;
	case 7: return IPV4 | UDP;
	case 8: return IPV6 | UDP;
	case 9: return IPV6 | HINTJIT_RSS_L3_DYNHDR | UDP;
	}
	return 0;
}

/* igb_rx_checksum: IXSM is bit 2, UDPCS 4, TCPCS 5, TCPE 29, IPE 30. */
static __always_inline __u32 csum_status(__u32 status)
{
	if (status & 1 << 2)
		return HINTJIT_CSUM_UNKNOWN;
	if (status & (1 << 29 | 1 << 30))
		return HINTJIT_CSUM_BAD;
	if (status & (1 << 4 | 1 << 5))
		return HINTJIT_CSUM_GOOD;
	return HINTJIT_CSUM_UNKNOWN;
}

SEC("xdp")
int record(struct xdp_md *ctx)
{
	struct xdp_buff *xdp = bpf_cast_to_kern_ctx(ctx);
	struct igb_ring *ring = CONTAINER(xdp->rxq, struct igb_ring, xdp_rxq);
	__u32 *d = RAW((__u64)ring->desc + INDEX(ring) * 16);
	__u32 info = d[0], hash = d[1], status = d[2], length = d[3];
	struct record *r = record_of(ctx);
	__u32 csum = csum_status(status);

	if (!r)
		return XDP_PASS;
	r->seen += 1;
	r->exists = RX_HASH | RX_HASH_TYPE | VLAN_TCI | VLAN_PROTO | CSUM_STATUS | PKT_LEN | RX_QUEUE;
	if ((__u64)ring->netdev != (__u64)xdp->rxq->dev)
		return XDP_PASS; /* not the driver's own buffer */
	if (hash_type(info & 15)) {
		GIVE(r, rx_hash, hash);
		GIVE(r, rx_hash_type, hash_type(info & 15));
	}
	if (status & 1 << 3) {
		GIVE(r, vlan_tci, length >> 16);
		GIVE(r, vlan_proto, 0x0081); /* 0x8100 in network order */
	}
	if (csum != HINTJIT_CSUM_UNKNOWN)
		GIVE(r, csum_status, csum);
	GIVE(r, pkt_len, length & 0xffff);
	GIVE(r, rx_queue, xdp->rxq->queue_index);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
