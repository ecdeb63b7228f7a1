/* The struct is published in the metadata area for AF_XDP: what the driver left
 * there is dropped, an area of the struct's size is made and assigned. It may
 * lie where the descriptor was. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
	__u16 vlan_tci;
	__u8 csum_status;
	__u8 has_rx_hash : 1, has_ptype : 1, has_vlan_tci : 1, has_csum_status : 1;
} CORE;

SEC("xdp") int copy_meta(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	struct hintjit_rx *m;

	if (bpf_xdp_adjust_meta(ctx, data(ctx) - data_meta(ctx)))
		return XDP_ABORTED;
	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*m)))
		return XDP_ABORTED;
	m = data_meta(ctx);
	if ((void *)(m + 1) > data(ctx))
		return XDP_DROP;
	*m = *h;
	return XDP_PASS;
}
