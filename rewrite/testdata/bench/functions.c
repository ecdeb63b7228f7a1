/* What bench_test.go makes big programs of: it puts bodies of any length in the
 * place of these, from their own instructions. */
#include "shapes.h"

struct hintjit_rx {
	__u32 rx_hash;
	__u32 ptype;
	__u16 vlan_tci;
	__u32 has_rx_hash : 1;
	__u32 has_ptype : 1;
	__u32 has_vlan_tci : 1;
} CORE;

static __noinline __u32 plain(struct xdp_md *ctx, __u32 sum)
{
	sum += ctx->rx_queue_index;
	HIDE(sum);
	return sum;
}

static __attribute__((always_inline)) inline __u32 read(struct xdp_md *ctx, __u32 sum)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	sum += h->rx_hash;
	HIDE(sum);
	sum += h->ptype;
	HIDE(sum);
	sum += h->vlan_tci;
	HIDE(sum);
	if (h->has_vlan_tci)
		sum++;
	HIDE(sum);
	return sum;
}

#define READS(n) static __noinline __u32 reads##n(struct xdp_md *ctx, __u32 sum) { return read(ctx, sum); }
#define CALL(n) sum += reads##n(ctx, sum);
#define TEN(each, n) each(n##0) each(n##1) each(n##2) each(n##3) each(n##4) \
	each(n##5) each(n##6) each(n##7) each(n##8) each(n##9)
#define HUNDRED(each) TEN(each, 0) TEN(each, 1) TEN(each, 2) TEN(each, 3) TEN(each, 4) \
	TEN(each, 5) TEN(each, 6) TEN(each, 7) TEN(each, 8) TEN(each, 9)

HUNDRED(READS)

SEC("xdp") int prog(struct xdp_md *ctx)
{
	__u32 sum = plain(ctx, 0);

	HUNDRED(CALL)
	out[0] = sum;
	return XDP_PASS;
}
