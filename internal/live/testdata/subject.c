/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The programs as a user writes them: hints through hintjit.h, to be rewritten. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "../../../bpf/hintjit.h"
#include "subject.h"

static __always_inline void fill(struct xdp_md *ctx, struct record *r)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

#define COPY(name)                                       \
	if (bpf_core_field_exists(h->name))              \
		r->exists |= 1u << HINT_##name;          \
	r->value[HINT_##name] = h->name;                 \
	r->has |= (__u32)h->has_##name << HINT_##name;
	EACH_HINT(COPY)
}

/* For the benchmark: the cost of one hint and of five, and nothing else. */
__u64 sink = 0;

SEC("xdp")
int bench1(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	if (h->has_rx_hash)
		sink = h->rx_hash;
	return XDP_DROP;
}

SEC("xdp")
int bench5(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u64 sum = h->rx_hash + h->rx_hash_type + h->flow_mark + h->csum_status;

	if (h->has_vlan_tci)
		sum += h->vlan_tci;
	sink = sum;
	return XDP_DROP;
}
