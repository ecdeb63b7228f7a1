/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Takes the place of a subject's function, to see whether the kernel lets it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("freplace/look_global")
int replace(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
