/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* In the style of an intrusion detection system's early filter: flows that have
 * been judged are dropped by a table with a value for each CPU, all others go to
 * a CPU that their addresses choose, whichever way the packet goes.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define CPUS 64

struct flow4 {
	__be32 src, dst;
	__be16 sport, dport;
	__u16 tcp : 1, vlan0 : 15;
	__u16 vlan1;
};

struct flow6 {
	__be32 src[4], dst[4];
	__be16 sport, dport;
	__u16 tcp : 1, vlan0 : 15;
	__u16 vlan1;
};

struct seen {
	__u64 packets, bytes;
};

struct vlan {
	__be16 tci, protocol;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct flow4);
	__type(value, struct seen);
} flows4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 32768);
	__type(key, struct flow6);
	__type(value, struct seen);
} flows6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CPUMAP);
	__uint(max_entries, CPUS);
	__type(key, __u32);
	__type(value, __u32);
} cpus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CPUS);
	__type(key, __u32);
	__type(value, __u32);
} available SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} count SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} peer SEC(".maps");

static __always_inline int to_cpu(__u32 hash)
{
	__u32 zero = 0, slot, *n = bpf_map_lookup_elem(&count, &zero), *cpu;

	hash ^= hash >> 16;
	if (!n || !*n)
		return XDP_PASS;
	slot = hash % *n;
	cpu = bpf_map_lookup_elem(&available, &slot);
	if (!cpu)
		return XDP_ABORTED;
	return bpf_redirect_map(&cpus, *cpu, XDP_PASS);
}

static __always_inline int judged(struct seen *s, __u32 bytes, __u64 *to)
{
	if (!s)
		return 0;
	s->packets++;
	s->bytes += bytes;
	return 1;
}

static __always_inline int ports(void *l4, void *end, __u8 protocol, __be16 *sport, __be16 *dport)
{
	/* Both at the same place in TCP and UDP. */
	struct udphdr *udp = l4;

	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return -1;
	if (protocol == IPPROTO_TCP && (void *)((struct tcphdr *)l4 + 1) > end)
		return -1;
	if ((void *)(udp + 1) > end)
		return -1;
	*sport = udp->source;
	*dport = udp->dest;
	return 0;
}

static int __always_inline filter4(struct xdp_md *ctx, void *data, __u16 vlan0, __u16 vlan1)
{
	void *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data;
	struct flow4 key = {};
	__u32 zero = 0;

	if ((void *)(ip + 1) > end)
		return XDP_PASS;
	key.src = ip->saddr;
	key.dst = ip->daddr;
	key.tcp = ip->protocol == IPPROTO_TCP;
	key.vlan0 = vlan0;
	key.vlan1 = vlan1;
	if (ports(data + ip->ihl * 4, end, ip->protocol, &key.sport, &key.dport))
		return to_cpu(key.src + key.dst);
	if (judged(bpf_map_lookup_elem(&flows4, &key), end - data, 0)) {
		if (bpf_map_lookup_elem(&peer, &zero))
			return bpf_redirect_map(&peer, 0, 0);
		return XDP_DROP;
	}
	return to_cpu(key.src + key.dst);
}

static int __always_inline filter6(struct xdp_md *ctx, void *data, __u16 vlan0, __u16 vlan1)
{
	void *end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ip = data;
	struct flow6 key = {};
	__u32 hash = 0;

	if ((void *)(ip + 1) > end)
		return XDP_PASS;
	__builtin_memcpy(key.src, &ip->saddr, 16);
	__builtin_memcpy(key.dst, &ip->daddr, 16);
	key.tcp = ip->nexthdr == IPPROTO_TCP;
	key.vlan0 = vlan0;
	key.vlan1 = vlan1;
	for (int i = 0; i < 4; i++)
		hash += key.src[i] + key.dst[i];
	if (ports(ip + 1, end, ip->nexthdr, &key.sport, &key.dport))
		return to_cpu(hash);
	if (judged(bpf_map_lookup_elem(&flows6, &key), end - data, 0))
		return XDP_DROP;
	return to_cpu(hash);
}

SEC("xdp")
int bypass(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	__u16 vlans[2] = {};
	__be16 protocol;

	data += sizeof(*eth);
	if (data > end)
		return XDP_PASS;
	protocol = eth->h_proto;
#pragma unroll
	for (int i = 0; i < 2; i++) {
		struct vlan *tag = data;

		if (protocol != bpf_htons(ETH_P_8021Q) && protocol != bpf_htons(ETH_P_8021AD))
			break;
		data += sizeof(*tag);
		if (data > end)
			return XDP_PASS;
		protocol = tag->protocol;
		vlans[i] = bpf_ntohs(tag->tci) & 0xfff;
	}
	if (protocol == bpf_htons(ETH_P_IP))
		return filter4(ctx, data, vlans[0], vlans[1]);
	if (protocol == bpf_htons(ETH_P_IPV6))
		return filter6(ctx, data, vlans[0], vlans[1]);
	return XDP_PASS;
}

/* A sampled copy for the monitor, by the way of a socket. */
SEC("socket")
int sample(struct __sk_buff *skb)
{
	__u16 protocol = 0;
	__be32 src = 0;

	bpf_skb_load_bytes(skb, 12, &protocol, sizeof(protocol));
	if (protocol != bpf_htons(ETH_P_IP))
		return 0;
	bpf_skb_load_bytes(skb, 26, &src, sizeof(src));
	return src & 1 ? skb->len : 0;
}

char _license[] SEC("license") = "GPL";
