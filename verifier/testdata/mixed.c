// Programs that give the same packet and return code on machines of either byte
// order: whatever is read in the host's order is never shown.
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;

struct xdp_md {
	u32 data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};

#define SEC(name) __attribute__((section(name), used))
#define noinline __attribute__((noinline))
#define bswap16(x) __builtin_bswap16(x)
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define net16(x) __builtin_bswap16(x)
#define net32(x) __builtin_bswap32(x)
#define net64(x) __builtin_bswap64(x)
#else
#define net16(x) (x)
#define net32(x) (x)
#define net64(x) (x)
#endif

static void *(*map_lookup)(void *map, const void *key) = (void *)1;
static long (*map_update)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*loop)(u32 n, void *fn, void *ctx, u64 flags) = (void *)181;
static long (*adjust_head)(struct xdp_md *ctx, int delta) = (void *)44;

struct {
	int (*type)[1]; // hash
	u32 *key;
	u64 *value;
	int (*max_entries)[16];
} counts SEC(".maps");

struct numbers {
	u64 a, b;
	s64 c;
	u32 d;
	s32 e;
	u16 f;
	u8 g;
};

static noinline u64 mix(const struct numbers *n, u32 round)
{
	u64 h = n->a ^ (n->b >> (round & 63));

#if __BPF_CPU_VERSION__ >= 4 // others have no signed division
	h += (u64)(n->c / (n->e | 1)) * (round + 1);
#endif
	h ^= (u64)n->d << (n->g & 31);
	h -= n->a % (n->f | 1);
	if ((s64)h < n->c)
		h = ~h;
	if ((s32)(u32)h > n->e)
		h += n->d / (n->g | 1);
	return h;
}

static noinline u32 fold(u64 h)
{
	h ^= h >> 32;
	return (u32)h * 2654435761u;
}

struct sum {
	u64 total;
	u32 left;
};

static long add(u32 i, void *ctx)
{
	struct sum *s = ctx;

	s->total = s->total * 31 + i;
	return --s->left == 0;
}

SEC("xdp")
int arithmetic(struct xdp_md *ctx)
{
	u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct numbers n;
	u64 h = 0;

	if (data + 64 > end)
		return 1;
	n.a = net64(*(u64 *)data);
	n.b = net64(*(u64 *)(data + 8));
	n.c = (s64)net64(*(u64 *)(data + 16));
	n.d = net32(*(u32 *)(data + 24));
	n.e = (s32)net32(*(u32 *)(data + 28));
	n.f = net16(*(u16 *)(data + 32));
	n.g = data[34];
	for (u32 i = 0; i < 7; i++) {
		h = h * 33 + mix(&n, i);
		n.c = (s64)(signed char)h * n.c + (s64)(short)h;
	}
	*(u64 *)(data + 40) = net64(h);
	*(u32 *)(data + 48) = net32(fold(h));
	*(u16 *)(data + 52) = bswap16(*(u16 *)(data + 54));
	return 2 + (h & 1);
}

SEC("xdp")
int remember(struct xdp_md *ctx)
{
	u8 *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct sum s = { .left = 5 };
	u64 one = 1, *seen;
	u32 key;

	if (data + 32 > end)
		return 1;
	key = data[0] & 3;
	s.left += data[1] & 7;
	seen = map_lookup(&counts, &key);
	if (seen)
		__sync_fetch_and_add(seen, data[2]);
	else if (map_update(&counts, &key, &one, 0))
		return 0;
	loop(9, add, &s, 0);
	*(u64 *)(data + 8) = net64(s.total);
	*(u64 *)(data + 16) = net64(seen ? *seen : 0);
	if (adjust_head(ctx, data[3] & 1 ? 4 : -4))
		return 0;
	data = (void *)(long)ctx->data, end = (void *)(long)ctx->data_end;
	if (data + 4 > end)
		return 1;
	data[0] ^= 0x5a;
	return 3;
}

char gpl[] SEC("license") = "GPL";
