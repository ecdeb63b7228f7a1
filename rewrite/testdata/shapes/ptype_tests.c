/* Branches on the packet type and the hash's type, which NICs number in their own
 * ways: one type, all of a kind, several, and what none of them is. */
#include "shapes.h"

struct hintjit_rx {
	__u32 ptype, rx_hash_type;
	__u32 rx_hash;
	__u8 has_ptype : 1, has_rx_hash_type : 1, has_rx_hash : 1;
} CORE;

#define L2 0xf
#define L3 0xf0
#define L4 0xf00
#define TUNNEL 0xf000
#define INNER_L4 0xf000000

#define TEST(n, condition)                   \
	do {                                 \
		if (condition)               \
			out[n] = 1;          \
		asm volatile("" ::: "memory"); \
	} while (0)

SEC("xdp") int hash_types(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	TEST(0, h->rx_hash_type & 8);
	TEST(1, h->rx_hash_type & 1);
	TEST(2, (h->rx_hash_type & 3) == 2);
	TEST(3, h->has_rx_hash_type);
	TEST(4, h->rx_hash_type == 0x19);
	TEST(5, h->has_rx_hash && h->rx_hash_type & 8);
	if (h->rx_hash_type & 8)
		out[6] = h->rx_hash;
	return XDP_PASS;
}

SEC("xdp") int ptype_equal(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	TEST(0, h->ptype == 0x191);
	TEST(1, h->ptype == 0x291);
	TEST(2, !h->ptype);
	TEST(3, h->ptype == 0xabcdef);
	TEST(4, h->ptype == 0x541);
	return XDP_PASS;
}

SEC("xdp") int ptype_masks(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	TEST(0, (h->ptype & L4) == 0x100);
	TEST(1, (h->ptype & (L3 | L4)) == 0x190);
	TEST(2, h->ptype & TUNNEL);
	TEST(3, (h->ptype & INNER_L4) == 0x1000000);
	TEST(4, (h->ptype & L2) == 1);
	return XDP_PASS;
}

SEC("xdp") int ptype_present(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	TEST(0, h->has_ptype);
	TEST(1, h->has_ptype && (h->ptype & L4) == 0x100);
	TEST(2, h->has_ptype && (h->ptype & L4) != 0x100);
	TEST(3, h->has_rx_hash && (h->ptype & L3));
	if (h->has_ptype)
		out[4] = h->ptype;
	return XDP_PASS;
}

SEC("xdp") int ptype_ranges(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	TEST(0, (h->ptype & L3) == 0x90 || (h->ptype & L3) == 0x10);
	TEST(1, (h->ptype >> 8 & 0xf) < 3);
	TEST(2, (h->ptype & L4) != 0x200);
	TEST(3, (h->ptype & L4) - 0x100 <= 0x100);
	return XDP_PASS;
}
