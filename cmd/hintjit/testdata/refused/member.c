#include "refused.h"
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "GPL";

struct task_struct___other {
	int no_such_member;
} __attribute__((preserve_access_index));

SEC("xdp") int member(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	struct task_struct___other *t = (void *)(long)h->pkt_len;

	return h->has_rx_hash ? BPF_CORE_READ(t, no_such_member) : XDP_PASS; /* at fault */
}
