/* i40e_txrx.c: i40e_process_skb_fields, i40e_rx_hash, i40e_rx_checksum. FORM_wb32: the
 * 32-byte form. */
struct descriptor {
	__u16 mirroring_status, l2tag1;
	__u32 rss;
	__u64 qword1;
#ifdef FORM_wb32
	__u16 ext_status, rsvd, l2tag2_1, l2tag2_2;
	__u32 flex_bytes, fd_id;
#endif
};

#define DD_EOF 3
#define L2TAG1P (1 << 2)
#define L3L4P (1 << 3)
#define FLM (1 << 11)
#define FLTSTAT (3 << 12)
#define IPV6EXADD (1 << 15)
#define ERRORS (1 << 25 | 7 << 19)
#define IPE_L4E_EIPE (7 << 22)
#define L4E (1 << 23)
#define PPRS (1 << 26)

READ int is_ready(const struct descriptor *d)
{
	return (d->qword1 & DD_EOF) == DD_EOF;
}

READ int has_rx_hash(const struct descriptor *d)
{
	return (d->qword1 & FLTSTAT) == FLTSTAT;
}

READ __u32 value_rx_hash(const struct descriptor *d)
{
	return d->rss;
}

#ifdef FORM_wb32
READ int has_vlan_tci(const struct descriptor *d)
{
	return d->qword1 & L2TAG1P || d->ext_status & 1;
}

READ __u16 value_vlan_tci(const struct descriptor *d)
{
	return d->qword1 & L2TAG1P ? d->l2tag1 : d->l2tag2_2;
}

READ int has_vlan_proto(const struct descriptor *d)
{
	return d->qword1 & L2TAG1P && !(d->ext_status & 1);
}

READ int has_flow_mark(const struct descriptor *d)
{
	return d->qword1 & FLM && (d->ext_status & 0x30) == 0x10;
}

READ __u32 value_flow_mark(const struct descriptor *d)
{
	return d->fd_id;
}

READ int has_inner_vlan_tci(const struct descriptor *d)
{
	return d->qword1 & L2TAG1P && d->ext_status & 1;
}

READ __u16 value_inner_vlan_tci(const struct descriptor *d)
{
	return d->l2tag2_2;
}
#else
READ int has_vlan_tci(const struct descriptor *d)
{
	return (d->qword1 & L2TAG1P) != 0;
}

READ __u16 value_vlan_tci(const struct descriptor *d)
{
	return d->l2tag1;
}

READ int has_vlan_proto(const struct descriptor *d)
{
	return has_vlan_tci(d);
}

READ int has_flow_mark(const struct descriptor *d)
{
	return (d->qword1 & (FLM | FLTSTAT)) == (FLM | 1 << 12);
}

READ __u32 value_flow_mark(const struct descriptor *d)
{
	return d->rss;
}

READ int has_inner_vlan_tci(const struct descriptor *d)
{
	return 0;
}

READ __u16 value_inner_vlan_tci(const struct descriptor *d)
{
	return 0;
}
#endif

READ __be16 value_vlan_proto(const struct descriptor *d)
{
	return be16(0x8100);
}

READ int has_pkt_len(const struct descriptor *d)
{
	return 1;
}

READ __u32 value_pkt_len(const struct descriptor *d)
{
	return d->qword1 >> 38 & 0x3fff;
}

READ int has_rx_error(const struct descriptor *d)
{
	return (d->qword1 & ERRORS) != 0;
}

READ __u32 value_rx_error(const struct descriptor *d)
{
	return (d->qword1 >> 19 & 7) | (d->qword1 >> 25 & 1) << 3;
}

#define TYPES 256
#include "intel_types.h"

READ __u8 hw_ptype(const struct descriptor *d)
{
	return d->qword1 >> 30;
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
	__u8 type = hw_ptype(d);

	return type == 26 || type == 92 || type == 158 || type == 164;
}

READ int is_ipv4(const struct descriptor *d)
{
	return (ptypes[hw_ptype(d)] & 0x10) != 0;
}

READ int is_tcp4(const struct descriptor *d)
{
	__u8 type = hw_ptype(d);

	return type == 26 || type == 158;
}

READ int csum_good(const struct descriptor *d)
{
	if (!(d->qword1 & L3L4P))
		return 0;
	switch (l4[hw_ptype(d)]) {
	case 4:
		return !(d->qword1 & (IPE_L4E_EIPE | PPRS));
	case 6:
		return !(d->qword1 & (IPV6EXADD | L4E | PPRS));
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

	if (!version || !(d->qword1 & L3L4P) || (version == 6 && d->qword1 & IPV6EXADD))
		return 0;
	if (d->qword1 & (version == 4 ? IPE_L4E_EIPE : L4E))
		return 2;
	return !(d->qword1 & PPRS);
}
