/* vmxnet3: the completion at next2proc, which vmxnet3_rq_rx_complete moves on
 * after the program has run (drivers/net/vmxnet3/vmxnet3_drv.c, 6.12: rcd_done).
 * Bits are those of struct Vmxnet3_RxCompDesc in vmxnet3_defs.h. */
#include "walk.h"

struct vmxnet3_comp_ring {
	void *base;
	__u32 next2proc;
} KERNEL;

struct vmxnet3_rx_queue {
	struct vmxnet3_comp_ring comp_ring;
	struct xdp_rxq_info xdp_rxq;
} KERNEL;

static __always_inline __u32 hash_type(__u32 rss)
{
	switch (rss) {
	case 1: return IPV4;
	case 2: return IPV4 | TCP;
	case 3: return IPV6;
	case 4: return IPV6 | TCP;
	case 5: return IPV4 | UDP;
	case 6: return IPV6 | UDP;
	case 7: return IPV4 | HINTJIT_RSS_L4 | HINTJIT_RSS_L4_IPSEC;
	case 8: return IPV6 | HINTJIT_RSS_L4 | HINTJIT_RSS_L4_IPSEC;
	}
	return 0;
}

SEC("xdp")
int record(struct xdp_md *ctx)
{
	struct xdp_buff *xdp = bpf_cast_to_kern_ctx(ctx);
	struct vmxnet3_rx_queue *queue = CONTAINER(xdp->rxq, struct vmxnet3_rx_queue, xdp_rxq);
	__u32 *d = RAW((__u64)queue->comp_ring.base + (__u64)queue->comp_ring.next2proc * 16);
	__u32 d0 = d[0], hash = d[1], d2 = d[2], d3 = d[3];
	struct record *r = record_of(ctx);

	if (!r)
		return XDP_PASS;
	r->seen += 1;
	r->exists = RX_HASH | RX_HASH_TYPE | VLAN_TCI | VLAN_PROTO | CSUM_STATUS | PKT_LEN;
	if (hash_type(d0 >> 26 & 15)) {
		GIVE(r, rx_hash, hash);
		GIVE(r, rx_hash_type, hash_type(d0 >> 26 & 15));
	}
	if (d2 & 1 << 15) {
		GIVE(r, vlan_tci, d2 >> 16);
		GIVE(r, vlan_proto, 0x0081); /* 0x8100 in network order */
	}
	/* vmxnet3_rx_csum: cnc is bit 30 of the first word; of the last tuc is 16, ipc
	 * 19, v6 20, v4 21. */
	if (!(d0 & 1 << 30) &&
	    (((d3 & 1 << 21) && (d3 & 1 << 16) && (d3 & 1 << 19)) || ((d3 & 1 << 20) && (d3 & 1 << 16))))
		GIVE(r, csum_status, HINTJIT_CSUM_GOOD);
	GIVE(r, pkt_len, d2 & 0x3fff);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
