/* ixgbe_main.c: ixgbe_process_skb_fields, ixgbe_rx_checksum. */
#define ERRORS (7 << 27 | 3 << 24)
#define TUNNEL (1 << 16)
#define NOT_TCP (TUNNEL | ETQF | SCTP | UDP | TCP)
#include "adv.h"

#define VXLAN (1 << 11) /* of info */
#define L4CS (1 << 5)
#define IPCS (1 << 6)
#define OUTERIPCS (1 << 8)
#define OUTERIPER (1 << 26)
#define TCPE (1 << 30)
#define IPE (1u << 31)

READ int has_vlan_tci(const struct descriptor *d)
{
	return (d->staterr & VP) != 0;
}

READ __u32 value_rx_error(const struct descriptor *d)
{
	return (d->staterr >> 24 & 3) | (d->staterr >> 27 & 7) << 2;
}

/* By all seven bits, as DPDK's ptype_table and ptype_table_tn; the maps' keys are
 * without that of UDP. */
#define E(key, value) [(key & 0x1f) | (key & 0x20) << 1] = value,
#define UDP_E(key, value) [0x20 | (key & 0x1f) | (key & 0x20) << 1] = value,
static const __u32 ptypes[128] = {MAP_ptype
#undef E
#define E UDP_E
	MAP_ptype_udp};
#undef E
#define E(key, value) [(key & 0x1f) | (key & 0x20) << 1] = value,
static const __u32 tunnel_ptypes[128] = {MAP_ptype_nvgre
#undef E
#define E UDP_E
	MAP_ptype_nvgre_udp};
#undef E

READ __u32 value_ptype(const struct descriptor *d)
{
	__u32 index = d->info >> 4 & 0x7f, type;

	if (d->info & ETQF)
		return 0;
	if (!(d->info & TUNNEL))
		return ptypes[index];
	type = tunnel_ptypes[index];
	return type && d->info & VXLAN ? type + 0x1200 : type;
}

READ __u8 value_csum_status(const struct descriptor *d)
{
	if (d->info & ETQF)
		return 0;
	if ((d->staterr & IPCS) && (d->staterr & IPE))
		return 2;
	if (!(d->staterr & L4CS))
		return 0;
	if (d->staterr & TCPE)
		return d->info & UDP ? 0 : 2;
	return !(d->info & VXLAN && (d->staterr & (OUTERIPCS | OUTERIPER)) == (OUTERIPCS | OUTERIPER));
}
