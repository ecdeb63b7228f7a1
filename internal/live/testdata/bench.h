/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The programs of the benchmark, for one way of getting hints: hints, of the file
 * that includes this, adds up the first n of the list in bench_linux_test.go.
 * benchN asks once for a packet. turnsN asks TURNS times, so that what it takes is
 * large beside the packet itself.
 */
#ifndef LIVE_BENCH_H
#define LIVE_BENCH_H

#define TURNS 16 /* as in bench_linux_test.go */

__u64 sink = 0;

static __u64 hints(struct xdp_md *ctx, int n);

#define BENCH(n)                                                  \
	SEC("xdp") int bench##n(struct xdp_md *ctx)               \
	{                                                         \
		sink = hints(ctx, n);                             \
		return XDP_DROP;                                  \
	}                                                         \
	SEC("xdp") int turns##n(struct xdp_md *ctx)               \
	{                                                         \
		_Pragma("clang loop unroll(disable)")             \
		for (int i = 0; i < TURNS; i++)                   \
			*(volatile __u64 *)&sink = hints(ctx, n); \
		return XDP_DROP;                                  \
	}

#endif
