package layouts

// Standard is a member of struct hintjit_rx that means the same on every NIC.
type Standard struct {
	Name string
	Decl Declaration
	Doc  string // meaning, unit, order
}

// Settings lists what a hint may need to be on, each as ethtool -K names it.
var Settings = []string{
	"rxhash",          // the driver spreads packets by their hash
	"rx-checksum",     // the NIC verifies checksums
	"rx-vlan-offload", // the NIC strips VLAN tags
	"ntuple",          // steering rules, by ethtool -N
	"hw-tc-offload",   // tc filters run in the NIC
}

// StandardHints lists the members of bpf/hintjit.h in the header's order. A
// layout may give any of them, and vendor members besides.
var StandardHints = []Standard{
	{"rx_hash", Declaration{Bytes: 4}, "RSS hash as the NIC computed it"},
	{"rx_hash_type", Declaration{Bytes: 4}, "the kernel's enum xdp_rss_hash_type bits"},
	{"rx_timestamp", Declaration{Bytes: 8}, "nanoseconds of the NIC's clock"},
	{"vlan_tci", Declaration{Bytes: 2}, "stripped outer tag, host order"},
	{"vlan_proto", Declaration{Bytes: 2, Network: true}, "TPID of the stripped outer tag, network order"},
	{"inner_vlan_tci", Declaration{Bytes: 2}, "second tag, host order"},
	{"ptype", Declaration{Bytes: 4}, "packet type in DPDK's encoding"},
	{"csum_status", Declaration{Bytes: 1}, "1 good (L4 verified), 2 bad, 3 complete (csum holds the sum)"},
	{"csum", Declaration{Bytes: 4}, "the NIC's sum, as in the kernel's CHECKSUM_COMPLETE"},
	{"flow_mark", Declaration{Bytes: 4}, "mark, flow tag or flow-director id set by a steering rule"},
	{"pkt_len", Declaration{Bytes: 4}, "bytes of the frame the descriptor reports"},
	{"rx_queue", Declaration{Bytes: 2}, "receive queue"},
	{"rx_error", Declaration{Bytes: 4}, "non-zero: the NIC flagged an error"},
	{"l3_offset", Declaration{Bytes: 2}, "bytes from the frame's start to the network header"},
	{"l4_offset", Declaration{Bytes: 2}, "bytes from the frame's start to the transport header"},
	{"src_ip4", Declaration{Bytes: 4, Network: true}, "IPv4 source address, network order"},
	{"dst_ip4", Declaration{Bytes: 4, Network: true}, "IPv4 destination address, network order"},
	{"src_port", Declaration{Bytes: 2, Network: true}, "L4 source port, network order"},
	{"dst_port", Declaration{Bytes: 2, Network: true}, "L4 destination port, network order"},
}
