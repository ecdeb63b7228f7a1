/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* What the examples use of libbpf's header of this name. A helper is called by
 * its number, which is part of the kernel's interface (enum bpf_func_id in
 * include/uapi/linux/bpf.h).
 */
#ifndef HINTJIT_BPF_HELPERS_H
#define HINTJIT_BPF_HELPERS_H

#include <linux/types.h>

#define SEC(name) __attribute__((section(name), used))
#define __always_inline inline __attribute__((always_inline))
#define __ksym __attribute__((section(".ksyms")))

/* In a map's definition a number is the length of an array type, and a type is
 * what a pointer points to: both survive in BTF, where the loader reads them.
 */
#define __uint(name, value) int (*name)[value]
#define __type(name, of) of *name

static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static __u64 (*const bpf_ktime_get_ns)(void) = (void *)5;
static __u32 (*const bpf_get_smp_processor_id)(void) = (void *)8;
static long (*const bpf_redirect_map)(void *map, __u64 key, __u64 flags) = (void *)51;
static long (*const bpf_xdp_adjust_meta)(struct xdp_md *ctx, int delta) = (void *)54;
static long (*const bpf_probe_read_kernel)(void *to, __u32 size, const void *from) = (void *)113;
static void *(*const bpf_ringbuf_reserve)(void *map, __u64 size, __u64 flags) = (void *)131;
static void (*const bpf_ringbuf_submit)(void *data, __u64 flags) = (void *)132;
static __u64 (*const bpf_xdp_get_buff_len)(struct xdp_md *ctx) = (void *)188;
static long (*const bpf_xdp_load_bytes)(struct xdp_md *ctx, __u32 offset, void *to, __u32 length) = (void *)189;

#endif
