/* The tables of i40e and ice, from a packet type as these NICs number them. */
#define E(key, value) [key] = value,
static const __u32 ptypes[TYPES] = {MAP_ptype};
static const __u16 hash_types[TYPES] = {MAP_hash_type};
#undef E

/* The version of the outer IP header of packets with a layer 4. */
static const __u8 l4[TYPES] = {
#define E(key, value) [key] = 4,
	MAP_l4_in_ipv4
#undef E
#define E(key, value) [key] = 6,
	MAP_l4_in_ipv6
#undef E
};
