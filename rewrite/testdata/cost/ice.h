/* ice_txrx_lib.c: ice_process_skb_fields, ice_rx_csum; profiles 2 and 6. */
struct descriptor {
	__u8 rxdid, mir_id_umb_cast;
	__u16 ptype_flexi_flags0, pkt_len, hdr_len;
	__u16 status0, l2tag1;
	__u32 rss_hash;
	__u16 status1;
	__u8 flexi_flags2, ts_low;
	__u16 l2tag2_1st, l2tag2_2nd;
	__u32 flow_id, ts_high;
};

#define DD_EOF 3
#define HBO (1 << 2)
#define L3L4P (1 << 3)
#define IPE_L4E (3 << 4)
#define L4E (1 << 5)
#define EIPE (1 << 6)
#define EUDPE (1 << 7)
#define IPV6EXADD (1 << 9)
#define RXE (1 << 10)
#define RSS_VALID (1 << 12)
#define L2TAG1P (1 << 13)

#define NAT (1 << 4)
#define L2TAG2P (1 << 11)
#define XTRMD (3 << 12)

READ int is_ready(const struct descriptor *d)
{
	return (d->status0 & DD_EOF) == DD_EOF && (d->rxdid == 2 || d->rxdid == 6);
}

READ int has_rx_hash(const struct descriptor *d)
{
	return (d->status0 & RSS_VALID) != 0;
}

READ __u32 value_rx_hash(const struct descriptor *d)
{
	return d->rss_hash;
}

READ int has_vlan_tci(const struct descriptor *d)
{
	return d->status0 & L2TAG1P || d->status1 & L2TAG2P;
}

READ __u16 value_vlan_tci(const struct descriptor *d)
{
	return d->status0 & L2TAG1P ? d->l2tag1 : d->l2tag2_2nd;
}

/* The ring has it, which is not here. */
READ int has_vlan_proto(const struct descriptor *d)
{
	return 0;
}

READ __be16 value_vlan_proto(const struct descriptor *d)
{
	return 0;
}

READ int has_flow_mark(const struct descriptor *d)
{
	return d->rxdid == 2 && (d->status1 & XTRMD) == XTRMD && d->flow_id && d->flow_id != 0xffffffff;
}

READ __u32 value_flow_mark(const struct descriptor *d)
{
	return d->flow_id;
}

READ int has_pkt_len(const struct descriptor *d)
{
	return 1;
}

READ __u32 value_pkt_len(const struct descriptor *d)
{
	return d->pkt_len & 0x3fff;
}

READ int has_rx_error(const struct descriptor *d)
{
	return (d->status0 & (RXE | HBO)) != 0;
}

READ __u32 value_rx_error(const struct descriptor *d)
{
	return (d->status0 >> 10 & 1) | (d->status0 >> 2 & 1) << 1;
}

#define TYPES 1024
#include "intel_types.h"

READ __u16 hw_ptype(const struct descriptor *d)
{
	return d->ptype_flexi_flags0 & 0x3ff;
}

READ int has_ptype(const struct descriptor *d)
{
	return 1;
}

READ __u32 value_ptype(const struct descriptor *d)
{
	return ptypes[hw_ptype(d)];
}

READ int is_tcp(const struct descriptor *d)
{
	__u16 type = hw_ptype(d);

	return type == 26 || type == 92 || type == 305 || type == 311;
}

READ int is_ipv4(const struct descriptor *d)
{
	return (ptypes[hw_ptype(d)] & 0x10) != 0;
}

READ int is_tcp4(const struct descriptor *d)
{
	__u16 type = hw_ptype(d);

	return type == 26 || type == 305;
}

READ int bad_outer_udp(const struct descriptor *d)
{
	return d->status1 & NAT && d->status0 & EUDPE;
}

READ int csum_good(const struct descriptor *d)
{
	if (!(d->status0 & L3L4P))
		return 0;
	switch (l4[hw_ptype(d)]) {
	case 4:
		return !(d->status0 & (EIPE | IPE_L4E)) && !bad_outer_udp(d);
	case 6:
		return !(d->status0 & (IPV6EXADD | L4E)) && !bad_outer_udp(d);
	}
	return 0;
}

READ int l4_hash(const struct descriptor *d)
{
	return has_rx_hash(d) && hash_types[hw_ptype(d)] & 8;
}

READ __u32 value_rx_hash_type(const struct descriptor *d)
{
	return hash_types[hw_ptype(d)];
}

READ __u8 value_csum_status(const struct descriptor *d)
{
	__u8 version = l4[hw_ptype(d)];

	if (!version || !(d->status0 & L3L4P) || d->status0 & (version == 4 ? EIPE : IPV6EXADD))
		return 0;
	return d->status0 & (version == 4 ? IPE_L4E : L4E) || bad_outer_udp(d) ? 2 : 1;
}

READ int has_inner_vlan_tci(const struct descriptor *d)
{
	return 0;
}

READ __u16 value_inner_vlan_tci(const struct descriptor *d)
{
	return 0;
}

#define HAS_TIMESTAMP_LOW32

READ int has_timestamp_low32(const struct descriptor *d)
{
	return d->ts_low & 1;
}

READ __u32 value_timestamp_low32(const struct descriptor *d)
{
	return d->ts_high;
}
