/* The same by hand, for one NIC: read_hash is its reading of the descriptor,
 * SIZE the descriptor's size. */
static __attribute__((always_inline)) inline int has_hash(struct xdp_md *ctx, __u32 *hash)
{
	void *desc = data_meta(ctx);

	return desc + SIZE <= data(ctx) && read_hash(desc, hash);
}

SEC("xdp") int value(struct xdp_md *ctx)
{
	__u32 hash;

	return has_hash(ctx, &hash) ? hash : 0;
}

SEC("xdp") int value_or(struct xdp_md *ctx)
{
	__u32 hash;

	return has_hash(ctx, &hash) ? hash : 77;
}
