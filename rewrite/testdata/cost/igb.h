/* igb_main.c: igb_process_skb_fields, igb_rx_checksum. */
#define ERRORS (1u << 31 | 1 << 28 | 7 << 24)
#define NOT_TCP (ETQF | SCTP | UDP | TCP)
#include "adv.h"

#define IXSM (1 << 2)
#define L4CS (3 << 4)
#define LB (1 << 18)
#define TCPE_IPE (3 << 29)

/* A looped-back frame's tag has either byte order. */
READ int has_vlan_tci(const struct descriptor *d)
{
	return (d->staterr & (VP | LB)) == VP;
}

READ __u32 value_rx_error(const struct descriptor *d)
{
	return (d->staterr >> 24 & 7) | (d->staterr >> 28 & 1) << 3 | (d->staterr >> 31) << 4;
}

#define E(key, value) [key] = value,
static const __u32 ptypes[128] = {MAP_ptype};
#undef E

READ __u32 value_ptype(const struct descriptor *d)
{
	return d->info & ETQF ? 0 : ptypes[d->info >> 4 & 0x7f];
}

/* Of frames with 60 bytes nothing bad is believed. */
READ __u8 value_csum_status(const struct descriptor *d)
{
	if (d->staterr & IXSM)
		return 0;
	if (d->staterr & TCPE_IPE)
		return d->length == 60 || (d->staterr & TSIP && d->length == 76) ? 0 : 2;
	return (d->staterr & L4CS) != 0;
}
