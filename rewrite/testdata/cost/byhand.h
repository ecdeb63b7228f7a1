/* The same by hand, for one NIC. Its header, NIC, says what its descriptor is and
 * how the driver reads it; has_X and value_X ask no more than they have to, and
 * are asked in this order. */
#pragma once

#define READ static __attribute__((always_inline)) inline
#define be16(x) ((__be16)__builtin_bswap16(x))

struct descriptor;
READ int is_ready(const struct descriptor *d);

#include NIC

/* NULL where there is none, or none that the NIC has finished. */
READ const struct descriptor *descriptor(struct xdp_md *ctx)
{
	const struct descriptor *d = (void *)(long)ctx->data_meta;

	return (void *)(d + 1) <= (void *)(long)ctx->data && is_ready(d) ? d : (void *)0;
}

#define OPEN(ctx) const struct descriptor *d = descriptor(ctx)
#define OPEN_FIRST(ctx)
#define OPEN_HERE(ctx) OPEN(ctx)
#define has(X) (d && has_##X(d))
#define value(X) value_##X(d)
#define get(X) (has(X) ? value(X) : 0)

#define is_tcp() (d && is_tcp(d))
#define is_ipv4() (d && is_ipv4(d))
#define is_tcp4() (d && is_tcp4(d))
#define csum_good() (d && csum_good(d))
#define l4_hash() (d && l4_hash(d))
