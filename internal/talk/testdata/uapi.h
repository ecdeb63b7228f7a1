/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the experiments take from the kernel's interface beyond bpf/include. */
#ifndef UAPI_H
#define UAPI_H

#define ETH_P_IPV6 0x86dd
#define ETH_P_8021Q 0x8100
#define ETH_P_8021AD 0x88a8
#define ETH_P_TEB 0x6558

#define IPPROTO_ICMP 1
#define IPPROTO_FRAGMENT 44
#define IPPROTO_GRE 47
#define IPPROTO_ICMPV6 58

#define BPF_ANY 0
#define BPF_F_MMAPABLE (1U << 10)
#define BPF_MAP_TYPE_LRU_HASH 9

struct ipv6hdr {
	__be32 version_class_flow;
	__be16 payload_len;
	__u8 nexthdr;
	__u8 hop_limit;
	__be32 saddr[4];
	__be32 daddr[4];
};

struct udphdr {
	__be16 source;
	__be16 dest;
	__be16 len;
	__sum16 check;
};

static long (*const bpf_map_update_elem)(void *map, const void *key, const void *value, __u64 flags) = (void *)2;
static long (*const bpf_xdp_adjust_head)(struct xdp_md *ctx, int delta) = (void *)44;

#endif
