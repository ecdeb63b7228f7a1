/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What stands around a subject: it has no hints and sends packets elsewhere. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile __u32 target = 0; /* the interface to redirect to */

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} devices SEC(".maps");

SEC("xdp")
int redirect(struct xdp_md *ctx)
{
	return bpf_redirect(target, 0);
}

SEC("xdp")
int redirect_map(struct xdp_md *ctx)
{
	return bpf_redirect_map(&devices, 0, XDP_ABORTED);
}

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("xdp")
int drop(struct xdp_md *ctx)
{
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
