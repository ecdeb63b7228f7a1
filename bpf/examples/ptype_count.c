// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * Counts packets by their L4 type and drops them: the kernel's old xdp1 sample,
 * which parsed Ethernet and IP for it. Here the NIC did that, and the packet is
 * not even touched.
 *
 *	hintjit rewrite ptype_count.el.o --nic i40e
 *	bpftool map dump name packets
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "../hintjit.h"

/* One slot for each L4 type of HINTJIT_PTYPE_L4_*: 0 counts what the NIC could
 * not tell, 1 TCP, 2 UDP, 3 fragments, 4 SCTP, 5 ICMP ...
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} packets SEC(".maps");

SEC("xdp")
int ptype_count(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u32 l4 = (h->ptype & HINTJIT_PTYPE_L4_MASK) >> HINTJIT_PTYPE_L4_SHIFT;
	__u64 *count;

	/* Without a packet type h->ptype is 0, which is what slot 0 is for: no need
	 * to ask has_ptype.
	 */
	count = bpf_map_lookup_elem(&packets, &l4);
	if (count)
		*count += 1;

	return XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
