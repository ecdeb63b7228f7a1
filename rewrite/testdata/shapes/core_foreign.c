/* CO-RE records against a kernel type beside those against the hint struct: they
 * stay for the loader to answer. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u8 has_rx_hash : 1;
} CORE;

struct sk_buff___hintjit_shape {
	unsigned int len;
	unsigned int no_such_member_in_any_kernel;
} CORE;

SEC("xdp") int core_foreign(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	struct sk_buff___hintjit_shape *skb = 0;

	out[0] = field_exists(skb->len);
	out[1] = h->rx_hash;
	out[2] = field_exists(skb->no_such_member_in_any_kernel);
	out[3] = h->has_rx_hash;
	return XDP_PASS;
}
