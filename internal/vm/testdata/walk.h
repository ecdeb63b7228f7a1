/* What walks written by hand share. They are an oracle: nothing of hintjit's
 * layouts or rewriting is in them, only the kernel's structs. */
#ifndef WALK_H
#define WALK_H

/* Hints are written here, not read: the plain struct, as in user space. */
#undef __bpf__
#include "record.h"

#define KERNEL __attribute__((preserve_access_index))

struct net_device {
	__u8 priv[0]; /* a member since 6.12 */
} KERNEL;

struct xdp_rxq_info {
	struct net_device *dev;
	__u32 queue_index;
} KERNEL;

struct xdp_buff {
	void *data;
	struct xdp_rxq_info *rxq;
} KERNEL;

struct bpf_raw_tracepoint_args {
	__u64 args[0];
};

extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym;
extern void *bpf_rdonly_cast(void *object, __u32 type) __ksym;

/* An address as memory of any length. A struct of a module can not be named in
 * bpf_rdonly_cast (fetch_kfunc_meta in kernel/bpf/verifier.c, 6.12: ids are
 * vmlinux's), and this one of vmlinux ends in an array without bounds.
 * The numbers are BPF_TYPE_ID_TARGET and BPF_FIELD_BYTE_OFFSET. */
#define RAW(address) \
	bpf_rdonly_cast((void *)(address), \
			__builtin_btf_type_id(*(struct bpf_raw_tracepoint_args *)0, 1))
#define OFFSET(type, member) __builtin_preserve_field_info(((type *)0)->member, 0)

/* What the member that is at an address is part of. */
#define CONTAINER(address, type, member) RAW((char *)(address) - OFFSET(type, member))

#define GIVE(r, hint, value) ((r)->rx.hint = (value), (r)->rx.has_##hint = 1)

/* Bits of struct record's exists. */
enum {
	RX_HASH = 1 << 0,
	RX_HASH_TYPE = 1 << 1,
	VLAN_TCI = 1 << 3,
	VLAN_PROTO = 1 << 4,
	PTYPE = 1 << 6,
	CSUM_STATUS = 1 << 7,
	PKT_LEN = 1 << 10,
	RX_QUEUE = 1 << 11,
};

#define IPV4 HINTJIT_RSS_L3_IPV4
#define IPV6 HINTJIT_RSS_L3_IPV6
#define TCP (HINTJIT_RSS_L4 | HINTJIT_RSS_L4_TCP)
#define UDP (HINTJIT_RSS_L4 | HINTJIT_RSS_L4_UDP)

#endif
