/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The twin: what mainline's metadata kfuncs say of the same packets. The kernel
 * binds them to one device when the program is loaded.
 */
#define load_bytes bpf_xdp_load_bytes
#include "packet.h"
#include "bench.h"

enum xdp_rss_hash_type { XDP_RSS_TYPE_NONE };

extern int bpf_xdp_metadata_rx_hash(const struct xdp_md *ctx, __u32 *hash,
				    enum xdp_rss_hash_type *type) __ksym;
extern int bpf_xdp_metadata_rx_timestamp(const struct xdp_md *ctx, __u64 *timestamp) __ksym;
extern int bpf_xdp_metadata_rx_vlan_tag(const struct xdp_md *ctx, __be16 *protocol,
					__u16 *tci) __ksym;

struct kfunc_record {
	__u64 timestamp;
	__s32 timestamp_error, hash_error, vlan_error;
	__u32 hash, hash_type;
	__be16 vlan_proto;
	__u16 vlan_tci;
};

SEEN(kfunc_record);

static __always_inline int ask(struct xdp_md *ctx)
{
	__u32 id = identify(ctx);
	struct kfunc_record r = {};
	enum xdp_rss_hash_type type = 0;

	if (!id)
		return XDP_PASS;
	r.hash_error = bpf_xdp_metadata_rx_hash(ctx, &r.hash, &type);
	r.hash_type = type;
	r.timestamp_error = bpf_xdp_metadata_rx_timestamp(ctx, &r.timestamp);
	r.vlan_error = bpf_xdp_metadata_rx_vlan_tag(ctx, &r.vlan_proto, &r.vlan_tci);
	bpf_map_update_elem(&seen, &id, &r, BPF_NOEXIST);
	return XDP_PASS;
}

SEC("xdp")
int kfunc(struct xdp_md *ctx)
{
	return ask(ctx);
}

SEC("xdp.frags")
int kfunc_frags(struct xdp_md *ctx)
{
	return ask(ctx);
}

static __always_inline __u64 hints(struct xdp_md *ctx, int n)
{
	enum xdp_rss_hash_type type = 0;
	__u32 hash = 0;
	__u64 timestamp = 0, sum = 0;
	__be16 proto = 0;
	__u16 tci = 0;

	if (n > 0 && !bpf_xdp_metadata_rx_hash(ctx, &hash, &type))
		sum += hash;
	if (n > 1 && !bpf_xdp_metadata_rx_vlan_tag(ctx, &proto, &tci))
		sum += tci;
	if (n > 2 && !bpf_xdp_metadata_rx_timestamp(ctx, &timestamp))
		sum += timestamp;
	return sum;
}

BENCH(0)
BENCH(1)
BENCH(2)
BENCH(3)

char LICENSE[] SEC("license") = "GPL";
