/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* N instructions in each of several functions, with branches over some of them.
 * A function of the object's own is called from the middle of each.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define TEXT(x) #x
#define NUMBER(x) TEXT(x)

__u64 total;

static __attribute__((noinline)) int add(int v)
{
	total += v;
	return v + 1;
}

/* Four of five only count: each branch is a state that the verifier keeps. */
#define BLOCK(name, n)                                                          \
	asm volatile(".rept " NUMBER(n) " / 100\n"                              \
		     "if %[v] == 77 goto +2\n"                                  \
		     ".rept 97\n%[v] += 1\n.endr\n"                             \
		     "%[v] &= 15\n%[v] += 1\n"                                  \
		     ".endr\n" : [v] "+r"(v))

#define PROGRAM(name)                                                           \
	SEC("xdp") int name(struct xdp_md *ctx)                                 \
	{                                                                       \
		__u64 v = ctx->rx_queue_index & 7;                              \
		BLOCK(name, N);                                                 \
		v = add(v);                                                     \
		BLOCK(name, N);                                                 \
		return v & 1 ? XDP_PASS : XDP_DROP;                             \
	}

PROGRAM(one)
#ifdef FOUR
PROGRAM(two)
PROGRAM(three)
PROGRAM(four)
#endif

char _license[] SEC("license") = "GPL";
