/* What the shapes share: the parts of the BPF ABI (linux/bpf.h, 6.12) that they
 * use, so that they compile without kernel or libbpf headers. The hint struct
 * is not here: each shape declares the members it reads, as a user may. */
#pragma once

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;

struct xdp_md {
	__u32 data, data_end, data_meta;
	__u32 ingress_ifindex, rx_queue_index, egress_ifindex;
};

enum xdp_action { XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX, XDP_REDIRECT };
enum { BPF_MAP_TYPE_ARRAY = 2, BPF_MAP_TYPE_PROG_ARRAY = 3, BPF_MAP_TYPE_RINGBUF = 27 };

#define SEC(name) __attribute__((section(name), used))
#define __uint(name, val) int (*name)[val]
#define __type(name, val) typeof(val) *name
#define __array(name, val) typeof(val) *name[]
#define __noinline __attribute__((noinline))
#define __ksym __attribute__((section(".ksyms")))
#define CORE __attribute__((preserve_access_index))

static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*bpf_map_update_elem)(void *map, const void *key, const void *value, __u64 flags) = (void *)2;
static __u64 (*bpf_ktime_get_ns)(void) = (void *)5;
static __u32 (*bpf_get_smp_processor_id)(void) = (void *)8;
static long (*bpf_tail_call)(void *ctx, void *map, __u32 index) = (void *)12;
static long (*bpf_xdp_adjust_head)(struct xdp_md *ctx, int delta) = (void *)44;
static long (*bpf_xdp_adjust_meta)(struct xdp_md *ctx, int delta) = (void *)54;
static long (*bpf_xdp_adjust_tail)(struct xdp_md *ctx, int delta) = (void *)65;
static long (*bpf_ringbuf_output)(void *ringbuf, void *data, __u64 size, __u64 flags) = (void *)130;
static long (*bpf_loop)(__u32 n, void *callback, void *ctx, __u64 flags) = (void *)181;

#define field_exists(field) __builtin_preserve_field_info(field, 2)
#define field_size(field) __builtin_preserve_field_info(field, 1)
#define field_offset(field) __builtin_preserve_field_info(field, 0)
#define type_exists(type) __builtin_preserve_type_info(*(typeof(type) *)0, 0)
#define type_size(type) __builtin_preserve_type_info(*(typeof(type) *)0, 1)

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define htons(x) __builtin_bswap16(x)
#else
#define htons(x) (x)
#endif

/* The compiler may assume nothing about x from here on. */
#define HIDE(x) asm volatile("" : "+r"(x))
/* What x points at is memory that someone reads and writes. */
#define ESCAPE(x) asm volatile("" : : "r"(x) : "memory")
/* Nothing survives in a callee-saved register. */
#define SPILL_ALL asm volatile("" : : : "r6", "r7", "r8", "r9")

struct hintjit_rx;
extern const struct hintjit_rx *hintjit_rx(struct xdp_md *ctx) __ksym;

/* What a shape found out: the harness compares it with the shape's model. */
__u64 out[64];

static __attribute__((always_inline)) inline void *data(struct xdp_md *ctx)
{
	return (void *)(long)ctx->data;
}

static __attribute__((always_inline)) inline void *data_end(struct xdp_md *ctx)
{
	return (void *)(long)ctx->data_end;
}

static __attribute__((always_inline)) inline void *data_meta(struct xdp_md *ctx)
{
	return (void *)(long)ctx->data_meta;
}

char _license[] SEC("license") = "GPL";
