/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * hintjit.h: what a NIC says about a received packet, for XDP programs.
 *
 *	#include <linux/bpf.h>            (or "vmlinux.h")
 *	#include <bpf/bpf_helpers.h>
 *	#include "hintjit.h"
 *
 *	SEC("xdp")
 *	int prog(struct xdp_md *ctx)
 *	{
 *		const struct hintjit_rx *h = hintjit_rx(ctx);
 *
 *		if (h->has_vlan_tci && h->vlan_tci == 100)
 *			return XDP_DROP;
 *		return XDP_PASS;
 *	}
 *
 * No kernel has a function hintjit_rx. Before the program is loaded,
 *
 *	hintjit rewrite prog.o --nic i40e
 *
 * turns the call and every load through its result into reads of that NIC's
 * receive descriptor. An object that was not rewritten does not load: the loader
 * names hintjit_rx as an unknown function.
 *
 * What holds on every NIC:
 *
 * 1. h->X is 0 when this packet has no X, and h->has_X tells whether it has. A
 *    hash that is really 0 comes with has_rx_hash == 1.
 * 2. bpf_core_field_exists(h->X) is answered when the program is rewritten: 0
 *    when this NIC can never give X. The branch not taken is removed, so a
 *    fallback in software costs nothing where the NIC does the work.
 * 3. hintjit_rx never returns NULL. Where there is no descriptor, every has_X
 *    is 0.
 * 4. A value is never that of another packet. Where this can not be excluded,
 *    the hint is absent.
 * 5. Reading hints changes nothing else: not the packet, the maps or the
 *    verdict.
 * 6. Hints stay readable until the program returns: after
 *    bpf_xdp_adjust_head/meta/tail, after writes to the packet or the metadata
 *    area, after calls, and in functions that h is passed to.
 * 7. Hints are those of the packet as it arrived, wherever hintjit_rx is called
 *    and however often.
 *
 * Members are matched by name, never by their place. So a program may have a
 * struct of its own with the members it uses, in any order, among them members
 * that only one vendor's NICs give:
 *
 *	#define HINTJIT_OWN_RX
 *	#include "hintjit.h"
 *
 *	struct hintjit_rx {
 *		__u32 rx_hash;
 *		__u32 has_rx_hash : 1;
 *	} HINTJIT_RECORD;
 *
 * or beside this struct a flavour of it (three underscores and what follows are
 * ignored, as in CO-RE), to read single members through:
 *
 *	struct hintjit_rx___vendor {
 *		__u32 vendor_member;
 *	} HINTJIT_RECORD;
 *
 *	const struct hintjit_rx___vendor *v = (const void *)h;
 *
 * Do not copy a flavour as a whole: compiled code does not tell it from
 * struct hintjit_rx then.
 *
 * A program in user space that finds hints in the metadata area can include
 * this header too; it then gets the struct and the constants.
 */
#ifndef HINTJIT_H
#define HINTJIT_H

/*
 * __u32, __be16 and their like, and in BPF programs struct xdp_md, come from
 * whatever the program includes before: vmlinux.h or linux/bpf.h, which exclude
 * each other.
 */

#ifdef __bpf__
#define HINTJIT_RECORD __attribute__((preserve_access_index))
#else
#define HINTJIT_RECORD
#endif

#ifndef HINTJIT_OWN_RX
struct hintjit_rx {
	/* RSS hash as the NIC computed it; host order. */
	__u32 rx_hash;
	/* What rx_hash covers: HINTJIT_RSS_* bits, those of the kernel's enum
	 * xdp_rss_hash_type.
	 */
	__u32 rx_hash_type;
	/* When the packet arrived: nanoseconds of the NIC's own clock; host order. */
	__u64 rx_timestamp;
	/* Tag control information of the outermost VLAN tag, which the NIC took out
	 * of the packet: priority 15:13, DEI 12, VLAN id 11:0; host order.
	 */
	__u16 vlan_tci;
	/* EtherType of that tag (0x8100, 0x88a8); network order. */
	__be16 vlan_proto;
	/* Tag control information of the second tag; host order. */
	__u16 inner_vlan_tci;
	__u16 : 16;
	/* Packet type: HINTJIT_PTYPE_*, DPDK's encoding. */
	__u32 ptype;
	/* What the NIC says of the checksums: HINTJIT_CSUM_*. */
	__u8 csum_status;
	__u8 : 8;
	__u16 : 16;
	/* The NIC's sum over the packet, as the kernel's CHECKSUM_COMPLETE has it;
	 * for HINTJIT_CSUM_COMPLETE.
	 */
	__u32 csum;
	/* Mark, flow tag or flow director id that a steering rule set; host order. */
	__u32 flow_mark;
	/* Bytes of the frame that the descriptor reports; host order. */
	__u32 pkt_len;
	/* Number of the receive queue; host order. */
	__u16 rx_queue;
	__u16 : 16;
	/* Not 0: the NIC flagged an error. Which bits there are is the NIC's affair. */
	__u32 rx_error;
	/* Bytes from the frame's start to the network header; host order. */
	__u16 l3_offset;
	/* Bytes from the frame's start to the transport header; host order. */
	__u16 l4_offset;
	/* IPv4 addresses; network order. */
	__be32 src_ip4;
	__be32 dst_ip4;
	/* TCP, UDP or SCTP ports; network order. */
	__be16 src_port;
	__be16 dst_port;
	__u32 : 32;

