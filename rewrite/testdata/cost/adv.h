/* The advanced descriptor of igb and ixgbe, and what both have in the same bits. */
struct descriptor {
	__u32 info, rss;
	__u32 staterr;
	__u16 length, vlan;
};

#define DD_EOP 3
#define VP (1 << 3)
#define TSIP (1 << 15)
/* Of info. */
#define TCP (1 << 8)
#define UDP (1 << 9)
#define SCTP (1 << 10)
#define ETQF (1 << 15)

READ int has_vlan_tci(const struct descriptor *d);
READ __u32 value_ptype(const struct descriptor *d);
READ __u8 value_csum_status(const struct descriptor *d);

READ int is_ready(const struct descriptor *d)
{
	return (d->staterr & DD_EOP) == DD_EOP;
}

READ int has_rx_hash(const struct descriptor *d)
{
	return (d->info & 15) - 1 < 9;
}

READ __u32 value_rx_hash(const struct descriptor *d)
{
	return d->rss;
}

READ __u16 value_vlan_tci(const struct descriptor *d)
{
	return d->vlan;
}

READ int has_vlan_proto(const struct descriptor *d)
{
	return has_vlan_tci(d);
}

READ __be16 value_vlan_proto(const struct descriptor *d)
{
	return be16(0x8100);
}

/* No steering rule leaves one. */
READ int has_flow_mark(const struct descriptor *d)
{
	return 0;
}

READ __u32 value_flow_mark(const struct descriptor *d)
{
	return 0;
}

/* The length counts a timestamp. */
READ int has_pkt_len(const struct descriptor *d)
{
	return !(d->staterr & TSIP);
}

READ __u32 value_pkt_len(const struct descriptor *d)
{
	return d->length;
}

READ int has_rx_error(const struct descriptor *d)
{
	return (d->staterr & ERRORS) != 0;
}

#define E(key, value) [key] = value,
static const __u8 hash_types[16] = {MAP_hash_type};
#undef E

READ __u32 value_rx_hash_type(const struct descriptor *d)
{
	return hash_types[d->info & 15];
}

/* TCP, UDP, and both with extension headers. */
READ int l4_hash(const struct descriptor *d)
{
	return 1 << (d->info & 15) & (1 << 1 | 1 << 3 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 9);
}

READ int has_ptype(const struct descriptor *d)
{
	return 1;
}

/* What a packet type without a TCP header, with another one beside it, in a tunnel
 * or of an EtherType filter has in other bits. */
READ int is_tcp(const struct descriptor *d)
{
	/* IPv4, with options, IPv6, with extensions. */
	return (d->info & NOT_TCP) == TCP && 1 << (d->info >> 4 & 15) & (1 << 1 | 1 << 3 | 1 << 4 | 1 << 12);
}

READ int is_tcp4(const struct descriptor *d)
{
	return (d->info & (NOT_TCP | 0xd0)) == (TCP | 0x10);
}

READ int is_ipv4(const struct descriptor *d)
{
	return (value_ptype(d) & 0x10) != 0;
}

READ int csum_good(const struct descriptor *d)
{
	return value_csum_status(d) == 1;
}

READ int has_inner_vlan_tci(const struct descriptor *d)
{
	return 0;
}

READ __u16 value_inner_vlan_tci(const struct descriptor *d)
{
	return 0;
}
