// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * The experiments of "XDP hardware hints" (Linux Plumbers Conference 2018): what a
 * program does that parses every packet, and what it does where the NIC has parsed
 * it. Type-1 hints are the packet type; type-2 hints are in addition the flow: no
 * NIC with a layout here reports addresses or ports, so it is the hash of them, and
 * for the tunnel the mark of a steering rule.
 *
 * Where a hint is absent the packet is parsed, and what comes of it is the same. A
 * NIC knows more tunnels than the parser: the network is expected to send no other
 * than VXLAN.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "../../../bpf/hintjit.h"
#include "uapi.h"
#include "frame.h"
#include "parse.h"
#include "hash.h"

/* Count and drop. */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

static __always_inline int count(__u32 l4, __u32 found)
{
	__u64 *n = bpf_map_lookup_elem(&counts, &l4);

	if (n)
		*n += 1;
	return leave(XDP_DROP, found);
}

SEC("xdp")
int drop(struct xdp_md *ctx)
{
	struct frame f;

	if (!arrive(ctx, &f))
		return XDP_ABORTED;
	return leave(XDP_DROP, 0);
}

/* One load of the frame, to see what that costs. */
SEC("xdp")
int touch(struct xdp_md *ctx)
{
	struct frame f;

	if (!arrive(ctx, &f) || f.data + sizeof(struct ethernet) > f.end)
		return XDP_ABORTED;
	return leave(XDP_DROP, ((struct ethernet *)f.data)->proto);
}

SEC("xdp")
int count_parse(struct xdp_md *ctx)
{
	struct flow flow;
	struct frame f;
	__u32 l4;

	if (!arrive(ctx, &f))
		return XDP_ABORTED;
	l4 = parse(&f, &flow);
	return count(l4, flow.protocol);
}

SEC("xdp")
int count_ptype(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u32 l4 = ptype_l4(h->ptype);
	struct flow flow;
	struct frame f;

	if (!arrive(ctx, &f))
		return XDP_ABORTED;
	if (l4)
		return count(l4, l4);
	l4 = parse(&f, &flow);
	return count(l4, flow.protocol);
}

/* A balancer for direct server return: out of the interface that the packet came
 * from, to the MAC address of a backend. What is not TCP or UDP is passed.
 */

/* Destination and source of a frame, as they lie in it. */
struct macs {
	__u32 words[3];
};

static __always_inline void address(void *frame, const struct macs *m)
{
	__u32 *to = frame;

	to[0] = m->words[0];
	to[1] = m->words[1];
	to[2] = m->words[2];
}

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct macs);
} backends SEC(".maps");

volatile __u32 backend_count;
/* The NIC hashes the headers inside a tunnel, and not those around it. */
const volatile __u32 inner_hash;

static __always_inline __u32 choose(__u32 hash)
{
	return ((__u64)hash * backend_count) >> 32;
}

static __always_inline int send_to(struct frame *f, __u32 slot)
{
	struct macs *m = bpf_map_lookup_elem(&backends, &slot);

	if (!m || f->data + sizeof(*m) > f->end)
		return XDP_ABORTED;
	address(f->data, m);
	return leave(XDP_TX, slot);
}

#ifdef SAME_HASH
#define software_hash toeplitz
#else
#define software_hash jhash
#endif

static __always_inline int is_balanced(__u32 l4)
{
	return l4 == L4_TCP || l4 == L4_UDP;
}

/* Says whether the hash is that of the innermost flow: it has ports in it, and the
 * packet is no tunnel's unless the NIC hashes what is inside.
 */
static __always_inline int has_flow_hash(const struct hintjit_rx *h)
{
	__u32 ptype;

	if (!h->has_rx_hash || !(h->rx_hash_type & (HINTJIT_RSS_L4_TCP | HINTJIT_RSS_L4_UDP)))
		return 0;
	if (inner_hash)
		return 1;
	ptype = h->ptype;
	return is_balanced(ptype_l4(ptype)) && !(ptype & HINTJIT_PTYPE_INNER_L4_MASK);
}

