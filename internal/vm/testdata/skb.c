/* What the driver itself made of each frame: its skb, as the stack receives it.
 * At this tracepoint nothing has changed the skb yet, and it is there in every
 * kernel (__netif_receive_skb_core in net/core/dev.c, 6.1 and 6.12). */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define KERNEL __attribute__((preserve_access_index))

struct net_device {
	int ifindex;
} KERNEL;

struct sk_buff {
	struct net_device *dev;
	unsigned char *head;
	__u16 mac_header;
	__u16 queue_mapping;
	__u16 vlan_tci;
	__u16 vlan_proto;
	__u32 hash;
	__u32 mark;
	__u32 csum;
	__u8 ip_summed : 2;
	__u8 l4_hash : 1;
} KERNEL;

struct record {
	__u32 seen;
	__u32 hash, l4_hash;
	__u32 vlan_tci, vlan_proto;
	__u32 ip_summed, csum;
	__u32 mark;
	__u32 queue_mapping;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 64 * 64);
	__type(key, __u32);
	__type(value, struct record);
} skbs SEC(".maps");

/* A bit-field's place is the loader's to fill in, piece by piece; these are
 * BPF_FIELD_BYTE_OFFSET, _LSHIFT_U64 and _RSHIFT_U64. Both fields are of __u8. */
#define INFO(field, what) __builtin_preserve_field_info(field, what)
#define BITS(s, field)                                                        \
	((__u64)*(__u8 *)((char *)(s) + INFO((s)->field, 0)) << INFO((s)->field, 4) >> \
	 INFO((s)->field, 5))

SEC("tp_btf/netif_receive_skb")
int received(__u64 *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	__u8 mac[12] = {};
	struct record *r;
	__u32 slot;

	if (bpf_probe_read_kernel(mac, sizeof(mac), skb->head + skb->mac_header) ||
	    mac[6] != 0x02 || mac[7] != 0xfe)
		return 0;
	slot = skb->dev->ifindex * 64 + mac[11];
	r = bpf_map_lookup_elem(&skbs, &slot);
	if (!r)
		return 0;
	r->hash = skb->hash;
	r->l4_hash = BITS(skb, l4_hash);
	r->vlan_tci = skb->vlan_tci;
	r->vlan_proto = skb->vlan_proto;
	r->ip_summed = BITS(skb, ip_summed);
	r->csum = skb->csum;
	r->mark = skb->mark;
	r->queue_mapping = skb->queue_mapping;
	r->seen += 1;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
