/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Hashes of a flow. */
#ifndef HASH_H
#define HASH_H

/* The RSS key's first 40 bytes: the most that addresses and ports take. */
const volatile __be32 rss_key[10];

/* XORs, for each bit set in word, the 32 bits of the key that begin where the bit
 * stands. key is the 64 bits from the word's place on.
 */
static __always_inline __u32 toeplitz_word(__u64 key, __u32 word)
{
	__u32 hash = 0;

#pragma clang loop unroll(disable)
	for (int bit = 0; bit < 32; bit++) {
		hash ^= (key >> 32) & -(word >> 31);
		key <<= 1;
		word <<= 1;
	}
	return hash;
}

static __always_inline __u64 rss_key_at(int word)
{
	return (__u64)bpf_ntohl(rss_key[word]) << 32 | bpf_ntohl(rss_key[word + 1]);
}

/* What the NIC computes. Slow, and only for packets that come without it. */
static __always_inline __u32 toeplitz(const struct flow *flow)
{
	__u32 hash = 0;

	if (flow->words == 8) {
#pragma unroll
		for (int i = 0; i < 8; i++)
			hash ^= toeplitz_word(rss_key_at(i), bpf_ntohl(flow->addresses[i]));
		return hash ^ toeplitz_word(rss_key_at(8), bpf_ntohl(flow->ports));
	}
	hash = toeplitz_word(rss_key_at(0), bpf_ntohl(flow->addresses[0]));
	hash ^= toeplitz_word(rss_key_at(1), bpf_ntohl(flow->addresses[1]));
	return hash ^ toeplitz_word(rss_key_at(2), bpf_ntohl(flow->ports));
}

/* Bob Jenkins' lookup3, as the kernel's linux/jhash.h has it: what programs without
 * the NIC's help commonly use.
 */
#define ROTATE(x, k) ((x) << (k) | (x) >> (32 - (k)))

#define JHASH_MIX(a, b, c) do {				\
	a -= c; a ^= ROTATE(c, 4);  c += b;		\
	b -= a; b ^= ROTATE(a, 6);  a += c;		\
	c -= b; c ^= ROTATE(b, 8);  b += a;		\
	a -= c; a ^= ROTATE(c, 16); c += b;		\
	b -= a; b ^= ROTATE(a, 19); a += c;		\
	c -= b; c ^= ROTATE(b, 4);  b += a;		\
} while (0)

#define JHASH_FINAL(a, b, c) do {			\
	c ^= b; c -= ROTATE(b, 14);			\
	a ^= c; a -= ROTATE(c, 11);			\
	b ^= a; b -= ROTATE(a, 25);			\
	c ^= b; c -= ROTATE(b, 16);			\
	a ^= c; a -= ROTATE(c, 4);			\
	b ^= a; b -= ROTATE(a, 14);			\
	c ^= b; c -= ROTATE(b, 24);			\
} while (0)

static __always_inline __u32 jhash(const struct flow *flow)
{
	const __be32 *w = flow->addresses;
	__u32 a = 0xdeadbeef + (flow->words + 1) * 4, b = a, c = a;

	if (flow->words == 8) {
		a += w[0];
		b += w[1];
		c += w[2];
		JHASH_MIX(a, b, c);
		a += w[3];
		b += w[4];
		c += w[5];
		JHASH_MIX(a, b, c);
		w += 6;
	}
	a += w[0];
	b += w[1];
	c += flow->ports;
	JHASH_FINAL(a, b, c);
	return c;
}

#endif
