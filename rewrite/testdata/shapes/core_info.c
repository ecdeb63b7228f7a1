/* CO-RE questions about the struct itself: it exists, and sizes and offsets are
 * those that the program was compiled with. */
#include "shapes.h"

struct hintjit_rx {
	__u64 rx_timestamp;
	__u32 rx_hash;
	__u16 vlan_tci;
	__u16 rx_queue;
} CORE;

SEC("xdp") int core_info(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	out[0] = field_size(h->rx_hash);
	out[1] = field_offset(h->vlan_tci);
	out[2] = type_exists(struct hintjit_rx);
	out[3] = type_size(struct hintjit_rx);
	out[4] = h->rx_hash;
	return XDP_PASS;
}
