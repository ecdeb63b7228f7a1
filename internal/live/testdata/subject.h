/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The programs under test: one way of getting hints (fill, of the file that
 * includes this), called from everywhere a program may be. Each notes what it got
 * under the packet's number.
 */
#ifndef LIVE_SUBJECT_H
#define LIVE_SUBJECT_H

#define load_bytes bpf_xdp_load_bytes
#include "packet.h"

/* Every hint there is; the order is that of hintNames in record_test.go. */
#define EACH_HINT(x)                                                           \
	x(rx_hash) x(rx_hash_type) x(rx_timestamp) x(vlan_tci) x(vlan_proto)   \
	x(inner_vlan_tci) x(ptype) x(csum_status) x(csum) x(flow_mark)         \
	x(pkt_len) x(rx_queue) x(rx_error) x(l3_offset) x(l4_offset)           \
	x(src_ip4) x(dst_ip4) x(src_port) x(dst_port)

enum hint {
#define NUMBER(name) HINT_##name,
	EACH_HINT(NUMBER)
	HINTS
};

struct record {
	__u64 value[HINTS];
	__u32 has;    /* a bit a hint: valid for this packet */
	__u32 exists; /* a bit a hint: this NIC can give it */
	__u32 queue;  /* what the context says of the receive queue */
	__u32 length; /* ... and of the packet's length */
};

SEEN(record);

/* What becomes of the packets. */
const volatile int verdict = XDP_PASS;

static void fill(struct xdp_md *ctx, struct record *r);

static __always_inline int look(struct xdp_md *ctx)
{
	__u32 id = identify(ctx);
	struct record r = {};

	if (!id)
		return XDP_PASS;
	fill(ctx, &r);
	r.queue = ctx->rx_queue_index;
	r.length = bpf_xdp_get_buff_len(ctx);
	bpf_map_update_elem(&seen, &id, &r, BPF_NOEXIST);
	return verdict;
}

SEC("xdp")
int direct(struct xdp_md *ctx)
{
	return look(ctx);
}

static __noinline int look_static(struct xdp_md *ctx)
{
	return look(ctx);
}

SEC("xdp")
int subprog(struct xdp_md *ctx)
{
	return look_static(ctx);
}

/* Verified on its own, with nothing known but that ctx is the context. */
__noinline int look_global(struct xdp_md *ctx)
{
	return look(ctx);
}

SEC("xdp")
int global(struct xdp_md *ctx)
{
	return look_global(ctx);
}

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} jumps SEC(".maps");

SEC("xdp")
int tail(struct xdp_md *ctx)
{
	bpf_tail_call(ctx, &jumps, 0);
	return XDP_ABORTED;
}

SEC("xdp")
int tailed(struct xdp_md *ctx)
{
	return look(ctx);
}

SEC("xdp.frags")
int frags(struct xdp_md *ctx)
{
	return look(ctx);
}

char LICENSE[] SEC("license") = "GPL";

#endif
