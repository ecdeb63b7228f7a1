// The address of a static function in data, which no loader relocates.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

static __attribute__((noinline)) int callee(int a)
{
	return a;
}

int (*volatile pointer)(int) = callee;

SEC("xdp")
int prog(struct xdp_md *ctx)
{
	return callee(pointer != 0);
}

char _license[] SEC("license") = "GPL";
