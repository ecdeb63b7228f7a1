/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The parts of the kernel's interface to XDP programs that the examples use. */
#ifndef HINTJIT_LINUX_BPF_H
#define HINTJIT_LINUX_BPF_H

#include <linux/types.h>

enum xdp_action {
	XDP_ABORTED = 0,
	XDP_DROP,
	XDP_PASS,
	XDP_TX,
	XDP_REDIRECT,
};

struct xdp_md {
	__u32 data;
	__u32 data_end;
	__u32 data_meta;
	__u32 ingress_ifindex;
	__u32 rx_queue_index;
	__u32 egress_ifindex;
};

/* An enum in the kernel's header too: part of a map definition's type. */
enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_XSKMAP = 17,
	BPF_MAP_TYPE_RINGBUF = 27,
};

#endif
