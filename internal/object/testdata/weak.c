// Two objects of one source: each has a weak function that the other's overrides,
// with a call and a CO-RE record in it. bpftool gen object leaves the code of
// both there.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

struct net_device {
	int ifindex;
	unsigned int mtu;
} __attribute__((preserve_access_index));

#define __noinline __attribute__((noinline))
#ifdef SECOND
#define FIRST_ONLY __attribute__((weak))
#define SECOND_ONLY
#define PROGRAM second
#else
#define FIRST_ONLY
#define SECOND_ONLY __attribute__((weak))
#define PROGRAM first
#endif

FIRST_ONLY __noinline int in_first(int a)
{
	return a + bpf_core_field_exists(((struct net_device *)0)->mtu);
}

SECOND_ONLY __noinline int in_second(int a)
{
	return in_first(a) * 2 + bpf_core_field_exists(((struct net_device *)0)->ifindex);
}

SEC("xdp")
int PROGRAM(struct xdp_md *ctx)
{
	return in_first(ctx->rx_queue_index) + in_second(ctx->ingress_ifindex);
}

#ifndef SECOND
char _license[] SEC("license") = "GPL";
#endif