/* Of a packet that should have a hash and has none, the one it should have, slow as it
 * is: a flow has to get the same for all its packets. A tunnel's never have.
 */
static __always_inline __u32 missing_hash(const struct flow *flow)
{
	return flow->inside && !inner_hash ? software_hash(flow) : toeplitz(flow);
}

SEC("xdp")
int balance_parse(struct xdp_md *ctx)
{
	struct flow flow;
	struct frame f;

	if (!arrive(ctx, &f))
		return XDP_ABORTED;
	if (!is_balanced(parse(&f, &flow)))
		return leave(XDP_PASS, 0);
	return send_to(&f, choose(software_hash(&flow)));
}

SEC("xdp")
int balance_type1(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u32 ptype = h->ptype;
	struct flow flow;
	struct frame f;

	if (!arrive(ctx, &f))
		return XDP_ABORTED;
	if (!is_balanced(parse_by_ptype(&f, ptype, &flow)))
		return leave(XDP_PASS, 0);
	return send_to(&f, choose(software_hash(&flow)));
}

SEC("xdp")
int balance_type2(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	struct flow flow;
	struct frame f;

	if (!arrive(ctx, &f))
		return XDP_ABORTED;
	if (has_flow_hash(h))
		return send_to(&f, choose(h->rx_hash));
	if (!is_balanced(parse(&f, &flow)))
		return leave(XDP_PASS, 0);
	return send_to(&f, choose(missing_hash(&flow)));
}

/* The same with a memory: a flow stays with its backend when their number changes. */

struct connection4 {
	__be32 addresses[2];
	__be32 ports;
	__u32 l4;
};

struct connection6 {
	__be32 addresses[8];
	__be32 ports;
	__u32 l4;
};

#define CONNECTIONS 65536

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CONNECTIONS);
	__type(key, struct connection4);
	__type(value, __u32);
} connections4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CONNECTIONS);
	__type(key, struct connection6);
	__type(value, __u32);
} connections6 SEC(".maps");

/* By the NIC's hash: flows that share all 32 bits share a backend. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, CONNECTIONS);
	__type(key, __u32);
	__type(value, __u32);
} connections SEC(".maps");

static __always_inline int track_tuple(struct frame *f, __u32 l4, const struct flow *flow)
{
	struct connection4 k4;
	struct connection6 k6;
	__u32 slot, *known;

	if (flow->words == 8) {
		__builtin_memcpy(k6.addresses, flow->addresses, sizeof(k6.addresses));
		k6.ports = flow->ports;
		k6.l4 = l4;
		known = bpf_map_lookup_elem(&connections6, &k6);
		if (known)
			return send_to(f, *known);
		slot = choose(software_hash(flow));
		bpf_map_update_elem(&connections6, &k6, &slot, BPF_ANY);
		return send_to(f, slot);
	}
	__builtin_memcpy(k4.addresses, flow->addresses, sizeof(k4.addresses));
	k4.ports = flow->ports;
	k4.l4 = l4;
	known = bpf_map_lookup_elem(&connections4, &k4);
	if (known)
		return send_to(f, *known);
	slot = choose(software_hash(flow));
	bpf_map_update_elem(&connections4, &k4, &slot, BPF_ANY);
	return send_to(f, slot);
}

static __always_inline int track_hash(struct frame *f, __u32 hash)
{
	__u32 slot, *known = bpf_map_lookup_elem(&connections, &hash);

	if (known)
		return send_to(f, *known);
	slot = choose(hash);
	bpf_map_update_elem(&connections, &hash, &slot, BPF_ANY);
	return send_to(f, slot);
}

SEC("xdp")
int track_parse(struct xdp_md *ctx)
{
	struct flow flow;
	struct frame f;
	__u32 l4;

	if (!arrive(ctx, &f))
		return XDP_ABORTED;
	l4 = parse(&f, &flow);
	return is_balanced(l4) ? track_tuple(&f, l4, &flow) : leave(XDP_PASS, 0);
}

SEC("xdp")
int track_type1(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u32 ptype = h->ptype, l4;
	struct flow flow;
	struct frame f;

	if (!arrive(ctx, &f))
		return XDP_ABORTED;
	l4 = parse_by_ptype(&f, ptype, &flow);
	return is_balanced(l4) ? track_tuple(&f, l4, &flow) : leave(XDP_PASS, 0);
}

SEC("xdp")
int track_type2(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	struct flow flow;
	struct frame f;

	if (!arrive(ctx, &f))
		return XDP_ABORTED;
	if (has_flow_hash(h))
		return track_hash(&f, h->rx_hash);
	return is_balanced(parse(&f, &flow)) ? track_hash(&f, missing_hash(&flow)) : leave(XDP_PASS, 0);
}

/* A tunnel: the frame goes into GRE, whole, to the endpoint that its innermost
 * destination has.
 */

