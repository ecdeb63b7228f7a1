// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A stateless L4 load balancer for direct server return: TCP, UDP and SCTP over
 * IPv4 goes back out of the interface it came from, to the MAC address of a
 * backend that the flow's hash chooses. Everything else (ARP, IPv6) is passed to
 * the stack. The network is expected to send nothing but the service's traffic
 * to this interface; compare addresses before balancing where it does not.
 *
 * A flow has to get the same hash for every packet, and not every packet has one
 * from the NIC: i40e gives a flow director id in its place for flows that match
 * such a rule. So the fallback is the function that NICs use (Toeplitz) with the
 * NIC's own key. The NIC is to hash addresses and ports:
 *
 *	ethtool -N eth0 rx-flow-hash tcp4 sdfn
 *	ethtool -N eth0 rx-flow-hash udp4 sdfn
 *	ethtool -x eth0        (shows the key, of which config takes 16 bytes)
 *
 * On a NIC that never gives a hash the key can be any 16 random bytes.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "../hintjit.h"

#define MAX_BACKENDS 256
#define IP_MF 0x2000
#define IP_OFFSET 0x1fff

struct config {
	__be32 rss_key[4]; /* the key's first 16 bytes, as ethtool prints them */
	__u32 backends; /* 0: balance nothing */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct config);
} config SEC(".maps");

struct backend {
	__u8 mac[ETH_ALEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAX_BACKENDS);
	__type(key, __u32);
	__type(value, struct backend);
} backends SEC(".maps");

/* What Toeplitz takes in, as it is in the packet. */
struct tuple {
	__be32 source;
	__be32 dest;
	__be32 ports;
};

/* XORs, for each bit set in word, the 32 bits of the key that begin where the bit
 * stands. key is the 64 bits from the word's place on.
 */
static __always_inline __u32 toeplitz(__u64 key, __u32 word)
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

static __always_inline __u32 tuple_hash(const struct tuple *t, const __be32 *rss_key)
{
	__u64 key0 = bpf_ntohl(rss_key[0]);
	__u64 key1 = bpf_ntohl(rss_key[1]);
	__u64 key2 = bpf_ntohl(rss_key[2]);
	__u64 key3 = bpf_ntohl(rss_key[3]);

	return toeplitz(key0 << 32 | key1, bpf_ntohl(t->source)) ^
	       toeplitz(key1 << 32 | key2, bpf_ntohl(t->dest)) ^
	       toeplitz(key2 << 32 | key3, bpf_ntohl(t->ports));
}

/* Finds addresses and ports. Returns 0 when the packet is not one to balance. */
static __always_inline int parse(struct xdp_md *ctx, struct tuple *t)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	__be32 *ports;

	if ((void *)(ip + 1) > data_end || eth->h_proto != bpf_htons(ETH_P_IP))
		return 0;
	if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP &&
	    ip->protocol != IPPROTO_SCTP)
		return 0;

	t->source = ip->saddr;
	t->dest = ip->daddr;
	t->ports = 0;
	/* Only the first fragment has ports: take none from any, as NICs do. */
	if (ip->frag_off & bpf_htons(IP_MF | IP_OFFSET))
		return 1;

	ports = (void *)ip + ip->ihl * 4;
	if ((void *)(ports + 1) > data_end)
		return 0;
	t->ports = *ports;
	return 1;
}

/* Says whether rx_hash is the hash of an IPv4 packet's addresses and ports. */
static __always_inline int is_tuple_hash(const struct hintjit_rx *h)
{
	const __u32 l4 = HINTJIT_RSS_L4_TCP | HINTJIT_RSS_L4_UDP | HINTJIT_RSS_L4_SCTP;
	__u32 type;

	if (!h->has_rx_hash)
		return 0;
	type = h->rx_hash_type; /* once: each read of h is one of the descriptor */
	return (type & HINTJIT_RSS_L3_IPV4) && (type & l4);
}

static __always_inline int send_to(struct xdp_md *ctx, const struct backend *b)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;

	if ((void *)(eth + 1) > data_end)
		return XDP_PASS;
	__builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, b->mac, ETH_ALEN);
	return XDP_TX;
}

SEC("xdp")
int l4lb(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u32 zero = 0, hash, slot;
	struct config *c;
	struct backend *b;

	c = bpf_map_lookup_elem(&config, &zero);
	if (!c || !c->backends)
		return XDP_PASS;

	/* Where the NIC never gives a hash, the first half of this is removed. */
	if (bpf_core_field_exists(h->rx_hash) && is_tuple_hash(h)) {
		hash = h->rx_hash;
	} else {
		struct tuple t;

		if (!parse(ctx, &t))
			return XDP_PASS;
		hash = tuple_hash(&t, c->rss_key);
	}

	/* By the hash's upper bits: the lower ones chose the receive queue, so the
	 * packets of one queue share them.
	 */
	slot = ((__u64)hash * c->backends) >> 32;
	b = bpf_map_lookup_elem(&backends, &slot);
	if (!b)
		return XDP_PASS;
	return send_to(ctx, b);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
