/* BPF_CORE_READ: the member's address goes to bpf_probe_read_kernel. */
#include "shapes.h"

static long (*bpf_probe_read_kernel)(void *dst, __u32 size, const void *src) = (void *)113;

#include <bpf/bpf_core_read.h>

struct hintjit_rx {
	__u16 vlan_tci;
	__u32 rx_hash;
	__u64 rx_timestamp;
} CORE;

SEC("xdp") int core_read(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = BPF_CORE_READ(h, rx_hash);
	out[1] = BPF_CORE_READ(h, vlan_tci);
	out[2] = h->rx_timestamp;
	return XDP_PASS;
}
