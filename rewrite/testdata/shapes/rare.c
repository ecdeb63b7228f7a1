/* Hints are asked for at the top and read on some ways only: in one branch, in two
 * that exclude each other, in one of which the packet was moved before. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash, ptype;
	__u16 vlan_tci;
	__u8 has_rx_hash : 1, has_vlan_tci : 1;
} CORE;

SEC("xdp") int rare(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u8 *p = data(ctx);

	if ((void *)(p + 14) > data_end(ctx))
		return XDP_DROP;
	if (p[0] & 1) {
		out[0] = h->has_rx_hash ? h->rx_hash : 77;
		return XDP_TX;
	}
	return XDP_PASS;
}

SEC("xdp") int rare_either(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u8 *p = data(ctx);

	if ((void *)(p + 14) > data_end(ctx))
		return XDP_DROP;
	if (p[0] & 1) {
		out[0] = h->has_rx_hash ? h->rx_hash : 77;
		return XDP_TX;
	}
	if (p[1] & 1) {
		bpf_xdp_adjust_head(ctx, 4);
		out[1] = h->ptype + 3;
	}
	return XDP_PASS;
}

/* Writes over the metadata area on a way before hints are read, and on one after. */
SEC("xdp") int rare_written(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u8 *p = data(ctx);
	int way;

	if ((void *)(p + 14) > data_end(ctx))
		return XDP_DROP;
	way = p[0] & 1;
	if (p[1] & 1) {
		volatile __u32 *m = data_meta(ctx);

		if ((void *)(m + 4) <= data(ctx))
			m[0] = m[1] = m[2] = m[3] = 0xffffffff;
		asm volatile("" : : : "memory");
		if (way)
			out[0] = h->rx_hash;
		return XDP_TX;
	}
	if (way) {
		out[1] = h->has_vlan_tci ? h->vlan_tci : 99;
		bpf_xdp_adjust_meta(ctx, (int)(data(ctx) - data_meta(ctx)));
	}
	return XDP_PASS;
}

/* Hints are read in a loop that runs on one way only. */
SEC("xdp") int rare_loop(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u8 *p = data(ctx);
	__u64 sum = 0;

	if ((void *)(p + 14) > data_end(ctx))
		return XDP_DROP;
	if (p[0] & 1) {
#pragma clang loop unroll(disable)
		for (int i = 0; i < 12; i++)
			if (p[i] & 2) {
				sum += h->rx_hash;
				bpf_ktime_get_ns();
			}
		out[0] = sum;
	}
	return XDP_PASS;
}

/* Ways that have read a hint already meet others, and some read one more. */
SEC("xdp") int rare_meeting(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u8 *p = data(ctx);

	if ((void *)(p + 14) > data_end(ctx))
		return XDP_DROP;
	if (p[0] & 1) {
		if (p[1] & 1)
			out[0] = h->rx_hash + 1;
		bpf_ktime_get_ns();
		asm volatile("" : : : "memory");
		if (p[2] & 1)
			out[1] = h->has_vlan_tci ? h->vlan_tci : 99;
	}
	return XDP_PASS;
}

/* One way writes over the metadata area, and meets the other before hints are read. */
SEC("xdp") int rare_remet(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u8 *p = data(ctx);
	int read, write;

	if ((void *)(p + 14) > data_end(ctx))
		return XDP_DROP;
	write = p[0] & 1;
	read = p[1] & 1;
	if (write) {
		volatile __u32 *m = data_meta(ctx);

		if ((void *)(m + 4) <= data(ctx))
			m[0] = m[1] = m[2] = m[3] = 0xffffffff;
	}
	bpf_ktime_get_ns();
	asm volatile("" : : : "memory");
	if (read)
		out[0] = h->rx_hash;
	return XDP_PASS;
}

/* Nothing but the stack keeps the context, and every register is in use where hints
 * are read. */
SEC("xdp") int rare_crowded(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u8 *p = data(ctx);
	register __u64 a asm("r1"), b asm("r2"), c asm("r3"), d asm("r4"), e asm("r5");
	register __u64 f asm("r6"), g asm("r7"), i asm("r8"), j asm("r9");

	if ((void *)(p + 14) > data_end(ctx))
		return XDP_DROP;
	bpf_ktime_get_ns();
	SPILL_ALL;
	asm volatile("r1 = 1\nr2 = 2\nr3 = 3\nr4 = 4\nr5 = 5\nr6 = 6\nr7 = 7\nr8 = 8\nr9 = 9\n"
		     : "=r"(a), "=r"(b), "=r"(c), "=r"(d), "=r"(e), "=r"(f), "=r"(g), "=r"(i), "=r"(j));
	asm volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f), "+r"(g), "+r"(i), "+r"(j));
	if (a + b + c + d + e + f + g + i + j == 45 && out[63] == 0) {
		__u32 hash = h->rx_hash;

		out[0] = hash;
		out[1] = a + 10 * b + 100 * c + 1000 * d + 10000 * e + 100000 * f + 1000000 * g + 10000000 * i + 100000000 * j;
	}
	return XDP_PASS;
}

static __noinline int wipe(struct xdp_md *ctx)
{
	volatile __u32 *m = data_meta(ctx);

	if ((void *)(m + 4) <= data(ctx))
		m[0] = m[1] = m[2] = m[3] = 0xffffffff;
	return 0;
}

/* A function that is called on the way writes over the metadata area. */
SEC("xdp") int rare_called(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u8 *p = data(ctx);
	int read;

	if ((void *)(p + 14) > data_end(ctx))
		return XDP_DROP;
	read = p[0] & 1;
	if (wipe(ctx) == 0 && read)
		out[0] = h->rx_hash;
	return XDP_PASS;
}
