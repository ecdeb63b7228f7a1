/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Which packet this is. Several programs look at one packet, in XDP and in tc,
 * and user space compares what each of them saw: so the test writes a number into
 * the payload, and every program finds it there.
 *
 * load_bytes is bpf_xdp_load_bytes or bpf_skb_load_bytes: both read past the
 * linear part, where the payload of a TCP segment lies.
 */
#ifndef LIVE_PACKET_H
#define LIVE_PACKET_H

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#define MARKED 0x68696e74 /* what the payload begins with; the number follows */

/* Where the transport header begins; 0 for what the test did not send. */
static __always_inline __u32 transport(void *ctx, __u8 *protocol)
{
	__be16 type;
	__u32 off = ETH_HLEN;

	if (load_bytes(ctx, off - sizeof(type), &type, sizeof(type)))
		return 0;
	if (type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD)) {
		off += 4;
		if (load_bytes(ctx, off - sizeof(type), &type, sizeof(type)))
			return 0;
	}
	if (type == bpf_htons(ETH_P_IP)) {
		struct iphdr ip;

		if (load_bytes(ctx, off, &ip, sizeof(ip)))
			return 0;
		*protocol = ip.protocol;
		return off + ip.ihl * 4;
	}
	if (type == bpf_htons(ETH_P_IPV6)) {
		struct ipv6hdr ip6;

		if (load_bytes(ctx, off, &ip6, sizeof(ip6)))
			return 0;
		*protocol = ip6.nexthdr;
		return off + sizeof(ip6);
	}
	return 0;
}

/* The packet's number; 0 for what the test did not send. */
static __always_inline __u32 identify(void *ctx)
{
	__u8 protocol = 0;
	__u32 off = transport(ctx, &protocol);
	struct tcphdr tcp;
	__be32 payload[2];

	if (!off)
		return 0;
	if (protocol == IPPROTO_UDP) {
		off += sizeof(struct udphdr);
	} else if (protocol == IPPROTO_TCP) {
		if (load_bytes(ctx, off, &tcp, sizeof(tcp)))
			return 0;
		off += tcp.doff * 4;
	} else {
		return 0;
	}
	if (load_bytes(ctx, off, payload, sizeof(payload)) || payload[0] != bpf_htonl(MARKED))
		return 0;
	return bpf_ntohl(payload[1]);
}

/* What a program saw of each packet, by its number. */
#define SEEN(record)                                     \
	struct {                                         \
		__uint(type, BPF_MAP_TYPE_HASH);         \
		__uint(max_entries, 4096);               \
		__type(key, __u32);                      \
		__type(value, struct record);            \
	} seen SEC(".maps")

#endif
