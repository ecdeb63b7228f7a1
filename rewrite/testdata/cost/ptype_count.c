/* bpf/examples/ptype_count.c, by hand for one NIC. */
#define ptype_count by_hints
#include "../../../bpf/examples/ptype_count.c"
#undef ptype_count
#include "byhand.h"

SEC("xdp")
int ptype_count(struct xdp_md *ctx)
{
	OPEN(ctx);
	__u32 l4 = (get(ptype) & HINTJIT_PTYPE_L4_MASK) >> HINTJIT_PTYPE_L4_SHIFT;
	__u64 *count = bpf_map_lookup_elem(&packets, &l4);

	if (count)
		*count += 1;
	return XDP_DROP;
}
