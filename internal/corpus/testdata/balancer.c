/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* In the style of a layer 4 balancer: virtual addresses in a hash, a ring of
 * backends for consistent hashing in one large array, a connection table for
 * each CPU in a hash of maps, IP in IP by moving the head of the packet, ICMP
 * answered or sent where its connection goes, and counters for each CPU.
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

/* Of linux/icmp.h, which includes headers of the host's C library. */
#define ICMP_ECHOREPLY 0
#define ICMP_DEST_UNREACH 3
#define ICMP_ECHO 8

struct icmphdr {
	__u8 type, code;
	__be16 checksum;
	__be32 rest;
};

#define RING 65537
#define VIPS 8
#define BACKENDS 256
#define DF 0x4000
#define MORE_FRAGMENTS 0x3fff

struct flow {
	__be32 src[4], dst[4];
	__be16 ports[2];
	__u8 protocol, pad[3];
};

struct vip {
	__be32 addr[4];
	__be16 port;
	__u8 protocol, pad;
};

struct vip_info {
	__u32 number, flags;
};

enum { VIP_NO_LRU = 1, VIP_HASH_SRC_ONLY = 2 };

struct backend {
	__be32 addr[4];
	__u32 flags;
};

enum { BACKEND_V6 = 1 };

struct entry {
	__u32 backend;
	__u32 uses;
};

struct counter {
	__u64 packets, bytes;
};

struct connections {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1000);
	__type(key, struct flow);
	__type(value, struct entry);
} connections0 SEC(".maps"), connections1 SEC(".maps"), elsewhere SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, 16);
	__type(key, __u32);
	__array(values, struct connections);
} by_cpu SEC(".maps") = {
	.values = { &connections0, &connections1 },
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, VIPS);
	__type(key, struct vip);
	__type(value, struct vip_info);
} vips SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, RING * VIPS);
	__type(key, __u32);
	__type(value, __u32);
} ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BACKENDS);
	__type(key, __u32);
	__type(value, struct backend);
} backends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, VIPS + BACKENDS);
	__type(key, __u32);
	__type(value, struct counter);
} stats SEC(".maps");

const volatile __u8 router[ETH_ALEN] = { 2, 0, 0, 0, 0, 9 };
const volatile __be32 own_address = bpf_htonl(0x0a000001);

struct packet {
	struct flow flow;
	__u32 len;
	__u8 tos;
	__u8 v6;
	__u8 open; /* the first packet of a connection */
	__u8 related; /* ICMP about a connection: flow is turned round */
};

static __always_inline __u32 mix(__u32 a, __u32 b)
{
	a ^= b;
	a *= 0x9e3779b1;
	return a ^ (a >> 15);
}

static __noinline __u32 hash_flow(const struct flow *f, int src_only)
{
	__u32 h = 0x2545f491;

#pragma unroll
	for (int i = 0; i < 4; i++)
		h = mix(h, f->src[i]);
	if (src_only)
		return h;
#pragma unroll
	for (int i = 0; i < 4; i++)
		h = mix(h, f->dst[i]);
	return mix(h, (__u32)f->ports[0] << 16 | f->ports[1]);
}

static __always_inline void count(__u32 slot, __u32 bytes)
{
	struct counter *c = bpf_map_lookup_elem(&stats, &slot);

	if (!c)
		return;
	c->packets++;
	c->bytes += bytes;
}

static __always_inline int ports(struct packet *p, void *l4, void *end)
{
	if (p->flow.protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = l4;

		if ((void *)(tcp + 1) > end)
			return -1;
		p->open = tcp->syn;
		p->flow.ports[0] = p->related ? tcp->dest : tcp->source;
		p->flow.ports[1] = p->related ? tcp->source : tcp->dest;
		return 0;
	}
	if (p->flow.protocol == IPPROTO_UDP) {
		struct udphdr *udp = l4;

		if ((void *)(udp + 1) > end)
			return -1;
		p->flow.ports[0] = p->related ? udp->dest : udp->source;
		p->flow.ports[1] = p->related ? udp->source : udp->dest;
		return 0;
	}
	return -1;
}

