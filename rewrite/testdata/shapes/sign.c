/* Sign extension: shifts up to v3, one ldsx on v4. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u16 vlan_tci;
	__u8 csum_status;
} CORE;

SEC("xdp") int sign(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = (__s64)(__s32)h->rx_hash;
	out[1] = (__s64)(__s16)h->vlan_tci;
	out[2] = (__s64)(__s8)h->csum_status;
	out[3] = (__s64)(__s8)(h->rx_hash >> 8);
	out[4] = (__s64)(__s16)(h->rx_hash >> 16);
	return XDP_PASS;
}
