/* The struct is read as bytes with an index that only the run knows. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
	__u16 vlan_tci;
	__u8 csum_status;
	__u8 has_rx_hash : 1, has_ptype : 1, has_vlan_tci : 1, has_csum_status : 1;
};

SEC("xdp") int byte_by_byte(struct xdp_md *ctx)
{
	const __u8 *h = (const void *)hintjit_rx(ctx);
	__u64 sum = 0;

#pragma clang loop unroll(disable)
	for (__u64 i = 0; i < sizeof(struct hintjit_rx); i++)
		sum = 3 * sum + h[i];
	out[0] = sum;
	return XDP_PASS;
}
