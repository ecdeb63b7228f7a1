/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef HINTJIT_BPF_CORE_READ_H
#define HINTJIT_BPF_CORE_READ_H

/* BPF_CORE_FIELD_EXISTS is 2 in the kernel's enum bpf_core_relo_kind, which clang
 * takes as its second argument.
 */
#define bpf_core_field_exists(field) __builtin_preserve_field_info(field, 2)

#endif
