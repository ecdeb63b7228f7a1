/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Parsing: Ethernet, up to two VLAN tags, IPv4 or IPv6, and if that carries VXLAN,
 * the same of the frame inside. What is found is the innermost flow.
 */
#ifndef PARSE_H
#define PARSE_H

#define IP_MF 0x2000
#define IP_OFFSET 0x1fff
#define VXLAN_PORT 4789

/* The kernel's is packed, for which clang makes a load of each byte. */
struct ethernet {
	__be16 dest[3], source[3];
	__be16 proto;
};

struct vlanhdr {
	__be16 tci;
	__be16 proto;
};

struct vxlanhdr {
	__be32 flags;
	__be32 vni;
};

struct flow {
	const __be32 *addresses; /* source and destination, as they lie in the header */
	__u32 words; /* of them: 2 or 8 */
	__be32 ports; /* of TCP and UDP */
	__u32 inside; /* of a tunnel */
	__u32 protocol; /* the byte that says layer 4 */
};

/* Layer 4 is named as in HINTJIT_PTYPE_*: 0 is no IP, or no whole header. */
enum {
	L4_TCP = 1,
	L4_UDP,
	L4_FRAG,
	L4_SCTP,
	L4_ICMP,
	L4_OTHER,
};

static __always_inline int is_tag(__be16 proto)
{
	return proto == bpf_htons(ETH_P_8021Q) || proto == bpf_htons(ETH_P_8021AD);
}

/* Returns the network header and its EtherType, NULL where the frame ends before. */
static __always_inline void *network(const struct frame *f, __be16 *proto)
{
	struct ethernet *eth = f->data;
	struct vlanhdr *tag = (void *)(eth + 1);

	if ((void *)tag > f->end)
		return 0;
	*proto = eth->proto;
#pragma unroll
	for (int i = 0; i < 2 && is_tag(*proto); i++, tag++) {
		if ((void *)(tag + 1) > f->end)
			return 0;
		*proto = tag->proto;
	}
	return tag;
}

static __always_inline __u32 layer4(__u8 protocol)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return L4_TCP;
	case IPPROTO_UDP:
		return L4_UDP;
	case IPPROTO_SCTP:
		return L4_SCTP;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return L4_ICMP;
	}
	return L4_OTHER;
}

/* *at is the network header, and the transport header afterwards. */
static __always_inline __u32 parse_ip(const struct frame *f, __be16 proto, void **at, struct flow *flow)
{
	if (proto == bpf_htons(ETH_P_IP)) {
		struct iphdr *ip = *at;

		if ((void *)(ip + 1) > f->end)
			return 0;
		if (ip->frag_off & bpf_htons(IP_MF | IP_OFFSET))
			return L4_FRAG;
		flow->addresses = &ip->saddr;
		flow->words = 2;
		flow->protocol = ip->protocol;
		*at += ip->ihl * 4;
		return layer4(ip->protocol);
	}
	if (proto == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr *ip = *at;

		if ((void *)(ip + 1) > f->end)
			return 0;
		if (ip->nexthdr == IPPROTO_FRAGMENT)
			return L4_FRAG;
		flow->addresses = ip->saddr;
		flow->words = 8;
		flow->protocol = ip->nexthdr;
		*at += sizeof(*ip);
		return layer4(ip->nexthdr);
	}
	return 0;
}

/* Steps from a UDP header to the Ethernet header that VXLAN put behind it, and
 * returns 0 where this is none, or not whole.
 */
static __always_inline struct ethernet *inside(const struct frame *f, void *at)
{
	struct udphdr *udp = at;
	struct ethernet *eth = at + sizeof(*udp) + sizeof(struct vxlanhdr);

	if ((void *)(eth + 1) > f->end || udp->dest != bpf_htons(VXLAN_PORT))
		return 0;
	return eth;
}

static __always_inline __u32 with_ports(const struct frame *f, void *at, __u32 l4, struct flow *flow)
{
	__be32 *ports = at;

	if (l4 != L4_TCP && l4 != L4_UDP)
		return l4;
	if ((void *)(ports + 1) > f->end)
		return 0;
	flow->ports = *ports;
	return l4;
}

static __always_inline __u32 parse(const struct frame *f, struct flow *flow)
{
	struct ethernet *inner;
	__be16 proto;
	void *at = network(f, &proto);
	__u32 l4;

	flow->inside = 0;
	flow->protocol = 0;
	if (!at)
		return 0;
	l4 = parse_ip(f, proto, &at, flow);
	if (l4 == L4_UDP && (inner = inside(f, at))) {
		flow->inside = 1;
		at = inner + 1;
		l4 = parse_ip(f, inner->proto, &at, flow);
	}
	return with_ports(f, at, l4, flow);
}

/* The innermost layer 4 by the packet type, 0 where the NIC leaves that open: "none
 * of the above" is what mlx5 also says of layers it does not look for.
 */
static __always_inline __u32 ptype_l4(__u32 ptype)
{
	__u32 inner = ptype >> 24 & 0xf, l4 = inner ? inner : ptype >> 8 & 0xf;

	return l4 == L4_OTHER ? 0 : l4;
}

/* What is left to do where the packet type is known: no NIC here tells where headers
 * begin, so tags have to be counted and the header's length read; and what kind of
 * tunnel it is, none tells for sure. 0 is all but TCP and UDP here.
 */
static __always_inline __u32 parse_by_ptype(const struct frame *f, __u32 ptype, struct flow *flow)
{
	__u32 l4 = ptype_l4(ptype);
	int is_ipv6 = HINTJIT_PTYPE_IS_IPV6(ptype);
	__be16 proto;
	void *at;

	if (l4 != L4_TCP && l4 != L4_UDP)
		return l4 ? 0 : parse(f, flow);
	at = network(f, &proto);
	if (!at)
		return 0;
	if (ptype & HINTJIT_PTYPE_INNER_L4_MASK) {
		struct iphdr *ip = at;
		struct ethernet *inner;

		if ((void *)(ip + 1) > f->end)
			return 0;
		inner = inside(f, is_ipv6 ? at + sizeof(struct ipv6hdr) : at + ip->ihl * 4);
		if (!inner)
			return parse(f, flow);
		at = inner + 1;
		is_ipv6 = inner->proto == bpf_htons(ETH_P_IPV6);
	}
	if (is_ipv6) {
		struct ipv6hdr *ip = at;

		if ((void *)(ip + 1) > f->end)
			return 0;
		flow->addresses = ip->saddr;
		flow->words = 8;
		at += sizeof(*ip);
	} else {
		struct iphdr *ip = at;

		if ((void *)(ip + 1) > f->end)
			return 0;
		flow->addresses = &ip->saddr;
		flow->words = 2;
		at += ip->ihl * 4;
	}
	return with_ports(f, at, l4, flow);
}

#endif
