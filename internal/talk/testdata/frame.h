/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Where a program's frame lies.
 *
 * With ATTACHED it is the context's, as on a NIC: so the programs are tried. The
 * kernel copies that frame in just before it runs the program, so it is never cold.
 *
 * Without, it is one of many buffers in a map that the benchmark maps and flushes
 * from the cache. All programs pay alike for finding it. The next buffer is chosen
 * after what the program found out of this one, where in_turn says so: no load
 * of the next frame can start before.
 */
#ifndef FRAME_H
#define FRAME_H

struct frame {
	void *data, *end;
};

#ifdef ATTACHED

static __always_inline int arrive(struct xdp_md *ctx, struct frame *f)
{
	f->data = (void *)(long)ctx->data;
	f->end = (void *)(long)ctx->data_end;
	return 1;
}

/* Makes room before the frame, which begins there then. */
static __always_inline int grow(struct xdp_md *ctx, struct frame *f, int bytes)
{
	return !bpf_xdp_adjust_head(ctx, -bytes) && arrive(ctx, f);
}

static __always_inline int leave(int verdict, __u32 found)
{
	(void)found;
	return verdict;
}

#else

#define BUFFERS 4096
/* Odd, so that all buffers have their turn, and neighbours are pages apart: nothing
 * that a prefetcher would guess.
 */
#define STRIDE 1597

struct buffer {
	__u8 headroom[64];
	__u8 frame[192];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, BUFFERS);
	__type(key, __u32);
	__type(value, struct buffer);
} buffers SEC(".maps");

/* The benchmark sets these. */
volatile __u32 last; /* buffers in use, less one */
volatile __u32 length; /* bytes of each frame, at most 127 */
volatile __u32 in_turn;
volatile __u32 zero; /* stays 0, which no compiler and no CPU knows */
volatile __u32 runs; /* how many are timed */

/* BPF_PROG_RUN tells whole nanoseconds a run, and the system call takes milliseconds
 * around the runs (bpf_prog_change_xdp in net/bpf/test_run.c, Linux 6.12): the first
 * run and the last look at the clock.
 */
volatile __u64 started, ended;

volatile __u32 turn;

static __always_inline int arrive(struct xdp_md *ctx, struct frame *f)
{
	__u32 key = turn * STRIDE & last;
	struct buffer *b;

	(void)ctx;
	if (!turn)
		started = bpf_ktime_get_ns();
	b = bpf_map_lookup_elem(&buffers, &key);
	if (!b)
		return 0;
	f->data = b->frame;
	f->end = f->data + (length & 127);
	return 1;
}

static __always_inline int grow(struct xdp_md *ctx, struct frame *f, int bytes)
{
	(void)ctx;
	f->data -= bytes;
	return 1;
}

/* found is what the verdict rests on. */
static __always_inline int leave(int verdict, __u32 found)
{
	__u32 next = turn + 1;

	if (in_turn)
		next += found & zero;
	turn = next;
	if (next == runs)
		ended = bpf_ktime_get_ns();
	return verdict;
}

#endif
#endif
