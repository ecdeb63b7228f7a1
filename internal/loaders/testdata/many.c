/* What an object can hold besides one program: more programs, in more sections,
 * some without hints, functions that they share, maps and global data. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "../../../bpf/hintjit.h"

#define __noinline __attribute__((noinline))

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

__u32 runs = 0;		      /* .bss */
__u32 start = 40;	      /* .data */
const volatile __u32 step = 2; /* .rodata */

/* In .text, called with the pointer by two programs. */
static __noinline __u32 present(const struct hintjit_rx *h)
{
	return h->has_rx_hash | h->has_rx_hash_type << 1 | h->has_rx_timestamp << 2 |
	       h->has_vlan_tci << 3 | h->has_ptype << 4 | h->has_csum_status << 5 |
	       h->has_flow_mark << 6 | h->has_pkt_len << 7 | h->has_rx_error << 8;
}

/* Called without, by a program that has hints and one that has none. */
static __noinline __u32 count(__u32 slot)
{
	__u64 *n = bpf_map_lookup_elem(&seen, &slot);

	if (n)
		*n += 1;
	runs += 1;
	return start + step;
}

/* Verified on its own: what a freplace program may take the place of. */
__noinline int verdict(struct xdp_md *ctx)
{
	volatile int action = XDP_PASS;

	return ctx->rx_queue_index > 1000000 ? XDP_ABORTED : action;
}

SEC("xdp")
int first(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	count(present(h) != 0);
	return verdict(ctx);
}

SEC("xdp")
int plain(struct xdp_md *ctx)
{
	return count(0) == 42 ? XDP_DROP : XDP_ABORTED;
}

/* Sends a packet back with what the NIC said about it. */
SEC("xdp.frags")
int mirror(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	void *data_end = (void *)(long)ctx->data_end;
	const struct hintjit_rx *h = hintjit_rx(ctx);
	__u32 *payload = data + 16;

	if ((void *)(payload + 3) > data_end)
		return XDP_PASS;
	if (*(__be16 *)(data + 12) != 0xb588) /* 0x88b5, IEEE 802's for experiments */
		return XDP_PASS;
	payload[0] = present(h);
	payload[1] = h->rx_hash | h->rx_hash_type | h->vlan_tci | h->ptype | h->pkt_len | h->rx_error;
	payload[2] = count(1);
	return XDP_TX;
}

/* Takes the place of another program's function; who loads it has to ask. */
SEC("?freplace/verdict")
int decide(struct xdp_md *ctx)
{
	const struct hintjit_rx *h = hintjit_rx(ctx);

	return h->has_pkt_len ? XDP_TX : XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
