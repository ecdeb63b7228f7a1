/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* The programs as a user writes them: hints through hintjit.h, to be rewritten. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "../../../bpf/hintjit.h"
#include "subject.h"

static __always_inline void fill(struct xdp_md *ctx, struct record *r)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

#define COPY(name)                                       \
	if (bpf_core_field_exists(h->name))              \
		r->exists |= 1u << HINT_##name;          \
	r->value[HINT_##name] = h->name;                 \
	r->has |= (__u32)h->has_##name << HINT_##name;
	EACH_HINT(COPY)
}
