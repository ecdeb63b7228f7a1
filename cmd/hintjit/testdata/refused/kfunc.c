#include "refused.h"

char LICENSE[] SEC("license") = "GPL";

extern int no_such_function(struct xdp_md *ctx) __ksym;

SEC("xdp") int kfunc(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	return h->has_rx_hash ? no_such_function(ctx) : XDP_PASS;
}