/* The checksum of a header of 20 bytes. */
static __always_inline __u16 checksum(struct iphdr *ip)
{
	__u16 *word = (__u16 *)ip;
	__u32 sum = 0;

#pragma unroll
	for (int i = 0; i < sizeof(*ip) / 2; i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __noinline int answer_echo(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct iphdr *ip = (void *)(eth + 1);
	struct icmphdr *icmp = (void *)(ip + 1);
	__u8 mac[ETH_ALEN];
	__be32 addr;
	__u32 sum;

	if ((void *)(icmp + 1) > end)
		return XDP_DROP;
	__builtin_memcpy(mac, eth->h_source, ETH_ALEN);
	__builtin_memcpy(eth->h_source, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(eth->h_dest, mac, ETH_ALEN);
	addr = ip->saddr;
	ip->saddr = ip->daddr;
	ip->daddr = addr;
	ip->ttl = 64;
	ip->check = 0;
	ip->check = checksum(ip);
	icmp->type = ICMP_ECHOREPLY;
	sum = icmp->checksum + bpf_htons(0x0800);
	icmp->checksum = sum + (sum >= 0xffff);
	return XDP_TX;
}

static __always_inline int parse4(struct xdp_md *ctx, struct packet *p)
{
	void *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = (void *)(long)ctx->data + sizeof(struct ethhdr);
	void *l4 = ip + 1;

	if (l4 > end || ip->ihl != 5)
		return XDP_DROP;
	p->tos = ip->tos;
	p->len = bpf_ntohs(ip->tot_len);
	if (ip->frag_off & bpf_htons(MORE_FRAGMENTS))
		return XDP_DROP;
	if (ip->protocol == IPPROTO_ICMP) {
		struct icmphdr *icmp = l4;

		if ((void *)(icmp + 1) > end)
			return XDP_DROP;
		if (icmp->type == ICMP_ECHO)
			return answer_echo(ctx);
		if (icmp->type != ICMP_DEST_UNREACH)
			return XDP_PASS;
		ip = (void *)(icmp + 1);
		l4 = ip + 1;
		if (l4 > end || ip->ihl != 5)
			return XDP_DROP;
		p->related = 1;
	}
	p->flow.protocol = ip->protocol;
	p->flow.src[0] = p->related ? ip->daddr : ip->saddr;
	p->flow.dst[0] = p->related ? ip->saddr : ip->daddr;
	return ports(p, l4, end) ? XDP_PASS : -1;
}

static __always_inline int parse6(struct xdp_md *ctx, struct packet *p)
{
	void *end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ip = (void *)(long)ctx->data + sizeof(struct ethhdr);

	if ((void *)(ip + 1) > end)
		return XDP_DROP;
	p->v6 = 1;
	p->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
	p->len = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	p->flow.protocol = ip->nexthdr;
	__builtin_memcpy(p->flow.src, &ip->saddr, 16);
	__builtin_memcpy(p->flow.dst, &ip->daddr, 16);
	return ports(p, ip + 1, end) ? XDP_PASS : -1;
}

static __noinline int choose(struct packet *p, struct vip_info *vip, void *table)
{
	__u32 h = hash_flow(&p->flow, vip->flags & VIP_HASH_SRC_ONLY);
	__u32 slot = vip->number * RING + h % RING;
	struct entry fresh = {};
	__u32 *backend = bpf_map_lookup_elem(&ring, &slot);

	if (!backend)
		return -1;
	fresh.backend = *backend;
	if (table && !(vip->flags & VIP_NO_LRU))
		bpf_map_update_elem(table, &p->flow, &fresh, BPF_ANY);
	return fresh.backend;
}

static __noinline int encapsulate(struct xdp_md *ctx, struct packet *p, struct backend *to)
{
	struct ethhdr *eth;
	struct iphdr *ip;
	void *end;

	if (bpf_xdp_adjust_head(ctx, -(int)sizeof(*ip)))
		return XDP_DROP;
	eth = (void *)(long)ctx->data;
	end = (void *)(long)ctx->data_end;
	ip = (void *)(eth + 1);
	if ((void *)(ip + 1) > end)
		return XDP_DROP;
	__builtin_memcpy(eth->h_dest, (void *)router, ETH_ALEN);
	__builtin_memset(eth->h_source, 0, ETH_ALEN);
	eth->h_proto = bpf_htons(ETH_P_IP);
	ip->version = 4;
	ip->ihl = 5;
	ip->tos = p->tos;
	ip->tot_len = bpf_htons(p->len + sizeof(*ip));
	ip->id = 0;
	ip->frag_off = bpf_htons(DF);
	ip->ttl = 64;
	ip->protocol = p->v6 ? IPPROTO_IPV6 : IPPROTO_IPIP;
	ip->check = 0;
	ip->saddr = own_address ^ (p->flow.src[0] & bpf_htonl(0xffff));
	ip->daddr = to->addr[0];
	ip->check = checksum(ip);
	return XDP_TX;
}

SEC("xdp")
int balance(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct packet p = {};
	struct vip key = {};
	struct vip_info *vip;
	struct backend *to;
	struct ethhdr *eth = data;
	struct entry *known = 0;
	__u32 cpu = bpf_get_smp_processor_id();
	__u32 number;
	void *table;
	int action;

	if ((void *)(eth + 1) > end)
		return XDP_DROP;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		action = parse4(ctx, &p);
	else if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		action = parse6(ctx, &p);
	else
		return XDP_PASS;
	if (action >= 0)
		return action;

	__builtin_memcpy(key.addr, p.flow.dst, 16);
	key.port = p.flow.ports[1];
	key.protocol = p.flow.protocol;
	vip = bpf_map_lookup_elem(&vips, &key);
	if (!vip) {
		key.port = 0; /* all ports of the address */
		vip = bpf_map_lookup_elem(&vips, &key);
		if (!vip)
			return XDP_PASS;
		p.flow.ports[1] = 0;
	}
	if (vip->number >= VIPS)
		return XDP_DROP;
	count(vip->number, p.len);

	table = bpf_map_lookup_elem(&by_cpu, &cpu);
	if (!table)
		table = &elsewhere;
	if (!p.open && !(vip->flags & VIP_NO_LRU))
		known = bpf_map_lookup_elem(table, &p.flow);
	if (known) {
		known->uses++;
		number = known->backend;
	} else {
		int chosen = choose(&p, vip, table);

		if (chosen < 0)
			return XDP_DROP;
		number = chosen;
	}
	to = bpf_map_lookup_elem(&backends, &number);
	if (!to || !to->addr[0])
		return XDP_DROP;
	count(VIPS + number, p.len);
	return encapsulate(ctx, &p, to);
}

char _license[] SEC("license") = "Dual BSD/GPL";
