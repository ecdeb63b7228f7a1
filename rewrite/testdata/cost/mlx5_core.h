/* en_rx.c: mlx5e_build_rx_skb, mlx5e_handle_csum; DPDK's rxq_cq_to_pkt_type. */
struct descriptor {
	__u8 outer_l3_tunneled, rsvd0;
	__u16 wqe_id;
	__u32 lro[2];
	__be32 rss_hash_result;
	__u8 rss_hash_type, ml_path;
	__u16 rsvd20, check_sum, slid;
	__u32 flags_rqpn;
	__u8 hds_ip_ext, l4_l3_hdr_type;
	__be16 vlan_info;
	__u32 srqn, ft_metadata, rsvd40;
	__be16 strides, byte_cnt;
	__be32 timestamp_h, timestamp_l;
	__be32 sop_drop_qpn;
	__u16 wqe_counter;
	__u8 signature, op_own;
};

READ int is_ready(const struct descriptor *d)
{
	return d->op_own >> 4 == 2;
}

READ int has_rx_hash(const struct descriptor *d)
{
	return (d->rss_hash_type & 0xcc) != 0;
}

READ __u32 value_rx_hash(const struct descriptor *d)
{
	return __builtin_bswap32(d->rss_hash_result);
}

READ int has_vlan_tci(const struct descriptor *d)
{
	return d->l4_l3_hdr_type & 1;
}

READ __u16 value_vlan_tci(const struct descriptor *d)
{
	return be16(d->vlan_info);
}

READ int has_vlan_proto(const struct descriptor *d)
{
	return has_vlan_tci(d);
}

READ __be16 value_vlan_proto(const struct descriptor *d)
{
	return be16(0x8100);
}

#define FLOW_TAG __builtin_bswap32(0xffffff)

READ int has_flow_mark(const struct descriptor *d)
{
	return (d->sop_drop_qpn & FLOW_TAG) != 0;
}

READ __u32 value_flow_mark(const struct descriptor *d)
{
	return __builtin_bswap32(d->sop_drop_qpn & FLOW_TAG);
}

READ int has_pkt_len(const struct descriptor *d)
{
	return 1;
}

READ __u32 value_pkt_len(const struct descriptor *d)
{
	return be16(d->byte_cnt);
}

/* An entry with an error never comes here. */
READ int has_rx_error(const struct descriptor *d)
{
	return 0;
}

READ __u32 value_rx_error(const struct descriptor *d)
{
	return 0;
}

#define E(key, value) [key] = value,
static const __u32 ptypes[256] = {MAP_ptype};
static const __u8 hash_types[16] = {MAP_hash_type};
#undef E

READ int has_ptype(const struct descriptor *d)
{
	return 1;
}

READ __u32 value_ptype(const struct descriptor *d)
{
	return ptypes[(d->outer_l3_tunneled & 3) << 6 | d->l4_l3_hdr_type >> 2];
}

/* Not tunneled, and a set of what l4_l3_hdr_type may be: layer 3 (1 IPv6, 2 IPv4),
 * 1, 3, or 4 as layer 4, no fragment. */
#define TCP6 (1ULL << 0x05 | 1ULL << 0x0d | 1ULL << 0x11)
#define TCP4 (1ULL << 0x06 | 1ULL << 0x0e | 1ULL << 0x12)

READ int is_tcp(const struct descriptor *d)
{
	return !(d->outer_l3_tunneled & 1) && 1ULL << (d->l4_l3_hdr_type >> 2) & (TCP4 | TCP6);
}

READ int is_tcp4(const struct descriptor *d)
{
	return !(d->outer_l3_tunneled & 1) && 1ULL << (d->l4_l3_hdr_type >> 2) & TCP4;
}

READ int is_ipv4(const struct descriptor *d)
{
	return (value_ptype(d) & 0x10) != 0;
}

READ int csum_good(const struct descriptor *d)
{
	return (d->hds_ip_ext & 6) == 6;
}

READ __u8 value_csum_status(const struct descriptor *d)
{
	return csum_good(d);
}

READ __u32 value_rx_hash_type(const struct descriptor *d)
{
	return hash_types[(d->rss_hash_type >> 6) << 2 | (d->rss_hash_type >> 2 & 3)];
}

READ int l4_hash(const struct descriptor *d)
{
	return value_rx_hash_type(d) & 8;
}

READ int has_inner_vlan_tci(const struct descriptor *d)
{
	return 0;
}

READ __u16 value_inner_vlan_tci(const struct descriptor *d)
{
	return 0;
}

#define HAS_CQE_TIMESTAMP

/* Seconds or cycles; none has both upper bits. */
READ int has_cqe_timestamp(const struct descriptor *d)
{
	return has_rx_hash(d) && (d->timestamp_h & 0xc0) != 0xc0;
}

READ __u64 value_cqe_timestamp(const struct descriptor *d)
{
	return (__u64)__builtin_bswap32(d->timestamp_h) << 32 | __builtin_bswap32(d->timestamp_l);
}
