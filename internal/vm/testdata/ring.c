/* The beginning of a walk through a ring of any driver: it loads where RING of
 * that driver's module was found and nowhere else. */
#include "walk.h"

struct RING {
	struct xdp_rxq_info xdp_rxq;
	__u16 next_to_clean;
} KERNEL;

SEC("xdp")
int record(struct xdp_md *ctx)
{
	struct xdp_buff *xdp = bpf_cast_to_kern_ctx(ctx);
	struct RING *ring = CONTAINER(xdp->rxq, struct RING, xdp_rxq);

	return ring->next_to_clean == 0xffff ? XDP_DROP : XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
