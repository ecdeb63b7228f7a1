/* The programs as a user of hints writes them. */
struct hintjit_rx {
	__u32 rx_hash, rx_hash_type, ptype, flow_mark, pkt_len, rx_error;
	__u16 vlan_tci;
	__be16 vlan_proto;
	__u8 csum_status;
	__u32 has_rx_hash : 1, has_flow_mark : 1, has_vlan_tci : 1, has_vlan_proto : 1;
} CORE;

#define OPEN(ctx) const struct hintjit_rx *h = hintjit_rx(ctx)
#define OPEN_FIRST(ctx) OPEN(ctx)
#define OPEN_HERE(ctx)
#define has(X) (h->has_##X)
#define value(X) (h->X) /* where it is known to be there */
#define get(X) (h->X)	/* 0 where it is not */

#define is_tcp() ((h->ptype & 0xf00) == 0x100)
#define is_ipv4() ((h->ptype & 0x10) != 0)
#define is_tcp4() ((h->ptype & 0xf10) == 0x110)
#define csum_good() (h->csum_status == 1)
#define l4_hash() (h->has_rx_hash && (h->rx_hash_type & 8))
