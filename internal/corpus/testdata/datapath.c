/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* In the style of a container network's datapath: many programs in sections of
 * several types, tail calls through a program array that the object fills, large
 * maps (connections, services, addresses by prefix), static and global
 * subprograms, global data of every kind, and CO-RE where it looks at the kernel.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>

enum { CALL_V4, CALL_V6, CALL_SERVICE, CALL_POLICY, CALL_DELIVER, CALL_DROPPED, CALLS };
enum { DROP_NO_PROGRAM = 130, DROP_INVALID, DROP_POLICY, DROP_UNKNOWN_L4 };

struct tuple {
	__be32 src, dst;
	__be16 sport, dport;
	__u8 protocol, direction;
	__u8 pad[2];
};

struct connection {
	__u64 packets, bytes;
	__u16 seen;
	__u16 closing : 1, proxy : 1, nat : 4, spare : 10;
	__u32 identity;
};

struct prefix {
	__u32 length;
	__u32 cluster;
	__be32 addr;
};

struct remote {
	__u32 identity;
	__be32 tunnel;
	__u8 key, flags;
	__u16 pad;
};

struct service_key {
	__be32 addr;
	__be16 port;
	__u16 slot;
};

struct service {
	__be32 backend;
	__be16 port;
	__u16 count;
};

struct policy_key {
	__u32 length;
	__u32 identity;
	__u8 direction, protocol;
	__be16 port;
};

struct metrics_key {
	__u8 reason, direction;
	__u16 line;
	__u32 pad;
};

struct metrics {
	__u64 count, bytes;
};

/* What one program leaves for the next, of each CPU. */
struct state {
	struct tuple tuple;
	__u32 source, destination;
	__u32 length;
	__u16 l4;
	__u8 reason, depth;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 524288);
	__type(key, struct tuple);
	__type(value, struct connection);
} connections SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 512000);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix);
	__type(value, struct remote);
} addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct service_key);
	__type(value, struct service);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct policy_key);
	__type(value, __u32);
} policy SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct metrics_key);
	__type(value, struct metrics);
} metrics SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct state);
} scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 4);
} events SEC(".maps");

int handle_v4(struct xdp_md *ctx);
int handle_v6(struct xdp_md *ctx);
int handle_service(struct xdp_md *ctx);
int handle_policy(struct xdp_md *ctx);
int handle_deliver(struct xdp_md *ctx);
int handle_dropped(struct xdp_md *ctx);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, CALLS);
	__uint(key_size, sizeof(__u32));
	__array(values, int (struct xdp_md *));
} calls SEC(".maps") = {
	.values = {
		[CALL_V4] = &handle_v4,
		[CALL_V6] = &handle_v6,
		[CALL_SERVICE] = &handle_service,
		[CALL_POLICY] = &handle_policy,
		[CALL_DELIVER] = &handle_deliver,
		[CALL_DROPPED] = &handle_dropped,
	},
};

const volatile __be32 node_address = bpf_htonl(0x0a000001);
const volatile __u8 policy_enforced = 1;
static const volatile __u32 identities[8] = { 1, 2, 4, 8, 16, 32, 64, 128 };
__u64 generation = 7;
__u64 tail_calls;
static volatile __u32 depths[8];
__u32 last_identity SEC(".data.state") = 2;

static __always_inline struct state *state(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&scratch, &zero);
}

static __noinline void account(__u8 reason, __u8 direction, __u32 bytes, __u16 line)
{
	struct metrics_key key = { .reason = reason, .direction = direction, .line = line };
	struct metrics *m = bpf_map_lookup_elem(&metrics, &key);
	struct metrics first = { 1, bytes };

	if (m) {
		m->count++;
		m->bytes += bytes;
		return;
	}
	bpf_map_update_elem(&metrics, &key, &first, BPF_NOEXIST);
}

/* Global: the kernel looks at it on its own. */
__noinline __u32 identity_of(__be32 addr)
{
	struct prefix key = { .length = 64, .addr = addr };
	struct remote *r = bpf_map_lookup_elem(&addresses, &key);

	if (r)
		return r->identity;
	return identities[addr & 7];
}

