/* All presence bits read as one word through a union, and compared with a mask.
 * The union's other arm has a name that no layout knows. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	union {
		struct {
			__u16 has_rx_hash : 1, has_vlan_tci : 1, has_ptype : 1;
		};
		__u16 present;
	};
};

SEC("xdp") int has_union(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u16 present = h->present;

	out[0] = __builtin_popcount(present);
	out[1] = h->rx_hash;
	return present ? XDP_PASS : XDP_DROP;
}