	/* has_X is 1 when X is valid for this packet. They begin at a multiple of 8:
	 * clang (19) rounds the offset that it puts into the load of a bit-field down
	 * to the struct's alignment and leaves the rest to the loader.
	 */
	__u32 has_rx_hash : 1;
	__u32 has_rx_hash_type : 1;
	__u32 has_rx_timestamp : 1;
	__u32 has_vlan_tci : 1;
	__u32 has_vlan_proto : 1;
	__u32 has_inner_vlan_tci : 1;
	__u32 has_ptype : 1;
	__u32 has_csum_status : 1;
	__u32 has_csum : 1;
	__u32 has_flow_mark : 1;
	__u32 has_pkt_len : 1;
	__u32 has_rx_queue : 1;
	__u32 has_rx_error : 1;
	__u32 has_l3_offset : 1;
	__u32 has_l4_offset : 1;
	__u32 has_src_ip4 : 1;
	__u32 has_dst_ip4 : 1;
	__u32 has_src_port : 1;
	__u32 has_dst_port : 1;
	__u32 : 13;
	__u32 : 0; /* else clang reads all 64 bits for one of the above */
	__u32 : 32;
} HINTJIT_RECORD;

/* The struct may be shared with user space, hence no holes but the ones written
 * above, and the same offsets on every machine.
 */
_Static_assert(sizeof(struct hintjit_rx) == 80, "struct hintjit_rx has a hole");
#endif

#ifdef __bpf__
struct hintjit_rx;
struct xdp_md;

/* The section is what libbpf's __ksym says; written out, because this header
 * may come before libbpf's or without it.
 */
extern const struct hintjit_rx *hintjit_rx(struct xdp_md *ctx)
	__attribute__((section(".ksyms")));
#endif

/* rx_hash_type. L4 is set with each of the protocols below it. */
#define HINTJIT_RSS_L3_IPV4	0x001
#define HINTJIT_RSS_L3_IPV6	0x002
#define HINTJIT_RSS_L3_DYNHDR	0x004 /* with IPv4 options or IPv6 extension headers */
#define HINTJIT_RSS_L4		0x008
#define HINTJIT_RSS_L4_TCP	0x010
#define HINTJIT_RSS_L4_UDP	0x020
#define HINTJIT_RSS_L4_SCTP	0x040
#define HINTJIT_RSS_L4_IPSEC	0x080 /* the SPI is part of the hash */
#define HINTJIT_RSS_L4_ICMP	0x100

/* csum_status */
#define HINTJIT_CSUM_UNKNOWN	0
#define HINTJIT_CSUM_GOOD	1 /* the NIC verified the L4 checksum */
#define HINTJIT_CSUM_BAD	2 /* the NIC found a wrong checksum */
#define HINTJIT_CSUM_COMPLETE	3 /* csum has the sum, comparing is up to the program */

/*
 * ptype: one nibble a layer, compared after masking. A layer that the NIC does
 * not tell is 0.
 */
#define HINTJIT_PTYPE_L2_MASK		0x0000000f
#define HINTJIT_PTYPE_L2_ETHER		0x00000001
#define HINTJIT_PTYPE_L2_TIMESYNC	0x00000002
#define HINTJIT_PTYPE_L2_ARP		0x00000003
#define HINTJIT_PTYPE_L2_LLDP		0x00000004
#define HINTJIT_PTYPE_L2_VLAN		0x00000006
#define HINTJIT_PTYPE_L2_QINQ		0x00000007

