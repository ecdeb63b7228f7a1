/* What every program under test leaves of a packet: one record, in the slot that
 * the packet's own source address names. */
#ifndef RECORD_H
#define RECORD_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>
#include "../../../bpf/hintjit.h"

struct record {
	__u32 seen;   /* how often */
	__u32 exists; /* bit n: the n-th hint of struct hintjit_rx can be had here */
	struct hintjit_rx rx;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct record);
} records SEC(".maps");

/* The frames under test come from 02:fe:..:id; others are none of our business. */
static __always_inline struct record *record_of(struct xdp_md *ctx)
{
	struct ethhdr *eth = (void *)(long)ctx->data;
	__u32 id;

	if ((void *)(eth + 1) > (void *)(long)ctx->data_end)
		return 0;
	if (eth->h_source[0] != 0x02 || eth->h_source[1] != 0xfe)
		return 0;
	id = eth->h_source[5];
	return bpf_map_lookup_elem(&records, &id);
}

#endif
