/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/* Everything that refers to something: callbacks of bpf_loop and of a map's
 * walk, global functions that call one another, a spin lock in a map's value,
 * data in every kind of section, configuration and symbols of the kernel, and
 * kernel functions that may not be there.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

extern unsigned int LINUX_KERNEL_VERSION __kconfig;
extern int CONFIG_HZ __kconfig;

extern void init_task __ksym __weak;
extern void no_such_symbol __ksym __weak;
extern void bpf_rcu_read_lock(void) __ksym __weak;
extern void bpf_rcu_read_unlock(void) __ksym __weak;
extern int bpf_no_such_function(int) __ksym __weak;

struct guarded {
	struct bpf_spin_lock lock;
	__u32 sum;
	__u64 max;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct guarded);
} shared SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 32);
	__type(value, __u32);
} queue SEC(".maps");

const volatile __u32 rounds = 7;
static const char names[][8] = { "zero", "one", "two", "three" };
const volatile __u16 weights[] SEC(".rodata.weights") = { 3, 1, 4, 1, 5, 9, 2, 6 };
__u32 seed = 0x12345678;
__u64 total, runs;
static volatile int last = -1;
__u32 custom[4] SEC(".data.custom") = { 1, 2, 3, 4 };
__u64 history[16];

struct sum {
	__u64 value;
	__u32 steps, limit;
	struct xdp_md *ctx;
};

static __noinline __u64 step(__u64 v, __u32 i)
{
	return v * 31 + weights[i & 7];
}

static long add(__u32 i, void *arg)
{
	struct sum *s = arg;

	s->value = step(s->value, i);
	s->steps++;
	return s->steps >= s->limit;
}

static long inner(__u32 i, void *arg)
{
	struct sum *s = arg;
	void *data = (void *)(long)s->ctx->data, *end = (void *)(long)s->ctx->data_end;

	if (data + i + 1 > end || i > 1500)
		return 1;
	s->value += *((__u8 *)data + i);
	return 0;
}

static long outer(__u32 i, void *arg)
{
	struct sum *s = arg;

	bpf_loop(8 + i, inner, s, 0);
	return 0;
}

static long visit(void *map, __u32 *key, __u64 *value, struct sum *s)
{
	s->value += *key ^ *value;
	*value += 1;
	return 0;
}

/* Global functions: each verified by itself. */
__noinline __u32 mixed(__u32 a, __u32 b)
{
	seed = seed * 1103515245 + 12345;
	return (a ^ b) + (seed >> 16);
}

__noinline __u64 remember(__u64 v)
{
	history[runs & 15] = v;
	total += mixed(v, v >> 32);
	return total;
}

__attribute__((weak)) __noinline int optional(int v)
{
	return v + names[v & 3][0];
}

static __noinline void guard(__u32 slot, __u32 v)
{
	struct guarded *g = bpf_map_lookup_elem(&shared, &slot);

	if (!g)
		return;
	bpf_spin_lock(&g->lock);
	g->sum += v;
	if (v > g->max)
		g->max = v;
	bpf_spin_unlock(&g->lock);
}

SEC("xdp")
int everything(struct xdp_md *ctx)
{
	struct sum s = { .limit = rounds, .ctx = ctx };
	__u32 key = runs & 31, v;
	__u64 one = 1;

	bpf_loop(32, add, &s, 0);
	bpf_loop(4, outer, &s, 0);
	if (bpf_map_update_elem(&table, &key, &one, BPF_NOEXIST))
		bpf_map_delete_elem(&table, &key);
	bpf_for_each_map_elem(&table, visit, &s, 0);
	v = remember(s.value);
	guard(v & 3, v & 0xffff);
	bpf_map_push_elem(&queue, &v, BPF_EXIST);
	bpf_ringbuf_output(&records, &s.value, sizeof(s.value), 0);
	custom[v & 3] += LINUX_KERNEL_VERSION > 0 && CONFIG_HZ != 0;
	if (&no_such_symbol)
		return XDP_ABORTED;
	if (bpf_no_such_function)
		return bpf_no_such_function(1);
	if (bpf_rcu_read_lock && bpf_rcu_read_unlock) {
		bpf_rcu_read_lock();
		custom[0] += &init_task != 0;
		bpf_rcu_read_unlock();
	}
	last = optional(v);
	__sync_fetch_and_add(&runs, 1);
	if (__sync_val_compare_and_swap(&total, v, 0) == v)
		last = 0;
	return (last + v) % 3 + 1;
}

SEC("xdp")
int simple(struct xdp_md *ctx)
{
	switch (ctx->data_end - ctx->data) {
	case 14 ... 60:
		return mixed(1, 2) & 1 ? XDP_DROP : XDP_TX;
	case 64:
		return remember(0x123456789abcdef0ull) & 1 ? XDP_PASS : XDP_DROP;
	}
	return optional(1) & 1 ? XDP_PASS : XDP_TX;
}

SEC("raw_tp/sys_enter")
int traced(void *ctx)
{
	__u32 v;

	if (bpf_map_pop_elem(&queue, &v))
		return 0;
	return mixed(v, names[v & 3][1]) & 1;
}

SEC("syscall")
int called(void *ctx)
{
	return mixed(3, 4) & 0xff;
}

char _license[] SEC("license") = "GPL";
