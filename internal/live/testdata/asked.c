/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The benchmark's programs as a user writes them, to be rewritten. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "../../../bpf/hintjit.h"
#include "bench.h"

static __always_inline __u64 hints(struct xdp_md *ctx, int n)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u64 sum = 0;

	if (n > 0 && h->has_rx_hash)
		sum += h->rx_hash;
	if (n > 1 && h->has_vlan_tci)
		sum += h->vlan_tci;
	if (n > 2 && h->has_rx_timestamp)
		sum += h->rx_timestamp;
	if (n > 3 && h->has_rx_queue)
		sum += h->rx_queue;
	if (n > 4 && h->has_flow_mark)
		sum += h->flow_mark;
	if (n > 5 && h->has_csum_status)
		sum += h->csum_status;
	if (n > 6 && h->has_pkt_len)
		sum += h->pkt_len;
	return sum;
}

BENCH(1)
BENCH(2)
BENCH(3)
BENCH(4)
BENCH(5)
BENCH(6)
BENCH(7)

char LICENSE[] SEC("license") = "GPL";