#define HINTJIT_PTYPE_L3_MASK		0x000000f0
#define HINTJIT_PTYPE_L3_IPV4		0x00000010
#define HINTJIT_PTYPE_L3_IPV4_EXT	0x00000030 /* with options */
#define HINTJIT_PTYPE_L3_IPV6		0x00000040
#define HINTJIT_PTYPE_L3_IPV4_EXT_UNKNOWN 0x00000090 /* perhaps with options */
#define HINTJIT_PTYPE_L3_IPV6_EXT	0x000000c0 /* with extension headers */
#define HINTJIT_PTYPE_L3_IPV6_EXT_UNKNOWN 0x000000e0 /* perhaps with them */
/* One bit is common to all kinds of IPv4, another to all of IPv6. */
#define HINTJIT_PTYPE_IS_IPV4(ptype)	(((ptype) & 0x10) != 0)
#define HINTJIT_PTYPE_IS_IPV6(ptype)	(((ptype) & 0x40) != 0)

#define HINTJIT_PTYPE_L4_MASK		0x00000f00
#define HINTJIT_PTYPE_L4_SHIFT		8
#define HINTJIT_PTYPE_L4_TCP		0x00000100
#define HINTJIT_PTYPE_L4_UDP		0x00000200
#define HINTJIT_PTYPE_L4_FRAG		0x00000300
#define HINTJIT_PTYPE_L4_SCTP		0x00000400
#define HINTJIT_PTYPE_L4_ICMP		0x00000500
#define HINTJIT_PTYPE_L4_NONFRAG	0x00000600 /* none of the above, not a fragment */
#define HINTJIT_PTYPE_L4_IGMP		0x00000700

#define HINTJIT_PTYPE_TUNNEL_MASK	0x0000f000
#define HINTJIT_PTYPE_TUNNEL_IP		0x00001000
#define HINTJIT_PTYPE_TUNNEL_GRE	0x00002000
#define HINTJIT_PTYPE_TUNNEL_VXLAN	0x00003000
#define HINTJIT_PTYPE_TUNNEL_NVGRE	0x00004000
#define HINTJIT_PTYPE_TUNNEL_GENEVE	0x00005000
#define HINTJIT_PTYPE_TUNNEL_GRENAT	0x00006000 /* GRE, VXLAN or the like */
#define HINTJIT_PTYPE_TUNNEL_GTPC	0x00007000
#define HINTJIT_PTYPE_TUNNEL_GTPU	0x00008000
#define HINTJIT_PTYPE_TUNNEL_ESP	0x00009000

#define HINTJIT_PTYPE_INNER_L2_MASK	0x000f0000
#define HINTJIT_PTYPE_INNER_L2_ETHER	0x00010000
#define HINTJIT_PTYPE_INNER_L2_VLAN	0x00020000
#define HINTJIT_PTYPE_INNER_L2_QINQ	0x00030000

/* Numbered otherwise than the outer layer, and without common bits. */
#define HINTJIT_PTYPE_INNER_L3_MASK	0x00f00000
#define HINTJIT_PTYPE_INNER_L3_IPV4	0x00100000
#define HINTJIT_PTYPE_INNER_L3_IPV4_EXT	0x00200000
#define HINTJIT_PTYPE_INNER_L3_IPV6	0x00300000
#define HINTJIT_PTYPE_INNER_L3_IPV4_EXT_UNKNOWN 0x00400000
#define HINTJIT_PTYPE_INNER_L3_IPV6_EXT	0x00500000
#define HINTJIT_PTYPE_INNER_L3_IPV6_EXT_UNKNOWN 0x00600000

#define HINTJIT_PTYPE_INNER_L4_MASK	0x0f000000
#define HINTJIT_PTYPE_INNER_L4_TCP	0x01000000
#define HINTJIT_PTYPE_INNER_L4_UDP	0x02000000
#define HINTJIT_PTYPE_INNER_L4_FRAG	0x03000000
#define HINTJIT_PTYPE_INNER_L4_SCTP	0x04000000
#define HINTJIT_PTYPE_INNER_L4_ICMP	0x05000000
#define HINTJIT_PTYPE_INNER_L4_NONFRAG	0x06000000

#endif
