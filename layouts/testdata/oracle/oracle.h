/* SPDX-License-Identifier: MIT */
/*
 * What the oracles share. An oracle says what a driver takes out of a receive
 * descriptor, in the driver's own terms: its structs, masks and order of
 * questions. It never sees a layout file, so the two can only agree by both
 * being right.
 *
 *	oracle FORM SIZE <descriptors >hints
 *
 * reads records of SIZE bytes one after the other and prints one line for each:
 * the hints that are present, as name=hex, in the host's byte order as a member
 * of struct hintjit_rx holds them. A record is a descriptor and, 8 bytes each and
 * most significant first, what the driver has beside it (beside).
 */
#ifndef ORACLE_H
#define ORACLE_H

#include <arpa/inet.h>
#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define BIT(n)		 (1ULL << (n))
#define GENMASK(h, l)	 ((BIT((h) - (l) + 1) - 1) << (l))
#define FIELD_GET(m, v)	 (((v) & (m)) >> __builtin_ctzll(m))

#define ETH_P_8021Q 0x8100

/* csum_status of struct hintjit_rx */
enum csum_status { CSUM_UNKNOWN, CSUM_GOOD, CSUM_BAD, CSUM_COMPLETE };

/* include/net/xdp.h, 6.12 */
enum xdp_rss_hash_type {
	XDP_RSS_L3_IPV4 = BIT(0),
	XDP_RSS_L3_IPV6 = BIT(1),
	XDP_RSS_L3_DYNHDR = BIT(2),
	XDP_RSS_L4 = BIT(3),
	XDP_RSS_L4_TCP = BIT(4),
	XDP_RSS_L4_UDP = BIT(5),
	XDP_RSS_L4_SCTP = BIT(6),
	XDP_RSS_L4_IPSEC = BIT(7),
	XDP_RSS_L4_ICMP = BIT(8),
};

/* lib/mbuf/rte_mbuf_ptype.h, DPDK 22.11: a nibble a layer */
enum {
	L2_ETHER = 1, L2_TIMESYNC, L2_ARP, L2_LLDP, L2_NSH, L2_PPPOE = 8,
};
enum {
	L3_IPV4 = 0x1 << 4, L3_IPV4_EXT = 0x3 << 4, L3_IPV4_EXT_UNKNOWN = 0x9 << 4,
	L3_IPV6 = 0x4 << 4, L3_IPV6_EXT = 0xc << 4, L3_IPV6_EXT_UNKNOWN = 0xe << 4,
};
enum { /* the same codes for layer 4 and, 16 bits up, inner layer 4 */
	L4_TCP = 1, L4_UDP, L4_FRAG, L4_SCTP, L4_ICMP, L4_NONFRAG,
};
enum {
	TUNNEL_IP = 0x1 << 12, TUNNEL_GRE = 0x2 << 12, TUNNEL_VXLAN = 0x3 << 12,
	TUNNEL_GRENAT = 0x6 << 12, TUNNEL_GTPC = 0x7 << 12, TUNNEL_GTPU = 0x8 << 12,
};
enum {
	INNER_L2_ETHER = 0x1 << 16, INNER_L2_ETHER_VLAN = 0x2 << 16,
};
enum {
	INNER_L3_IPV4 = 0x1 << 20, INNER_L3_IPV4_EXT = 0x2 << 20, INNER_L3_IPV4_EXT_UNKNOWN = 0x4 << 20,
	INNER_L3_IPV6 = 0x3 << 20, INNER_L3_IPV6_EXT = 0x5 << 20, INNER_L3_IPV6_EXT_UNKNOWN = 0x6 << 20,
};
#define OUTER_L4(code) ((u32)(code) << 8)
#define INNER_L4(code) ((u32)(code) << 24)

static inline void hint(const char *name, u64 value)
{
	printf("%s=%llx ", name, (unsigned long long)value);
}

/* Number k of what follows a descriptor. */
static inline u64 beside(const u8 *behind, int k)
{
	u64 v;

	memcpy(&v, behind + 8 * k, sizeof(v));
	return be64toh(v);
}

/* Each oracle's own: prints the hints of one descriptor. */
static void describe(const char *form, const u8 *raw);

int main(int argc, char **argv)
{
	u8 raw[1024];
	size_t size;

	if (argc != 3 || (size = strtoul(argv[2], NULL, 10)) == 0 || size > sizeof(raw)) {
		fprintf(stderr, "usage: oracle FORM SIZE\n");
		return 2;
	}
	while (fread(raw, size, 1, stdin) == 1) {
		describe(argv[1], raw);
		putchar('\n');
	}
	return 0;
}

#endif
