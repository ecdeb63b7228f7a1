// Three extern functions, two of which the kernel has.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

extern const void *hintjit_rx(struct xdp_md *ctx) __ksym;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

SEC("xdp")
int prog(struct xdp_md *ctx)
{
	int got;

	bpf_rcu_read_lock();
	got = hintjit_rx(ctx) != 0;
	bpf_rcu_read_unlock();
	return got ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
