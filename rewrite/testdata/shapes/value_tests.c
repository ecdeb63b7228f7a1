/* Branches on values of hints, each of which nothing else looks at: on all bits
 * or some, in either byte order, of one word or several; on 0, which is also
 * what an absent hint is; and beside the presence bit. */
#include "shapes.h"

struct hintjit_rx {
	__u64 rx_timestamp;
	__u32 rx_hash, flow_mark, csum, pkt_len, src_ip4;
	__u16 vlan_tci, inner_vlan_tci, rx_queue;
	__be16 vlan_proto, dst_port;
	__u8 csum_status;
	__u32 rx_error;
	__u8 has_rx_hash : 1, has_vlan_tci : 1, has_flow_mark : 1, has_pkt_len : 1;
} CORE;

#define TEST(n, condition)                   \
	do {                                 \
		if (condition)               \
			out[n] = 1;          \
		asm volatile("" ::: "memory"); \
	} while (0)

SEC("xdp") int value_masks(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	TEST(0, h->rx_hash & 7);
	TEST(1, (h->rx_hash & 7) == 5);
	TEST(2, (h->rx_hash >> 30 & 3) == 2);
	TEST(3, !(h->rx_hash & 0x80000001));
	TEST(4, (h->vlan_tci & 0xfff) > 7);
	TEST(5, h->vlan_tci >> 13 == 3);
	TEST(6, (h->vlan_tci & 0x1001) != 0x1000);
	TEST(7, (h->rx_timestamp & 3) == 1);
	TEST(8, h->rx_timestamp >> 62);
	TEST(9, (h->rx_timestamp & 0x180000003) == 0x80000002);
	TEST(10, h->flow_mark & 0x30000);
	return XDP_PASS;
}

SEC("xdp") int value_swapped(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	TEST(0, h->vlan_proto == htons(0x8100));
	TEST(1, (h->vlan_proto & htons(0x0300)) == htons(0x0100));
	TEST(2, h->vlan_proto != htons(0x88a8));
	TEST(3, htons(h->dst_port) >= 0x8000);
	TEST(4, htons(h->dst_port) & 0x102);
	TEST(5, (__builtin_bswap32(h->rx_hash) & 0x30000001) == 0x10000000);
	TEST(6, (h->src_ip4 & 0x01000080) == 0x80);
	TEST(7, h->csum & 0x0180);
	return XDP_PASS;
}

/* Swaps that stay: a compiler swaps the constant instead wherever it can. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define SWAPPED(bits, x) ({ __u64 v_ = x; asm volatile("%0 = be" #bits " %0" : "+r"(v_)); v_; })
#else
#define SWAPPED(bits, x) ({ __u64 v_ = x; asm volatile("%0 = le" #bits " %0" : "+r"(v_)); v_; })
#endif

SEC("xdp") int value_swaps(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	TEST(0, SWAPPED(16, h->vlan_tci) & 0x0102);
	TEST(1, (SWAPPED(32, h->rx_hash) & 0x30000001) == 0x10000000);
	TEST(2, SWAPPED(16, h->dst_port) == 0x1234);
	TEST(3, (SWAPPED(64, h->rx_timestamp) & 0xff000000000000ff) == 0x0100000000000002);
	TEST(4, SWAPPED(32, h->src_ip4) & 0x80);
	return XDP_PASS;
}

/* More than what is not one less than a power of two. */
SEC("xdp") int value_more(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	TEST(0, h->rx_hash > 2);
	TEST(1, (h->rx_hash & 0xf) > 4);
	TEST(2, (h->vlan_tci & 7) > 2);
	TEST(3, (h->vlan_tci & 0xf) >= 9);
	TEST(4, (h->flow_mark & 6) > 2);
	TEST(5, (h->flow_mark & 0xff) <= 0x10);
	return XDP_PASS;
}

/* The second test is also come to without the first. */
SEC("xdp") int value_joined(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	if (h->pkt_len & 1) {
		asm volatile("" ::: "memory");
		if (!(h->rx_hash & 1))
			goto fails;
	}
	asm volatile("" ::: "memory");
	if (!(h->flow_mark & 2))
		goto fails;
	asm volatile("" ::: "memory");
	out[1] = 1;
	return XDP_PASS;
fails:
	asm volatile("" ::: "memory");
	out[0] = 1;
	return XDP_PASS;
}

SEC("xdp") int value_zero(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	TEST(0, h->rx_hash == 0);
	TEST(1, h->vlan_tci != 0);
	TEST(2, h->rx_error);
	TEST(3, !h->flow_mark);
	TEST(4, h->inner_vlan_tci < 0x1000);
	TEST(5, h->rx_queue == 0xfff);
	TEST(6, (h->pkt_len & 0x3fff) >= 0x2000);
	TEST(7, (__s16)h->vlan_tci < 0);
	return XDP_PASS;
}

SEC("xdp") int value_csum(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	TEST(0, !h->csum_status);
	TEST(1, h->csum_status == 1);
	TEST(2, h->csum_status == 2);
	TEST(3, h->csum_status != 1);
	TEST(4, h->csum_status > 1);
	return XDP_PASS;
}

SEC("xdp") int value_present(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	TEST(0, h->has_vlan_tci && (h->vlan_tci & 3) == 1);
	TEST(1, h->has_vlan_tci && (h->vlan_tci & 3) == 0);
	TEST(2, !h->has_vlan_tci || (h->vlan_tci & 3) == 2);
	TEST(3, h->has_rx_hash && h->has_vlan_tci);
	TEST(4, h->has_rx_hash && h->has_vlan_tci && (h->rx_hash & 1) && (h->vlan_tci & 1));
	TEST(5, h->has_flow_mark && (h->rx_hash & 3) == 3);
	TEST(6, h->has_pkt_len && h->has_rx_hash && !(h->rx_hash & 1));
	return XDP_PASS;
}

SEC("xdp") int value_after(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	if ((h->vlan_tci & 3) == 1)
		out[0] = h->vlan_tci + 1;
	if (h->rx_hash & 1)
		out[1] = h->has_rx_hash + 2;
	else
		out[1] = h->has_rx_hash;
	return XDP_PASS;
}
