/* vmxnet3_drv.c: vmxnet3_rq_rx_complete, vmxnet3_rx_csum; DPDK's vmxnet3_rx_offload. */
struct descriptor {
	__u32 info, rss_hash, len, flags;
};

/* Of info. */
#define EXT1 (3 << 12) /* what follows is of an inner packet */
#define SOP_EOP (3 << 14)
#define RSS_TYPE (15 << 26)
#define CNC (1 << 30)
/* Of len. */
#define ERR (1 << 14)
#define TS (1 << 15)
/* Of flags. */
#define TUC (1 << 16)
#define UDP (1 << 17)
#define TCP (1 << 18)
#define IPC (1 << 19)
#define V6 (1 << 20)
#define V4 (1 << 21)
#define FRG (1 << 22)
#define TYPE (0x7f << 24)
#define TYPE_LRO (4 << 24)

READ int is_ready(const struct descriptor *d)
{
	return (d->info & SOP_EOP) == SOP_EOP && (d->flags & TYPE) != TYPE_LRO;
}

READ int has_rx_hash(const struct descriptor *d)
{
	return (d->info & RSS_TYPE) != 0;
}

READ __u32 value_rx_hash(const struct descriptor *d)
{
	return d->rss_hash;
}

READ int has_vlan_tci(const struct descriptor *d)
{
	return (d->len & TS) != 0;
}

READ __u16 value_vlan_tci(const struct descriptor *d)
{
	return d->len >> 16;
}

READ int has_vlan_proto(const struct descriptor *d)
{
	return has_vlan_tci(d);
}

READ __be16 value_vlan_proto(const struct descriptor *d)
{
	return be16(0x8100);
}

/* The device has no steering rules. */
READ int has_flow_mark(const struct descriptor *d)
{
	return 0;
}

READ __u32 value_flow_mark(const struct descriptor *d)
{
	return 0;
}

READ int has_pkt_len(const struct descriptor *d)
{
	return 1;
}

READ __u32 value_pkt_len(const struct descriptor *d)
{
	return d->len & 0x3fff;
}

READ int has_rx_error(const struct descriptor *d)
{
	return (d->len & ERR) != 0;
}

READ __u32 value_rx_error(const struct descriptor *d)
{
	return 1;
}

READ int has_ptype(const struct descriptor *d)
{
	return !(d->info & EXT1);
}

READ __u32 value_ptype(const struct descriptor *d)
{
	__u32 type = d->flags & V4 ? 0x91 : d->flags & V6 ? 0xe1 : 0x01;

	if (type == 0x01)
		return type;
	return type | (d->flags & FRG ? 0x300 : d->flags & TCP ? 0x100 : d->flags & UDP ? 0x200 : 0);
}

READ int is_tcp(const struct descriptor *d)
{
	return has_ptype(d) && d->flags & (V4 | V6) && (d->flags & (TCP | FRG)) == TCP;
}

READ int is_tcp4(const struct descriptor *d)
{
	return has_ptype(d) && (d->flags & (V4 | TCP | FRG)) == (V4 | TCP);
}

READ int is_ipv4(const struct descriptor *d)
{
	return has_ptype(d) && d->flags & V4;
}

READ int csum_good(const struct descriptor *d)
{
	if (d->info & CNC || !(d->flags & TUC))
		return 0;
	return d->flags & V6 || (d->flags & (V4 | IPC)) == (V4 | IPC);
}

READ __u8 value_csum_status(const struct descriptor *d)
{
	return csum_good(d);
}

#define E(key, value) [key] = value,
static const __u8 hash_types[16] = {MAP_hash_type};
#undef E

READ __u32 value_rx_hash_type(const struct descriptor *d)
{
	return hash_types[d->info >> 26 & 15];
}

/* TCP, UDP and ESP, over IPv4 and IPv6. */
READ int l4_hash(const struct descriptor *d)
{
	return 1 << (d->info >> 26 & 15) & (1 << 2 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8);
}

READ int has_inner_vlan_tci(const struct descriptor *d)
{
	return 0;
}

READ __u16 value_inner_vlan_tci(const struct descriptor *d)
{
	return 0;
}
