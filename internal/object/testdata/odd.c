// What few programs have: a hidden and a weak function, a label in code, a tag
// on an extern and on its argument.
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define __noinline __attribute__((noinline))
#define __tag(name) __attribute__((btf_decl_tag(name)))

extern const void *hintjit_rx(struct xdp_md *ctx __tag("argument")) __ksym __tag("function");

int counter;

__attribute__((visibility("hidden"))) __noinline int hidden(int a)
{
	counter += a;
	return counter;
}

__attribute__((weak)) __noinline int weak(int a)
{
	counter -= a;
	return counter;
}

SEC("xdp")
int prog(struct xdp_md *ctx)
{
	int got = hintjit_rx(ctx) != 0;

	asm volatile("a_label:\n\t%0 += 1" : "+r"(got));
	return hidden(got) + weak(got + 1);
}

char _license[] SEC("license") = "GPL";