__noinline int allowed(struct tuple *t, __u32 identity)
{
	struct policy_key key = { .length = 64, .identity = identity };
	__u32 *verdict;

	if (!t || !policy_enforced)
		return 1;
	key.direction = t->direction;
	key.protocol = t->protocol;
	key.port = t->dport;
	verdict = bpf_map_lookup_elem(&policy, &key);
	if (!verdict)
		return identity & 1;
	return *verdict != 0;
}

static __always_inline int next(struct xdp_md *ctx, struct state *s, __u32 call)
{
	s->depth++;
	depths[s->depth & 7]++;
	__sync_fetch_and_add(&tail_calls, 1);
	bpf_tail_call(ctx, &calls, call);
	account(DROP_NO_PROGRAM, 0, s->length, __LINE__);
	return XDP_ABORTED;
}

static __always_inline int drop(struct xdp_md *ctx, struct state *s, __u8 reason)
{
	s->reason = reason;
	return next(ctx, s, CALL_DROPPED);
}

SEC("xdp")
int from_device(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct state *s = state();

	if (!s || (void *)(eth + 1) > end)
		return XDP_DROP;
	__builtin_memset(s, 0, sizeof(*s));
	s->length = end - data;
	switch (eth->h_proto) {
	case bpf_htons(ETH_P_IP):
		return next(ctx, s, CALL_V4);
	case bpf_htons(ETH_P_IPV6):
		return next(ctx, s, CALL_V6);
	case bpf_htons(ETH_P_ARP):
		return XDP_PASS;
	}
	return drop(ctx, s, DROP_INVALID);
}

SEC("xdp")
int handle_v4(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct state *s = state();
	__be16 *ports;
	__u32 at;

	if (!s || (void *)(ip + 1) > end)
		return XDP_DROP;
	at = sizeof(struct ethhdr) + ip->ihl * 4;
	s->tuple.src = ip->saddr;
	s->tuple.dst = ip->daddr;
	s->tuple.protocol = ip->protocol;
	if (ip->protocol != IPPROTO_TCP && ip->protocol != IPPROTO_UDP)
		return drop(ctx, s, DROP_UNKNOWN_L4);
	ports = data + at;
	if ((void *)(ports + 2) > end)
		return drop(ctx, s, DROP_INVALID);
	s->tuple.sport = ports[0];
	s->tuple.dport = ports[1];
	s->l4 = at;
	s->source = identity_of(ip->saddr);
	return next(ctx, s, CALL_SERVICE);
}

SEC("xdp")
int handle_v6(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ipv6hdr *ip = data + sizeof(struct ethhdr);
	struct state *s = state();
	__be16 *ports = (void *)(ip + 1);

	if (!s || (void *)(ports + 2) > end)
		return XDP_DROP;
	/* Hashed to an address of the size of the other family's. */
	s->tuple.src = ip->saddr.in6_u.u6_addr32[0] ^ ip->saddr.in6_u.u6_addr32[3];
	s->tuple.dst = ip->daddr.in6_u.u6_addr32[0] ^ ip->daddr.in6_u.u6_addr32[3];
	s->tuple.protocol = ip->nexthdr;
	s->tuple.sport = ports[0];
	s->tuple.dport = ports[1];
	s->source = identity_of(s->tuple.src);
	return next(ctx, s, CALL_POLICY);
}

static __noinline struct service *find_service(struct tuple *t)
{
	struct service_key key = { .addr = t->dst, .port = t->dport };
	struct service *all = bpf_map_lookup_elem(&services, &key);

	if (!all)
		return 0;
	if (all->count) {
		key.slot = 1 + (t->src ^ t->sport) % all->count;
		return bpf_map_lookup_elem(&services, &key);
	}
	return all;
}

SEC("xdp")
int handle_service(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct state *s = state();
	struct service *to;
	__u32 sum;

	if (!s || (void *)(ip + 1) > end)
		return XDP_DROP;
	to = find_service(&s->tuple);
	if (to) {
		sum = (__u16)~ip->check;
		sum += (__u16)~ip->daddr + (__u16)~(ip->daddr >> 16);
		sum += (__u16)to->backend + (__u16)(to->backend >> 16);
		sum = (sum & 0xffff) + (sum >> 16);
		ip->check = ~(sum + (sum >> 16));
		ip->daddr = to->backend;
		s->tuple.dst = to->backend;
		s->tuple.dport = to->port;
	}
	return next(ctx, s, CALL_POLICY);
}

