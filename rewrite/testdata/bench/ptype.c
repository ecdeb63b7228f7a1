/* i40e's packet type in DPDK's encoding, 0 when there is none, in the ways in
 * which a value map could be written. CASES and VALUES are the map's values as
 * cases of a switch and as members of an array. */
#include "shapes.h"

/* What is translated: numbers of the NIC, over and over. */
__u8 numbers[1024];
__u32 rounds;

/* No translation at all. */
static __attribute__((always_inline)) inline __u32 by_none(__u32 ptype)
{
	return ptype;
}

/* What hintjit writes. */
static const __u32 map[256] = { VALUES };

static __attribute__((always_inline)) inline __u32 by_table(__u32 ptype)
{
	return *(const volatile __u32 *)&map[ptype & 0xff];
}

/* Comparisons, a balanced tree of them (-fno-jump-tables). */
static __attribute__((always_inline)) inline __u32 by_tree(__u32 ptype)
{
	switch (ptype) {
	CASES
	}
	return 0;
}

/* Layer 4 in the order of the NIC's numbers: fragment, other, UDP, none, TCP,
 * SCTP, ICMP; behind NSH without the none. */
#define L4(n) (0x5410263u >> 4 * (n) & 0xf)
#define L4_NSH(n) (0x541263u >> 4 * (n) & 0xf)

static __attribute__((always_inline)) inline __u32 inner(__u32 outer, __u32 n)
{
	__u32 l3 = n >= 7 ? 0x600000 : 0x400000;
	__u32 l4 = L4(n >= 7 ? n - 7 : n);

	return l4 ? outer | l3 | l4 << 24 : 0;
}

/* The regularity of the numbers: 22 and 88 begin the same sequence for IPv4 and
 * IPv6, and in it 7, 22, 37 and 52 begin what is inside of a tunnel. */
static __attribute__((always_inline)) inline __u32 by_arithmetic(__u32 ptype)
{
	__u32 ip, n;

	if (ptype < 22)
		return ptype > 11 ? 0 : 0x300004000210ull >> 4 * ptype & 0xf;
	if (ptype > 153) {
		if (ptype == 154)
			return 5;
		n = ptype - 155;
		if (n < 6)
			return 0x95 | L4_NSH(n) << 8;
		return n < 12 ? 0xe5 | L4_NSH(n - 6) << 8 : 0;
	}
	n = ptype - (ptype < 88 ? 22 : 88);
	ip = ptype < 88 ? 0x91 : 0xe1;
	if (n < 7)
		return L4(n) ? ip | L4(n) << 8 : 0;
	if (n < 21)
		return inner(ip | 0x1000, n - 7);
	n -= 21;
	ip |= 0x6000 | n / 15 << 16;
	n %= 15;
	return n ? inner(ip, n - 1) : ip;
}

/* bpf_loop: a callback is verified once, however often it runs. */
#define WAY(name)                                                  \
	static long name##_all(__u32 round, __u32 *sum)            \
	{                                                          \
		__u32 s = *sum;                                    \
                                                                   \
		for (int i = 0; i < 8; i++) {                      \
			__u32 n = numbers[(round * 8 + i) & 1023]; \
                                                                   \
			HIDE(n);                                   \
			s += by_##name(n & 0xff);                  \
		}                                                  \
		*sum = s;                                          \
		return 0;                                          \
	}                                                          \
                                                                   \
	SEC("xdp") int name(struct xdp_md *ctx)                    \
	{                                                          \
		__u32 sum = 0;                                     \
                                                                   \
		bpf_loop(rounds, name##_all, &sum, 0);             \
		return sum;                                        \
	}

WAY(none)
WAY(table)
WAY(tree)
WAY(arithmetic)