struct service {
	__be32 address[4]; /* IPv4: the first */
	__be16 port;
	__u8 l4;
	__u8 words;
};

struct endpoint {
	__be32 source, dest;
	__u32 sum; /* of the IP header, without its length */
	struct macs macs;
	__u32 used;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct service);
	__type(value, struct endpoint);
} services SEC(".maps");

/* By the mark of the steering rule that matches the service. A rule is one line of
 * this table, 0 is no rule.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct endpoint);
} marks SEC(".maps");

struct gre {
	__be16 flags;
	__be16 proto;
};

#define ENCAPSULATION (sizeof(struct ethernet) + sizeof(struct iphdr) + sizeof(struct gre))

static __always_inline int encapsulate(struct xdp_md *ctx, struct frame *f, const struct endpoint *to)
{
	__u16 total = f->end - f->data + sizeof(struct iphdr) + sizeof(struct gre);
	struct ethernet *eth;
	struct iphdr *ip;
	struct gre *gre;
	__u32 sum;

	if (!grow(ctx, f, ENCAPSULATION))
		return XDP_ABORTED;
	eth = f->data;
	ip = (void *)(eth + 1);
	gre = (void *)(ip + 1);
	if ((void *)(gre + 1) > f->end)
		return XDP_ABORTED;
	address(eth, &to->macs);
	eth->proto = bpf_htons(ETH_P_IP);
	sum = to->sum + bpf_htons(total);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*ip = (struct iphdr){
		.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_GRE,
		.tot_len = bpf_htons(total), .check = ~sum,
		.saddr = to->source, .daddr = to->dest,
	};
	gre->flags = 0;
	gre->proto = bpf_htons(ETH_P_TEB);
	return leave(XDP_TX, to->dest);
}

static __always_inline struct endpoint *by_tuple(const struct frame *f)
{
	struct service s = {};
	struct flow flow;
	__u32 l4 = parse(f, &flow);

	if (!is_balanced(l4))
		return 0;
	if (flow.words == 8)
		__builtin_memcpy(s.address, flow.addresses + 4, sizeof(s.address));
	else
		s.address[0] = flow.addresses[1];
	s.port = flow.ports >> 16; /* network order: the second half lies above on this machine */
	s.l4 = l4;
	s.words = flow.words;
	return bpf_map_lookup_elem(&services, &s);
}

SEC("xdp")
int tunnel_parse(struct xdp_md *ctx)
{
	struct endpoint *to;
	struct frame f;

	if (!arrive(ctx, &f))
		return XDP_ABORTED;
	to = by_tuple(&f);
	return to ? encapsulate(ctx, &f, to) : leave(XDP_PASS, 0);
}

SEC("xdp")
int tunnel_mark(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u32 mark = h->flow_mark; /* 0 when absent */
	struct endpoint *to = 0;
	struct frame f;

	if (!arrive(ctx, &f))
		return XDP_ABORTED;
	if (mark)
		to = bpf_map_lookup_elem(&marks, &mark);
	if (!to || !to->used)
		to = by_tuple(&f);
	return to ? encapsulate(ctx, &f, to) : leave(XDP_PASS, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
