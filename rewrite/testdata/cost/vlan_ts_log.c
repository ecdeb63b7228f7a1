/* bpf/examples/vlan_ts_log.c, by hand for one NIC. */
#define vlan_ts_log by_hints
#include "../../../bpf/examples/vlan_ts_log.c"
#undef vlan_ts_log
#include "byhand.h"

SEC("xdp")
int vlan_ts_log(struct xdp_md *ctx)
{
	struct record *r;
	__u16 tci;

	OPEN(ctx);
	if (!has(vlan_tci))
		return XDP_PASS;
	r = bpf_ringbuf_reserve(&records, sizeof(*r), 0);
	if (!r) {
		count_lost();
		return XDP_PASS;
	}

	r->clock = CLOCK_KERNEL;
#ifdef HAS_TIMESTAMP_LOW32
	if (has(timestamp_low32)) {
		r->clock = CLOCK_NIC_LOW32;
		r->time = value(timestamp_low32);
	}
#endif
#ifdef HAS_CQE_TIMESTAMP
	if (has(cqe_timestamp)) {
		r->clock = CLOCK_MLX5;
		r->time = value(cqe_timestamp);
	}
#endif
	if (r->clock == CLOCK_KERNEL)
		r->time = bpf_ktime_get_ns();
	r->ifindex = ctx->ingress_ifindex;
	r->queue = ctx->rx_queue_index;
	tci = value(vlan_tci);
	r->vlan = tci & VLAN_ID;
	r->inner_vlan = get(inner_vlan_tci) & VLAN_ID;
	r->proto = get(vlan_proto);
	r->priority = tci >> 13;
	bpf_ringbuf_submit(r, 0);

	return XDP_PASS;
}
