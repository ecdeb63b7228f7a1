/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef HINTJIT_BPF_CORE_READ_H
#define HINTJIT_BPF_CORE_READ_H

/* BPF_CORE_FIELD_EXISTS is 2 in the kernel's enum bpf_core_relo_kind, which clang
 * takes as its second argument.
 */
#define bpf_core_field_exists(field) __builtin_preserve_field_info(field, 2)

/* A bit-field whose type is __u8, as this kernel has it: the loader fills in the
 * byte and how far to shift (BPF_CORE_FIELD_BYTE_OFFSET, _LSHIFT_U64, _RSHIFT_U64).
 */
#define BPF_CORE_READ_BITFIELD(s, field)                                       \
	((__u64)*(__u8 *)((char *)(s) + __builtin_preserve_field_info((s)->field, 0)) \
		 << __builtin_preserve_field_info((s)->field, 4) >>            \
	 __builtin_preserve_field_info((s)->field, 5))

#endif