SEC("xdp")
int handle_policy(struct xdp_md *ctx)
{
	struct state *s = state();
	struct connection *c, fresh = {};
	struct tuple t;

	if (!s)
		return XDP_DROP;
	t = s->tuple;
	c = bpf_map_lookup_elem(&connections, &t);
	if (c) {
		c->packets++;
		c->bytes += s->length;
		c->seen |= 1 << (c->packets & 15);
		return next(ctx, s, CALL_DELIVER);
	}
	if (!allowed(&t, s->source))
		return drop(ctx, s, DROP_POLICY);
	fresh.packets = 1;
	fresh.bytes = s->length;
	fresh.identity = s->source;
	fresh.nat = t.protocol & 15;
	bpf_map_update_elem(&connections, &t, &fresh, BPF_ANY);
	return next(ctx, s, CALL_DELIVER);
}

SEC("xdp")
int handle_deliver(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;
	struct state *s = state();

	if (!s || (void *)(eth + 1) > end)
		return XDP_DROP;
	last_identity = identity_of(s->tuple.dst);
	s->destination = last_identity;
	account(0, 1, s->length, __LINE__);
	if (s->tuple.dst == node_address)
		return XDP_PASS;
	eth->h_source[5] = s->destination;
	eth->h_dest[5] = generation++;
	return XDP_TX;
}

SEC("xdp")
int handle_dropped(struct xdp_md *ctx)
{
	struct state *s = state();
	__u64 event;

	if (!s)
		return XDP_ABORTED;
	account(s->reason, 0, s->length, __LINE__);
	event = (__u64)s->reason << 32 | s->source;
	bpf_perf_event_output(ctx, &events, BPF_F_CURRENT_CPU, &event, sizeof(event));
	return XDP_DROP;
}

SEC("tc")
int from_container(struct __sk_buff *skb)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct iphdr *ip = data + sizeof(struct ethhdr);
	struct tuple t = {};

	if ((void *)(ip + 1) > end)
		return TC_ACT_SHOT;
	t.src = ip->saddr;
	t.dst = ip->daddr;
	t.protocol = ip->protocol;
	skb->mark = identity_of(ip->saddr);
	if (!allowed(&t, skb->mark))
		return TC_ACT_SHOT;
	account(0, 2, skb->len, __LINE__);
	return TC_ACT_OK;
}

SEC("tc")
int to_container(struct __sk_buff *skb)
{
	__be32 to;

	if (bpf_skb_load_bytes(skb, sizeof(struct ethhdr) + 16, &to, sizeof(to)))
		return TC_ACT_SHOT;
	if (bpf_skb_store_bytes(skb, 0, (void *)&node_address, 4, 0))
		return TC_ACT_SHOT;
	account(identity_of(to), 3, skb->len, __LINE__);
	return TC_ACT_OK;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	struct tuple t = { .dst = ctx->user_ip4, .dport = ctx->user_port };
	struct service *to = find_service(&t);

	if (to) {
		ctx->user_ip4 = to->backend;
		ctx->user_port = to->port;
	}
	return 1;
}

SEC("sockops")
int socket_events(struct bpf_sock_ops *ops)
{
	if (ops->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		account(ops->family, 4, 0, __LINE__);
	return 0;
}

struct pt_regs {
	unsigned long di;
} __attribute__((preserve_access_index));

struct net_device {
	int ifindex;
	unsigned int mtu;
} __attribute__((preserve_access_index));

struct sk_buff {
	unsigned int len;
	__u32 hash;
	struct net_device *dev;
} __attribute__((preserve_access_index));

struct sk_buff___renamed {
	unsigned int length;
} __attribute__((preserve_access_index));

SEC("kprobe/netif_receive_skb")
int watch(struct pt_regs *regs)
{
	struct sk_buff *skb = (void *)regs->di;
	__u32 len;

	if (bpf_core_field_exists(((struct sk_buff___renamed *)0)->length))
		len = BPF_CORE_READ((struct sk_buff___renamed *)skb, length);
	else
		len = BPF_CORE_READ(skb, len);
	account(BPF_CORE_READ(skb, dev, ifindex), 5, len, BPF_CORE_READ(skb, dev, mtu));
	return bpf_core_type_size(struct net_device) == 0;
}

char _license[] SEC("license") = "Dual BSD/GPL";
