/* What hints are used for, each use alone. The same text is compiled for hints,
 * and with -DNIC for a NIC's descriptor by hand. */
#include "shapes.h"
#ifdef NIC
#include "byhand.h"
#else
#include "hints.h"
#endif

/* Does nothing: what it costs to run a program. */
SEC("xdp") int empty(struct xdp_md *ctx)
{
	return XDP_PASS;
}

/* One hint. */
SEC("xdp") int hash(struct xdp_md *ctx)
{
	OPEN(ctx);
	return get(rx_hash);
}

SEC("xdp") int hash_or_77(struct xdp_md *ctx)
{
	OPEN(ctx);
	return has(rx_hash) ? value(rx_hash) : 77;
}

SEC("xdp") int hashed(struct xdp_md *ctx)
{
	OPEN(ctx);
	return has(rx_hash) ? XDP_PASS : XDP_DROP;
}

SEC("xdp") int length(struct xdp_md *ctx)
{
	OPEN(ctx);
	return get(pkt_len);
}

SEC("xdp") int mark(struct xdp_md *ctx)
{
	OPEN(ctx);
	return has(flow_mark) ? value(flow_mark) : 77;
}

/* Nothing but a test of a hint. */
SEC("xdp") int error(struct xdp_md *ctx)
{
	OPEN(ctx);
	return get(rx_error) ? XDP_DROP : XDP_PASS;
}

SEC("xdp") int vlan_100(struct xdp_md *ctx)
{
	OPEN(ctx);
	return has(vlan_tci) && (value(vlan_tci) & 0xfff) == 100 ? XDP_DROP : XDP_PASS;
}

SEC("xdp") int tag_is_0x1234(struct xdp_md *ctx)
{
	OPEN(ctx);
	return get(vlan_tci) == 0x1234 ? XDP_DROP : XDP_PASS;
}

SEC("xdp") int tagged_8021q(struct xdp_md *ctx)
{
	OPEN(ctx);
	return get(vlan_proto) == htons(0x8100) ? XDP_DROP : XDP_PASS;
}

SEC("xdp") int long_frame(struct xdp_md *ctx)
{
	OPEN(ctx);
	return get(pkt_len) > 1000 ? XDP_DROP : XDP_PASS;
}

/* Packet types, as a number and compared. */
SEC("xdp") int type(struct xdp_md *ctx)
{
	OPEN(ctx);
	return get(ptype);
}

SEC("xdp") int tcp(struct xdp_md *ctx)
{
	OPEN(ctx);
	return is_tcp() ? XDP_DROP : XDP_PASS;
}

SEC("xdp") int ipv4(struct xdp_md *ctx)
{
	OPEN(ctx);
	return is_ipv4() ? XDP_DROP : XDP_PASS;
}

SEC("xdp") int tcp4(struct xdp_md *ctx)
{
	OPEN(ctx);
	return is_tcp4() ? XDP_DROP : XDP_PASS;
}

SEC("xdp") int checksum(struct xdp_md *ctx)
{
	OPEN(ctx);
	return csum_good() ? XDP_PASS : XDP_DROP;
}

/* Several hints, which some NICs have in one word. */
SEC("xdp") int two(struct xdp_md *ctx)
{
	OPEN(ctx);
	return get(rx_error) ? XDP_DROP : get(pkt_len);
}

SEC("xdp") int three(struct xdp_md *ctx)
{
	OPEN(ctx);
	if (get(rx_error) || has(vlan_tci))
		return XDP_DROP;
	return get(pkt_len);
}

SEC("xdp") int hash_and_tag(struct xdp_md *ctx)
{
	OPEN(ctx);
	return has(rx_hash) && has(vlan_tci) ? value(rx_hash) ^ value(vlan_tci) : XDP_PASS;
}

SEC("xdp") int hash_of_l4(struct xdp_md *ctx)
{
	OPEN(ctx);
	return l4_hash() ? value(rx_hash) : 77;
}

/* Each hint on one branch only. */
SEC("xdp") int branches(struct xdp_md *ctx)
{
	OPEN(ctx);
	if (ctx->rx_queue_index & 1)
		return get(vlan_tci);
	return get(rx_hash);
}

/* A hint that few packets need. By hand, the others have nothing to do with it. */
SEC("xdp") int cold(struct xdp_md *ctx)
{
	OPEN_FIRST(ctx);
	if (__builtin_expect(ctx->rx_queue_index == 7, 0)) {
		OPEN_HERE(ctx);
		return get(rx_hash);
	}
	return XDP_PASS;
}

/* Some hints written to memory. */
struct record {
	__u32 hash, length, error;
	__u16 tag;
	__be16 proto;
};

SEC("xdp") int five(struct xdp_md *ctx)
{
	struct record *r = (void *)out;
	OPEN(ctx);
	r->hash = get(rx_hash);
	r->length = get(pkt_len);
	r->error = get(rx_error);
	r->tag = get(vlan_tci);
	r->proto = get(vlan_proto);
	return XDP_PASS;
}
