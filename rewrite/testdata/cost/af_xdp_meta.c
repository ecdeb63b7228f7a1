/* bpf/examples/af_xdp_meta.c, by hand for one NIC. Its struct is here one of memory
 * only, so no record may be made of its members' places. */
#include <linux/bpf.h>
#define HINTJIT_OWN_RX
#include "../../../bpf/hintjit.h"
#undef HINTJIT_RECORD
#define HINTJIT_RECORD
#define af_xdp_meta by_hints
#include "../../../bpf/examples/af_xdp_meta.c"
#undef af_xdp_meta
#include "byhand.h"

SEC("xdp")
int af_xdp_meta(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *old = (void *)(long)ctx->data_meta;
	struct hintjit_rx m = {}, *meta;

	OPEN(ctx);
	if (d) { /* it is gone with adjust_meta */
		if (has_rx_hash(d)) {
			m.has_rx_hash = 1;
			m.rx_hash = value_rx_hash(d);
			m.rx_hash_type = value_rx_hash_type(d);
		}
		if (has_vlan_tci(d)) {
			m.has_vlan_tci = 1;
			m.vlan_tci = value_vlan_tci(d);
		}
		if (has_ptype(d)) {
			m.ptype = value_ptype(d);
			m.has_ptype = m.ptype != 0;
		}
		m.csum_status = value_csum_status(d);
		m.has_csum_status = m.csum_status != 0;
		if (has_flow_mark(d)) {
			m.has_flow_mark = 1;
			m.flow_mark = value_flow_mark(d);
		}
	}

	if (bpf_xdp_adjust_meta(ctx, (int)(data - old) - (int)sizeof(*meta)))
		return XDP_PASS;
	data = (void *)(long)ctx->data;
	meta = (void *)(long)ctx->data_meta;
	if ((void *)(meta + 1) > data)
		return XDP_PASS;
	*meta = m;
	return bpf_redirect_map(&sockets, ctx->rx_queue_index, XDP_PASS);
}
