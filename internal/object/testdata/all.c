// Everything that a rewrite has to carry along: several sections, static and
// global subprograms, a callback, a map, data of three kinds, CO-RE records
// and an extern function that no kernel has.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

struct net_device {
	int ifindex;
	unsigned int mtu;
} __attribute__((preserve_access_index));

#define __noinline __attribute__((noinline))

static long (*const loop)(__u32 n, void *callback, void *ctx, __u64 flags) = (void *)181;

extern const void *hintjit_rx(struct xdp_md *ctx) __ksym;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, __u64);
} hits SEC(".maps");

int counter;
int start = 5;
const volatile int scale = 3;
static volatile int seen[4];

static __noinline int weigh(int a)
{
	return a * scale + start;
}

__noinline int grow(int a)
{
	counter += a;
	return counter;
}

__noinline int grow_twice(int a)
{
	return grow(a) + weigh(a);
}

static long add(__u32 i, void *sum)
{
	*(int *)sum += i;
	return 0;
}

SEC("xdp")
int first(struct xdp_md *ctx)
{
	int sum = hintjit_rx(ctx) ? 100 : 1;
	__u32 key = 0;
	__u64 *hit = bpf_map_lookup_elem(&hits, &key);

	if (hit)
		*hit += sum;
	loop(4, add, &sum, 0);
	seen[sum & 3]++;
	if (bpf_core_field_exists(((struct net_device *)0)->mtu))
		sum += 1000;
	return grow_twice(sum) + weigh(seen[3]);
}

SEC("xdp.frags")
int second(struct xdp_md *ctx)
{
	return weigh(ctx->data_end - ctx->data);
}

SEC("xdp")
int third(struct xdp_md *ctx)
{
	__u64 far = 0x123456789abcdef0ull;

	switch (ctx->ingress_ifindex) {
	case 1:
		return hintjit_rx(ctx) ? XDP_DROP : XDP_PASS;
	case 2:
		return far % (ctx->rx_queue_index + 7);
	}
	return grow(2);
}

char _license[] SEC("license") = "GPL";
