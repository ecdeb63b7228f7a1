/* The loaded value replaces the pointer in the same register. */
#include "shapes.h"

struct hintjit_rx {
	__u64 rx_timestamp;
	__u32 rx_hash;
	__u16 vlan_tci;
};

#define LOAD(type, reg, member) \
	asm volatile("%0 = *(" #type " *)(%0 + %1)" : "+r"(reg) : "i"(__builtin_offsetof(struct hintjit_rx, member)))

SEC("xdp") int dst_base(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u64 a = (__u64)h, b = (__u64)h, c = (__u64)h;

	LOAD(u32, a, rx_hash);
	LOAD(u16, b, vlan_tci);
	LOAD(u64, c, rx_timestamp);
	out[0] = a;
	out[1] = b;
	out[2] = c;
	return XDP_PASS;
}
