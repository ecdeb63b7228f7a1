package talk

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// A packet is a frame, and what NICs say of it.
type packet struct {
	name  string
	frame []byte
	l4    uint32 // innermost, as HINTJIT_PTYPE_L4_* names it
	flow  []byte // innermost addresses and ports, nil without
	outer []byte // the same around the tunnel, nil without one
	i40e  uint64 // packet type
	mlx5  byte   // header types
}

const (
	l4TCP   = 1
	l4UDP   = 2
	l4Frag  = 3
	l4SCTP  = 4
	l4ICMP  = 5
	l4Other = 6
)

var (
	from4, to4       = []byte{66, 9, 149, 187}, []byte{161, 142, 100, 80}
	underA, underB   = []byte{10, 0, 0, 1}, []byte{10, 0, 0, 2}
	from6, to6       = []byte{0x20, 1, 0xd, 0xb8, 15: 1}, []byte{0x20, 1, 0xd, 0xb8, 15: 2}
	ports            = []byte{0x0a, 0xea, 0x06, 0xe6}
	vxlanPorts       = []byte{0xc3, 0x50, 4789 >> 8, 4789 & 0xff}
	flow4, flow6     = slices.Concat(from4, to4, ports), slices.Concat(from6, to6, ports)
	under4           = slices.Concat(underA, underB, vxlanPorts)
	under6           = slices.Concat(from6, to6, vxlanPorts)
	tcp              = append(slices.Clone(ports), 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x10, 1, 0, 0, 0, 0, 0)
	udp              = append(slices.Clone(ports), 0, 8, 0, 0)
	encapsulated4    = vxlan(ether(0x0800, ip4(from4, to4, 6, tcp)))
	encapsulated6    = vxlan(ether(0x86dd, ip6(from6, to6, 17, udp)))
	encapsulatedARP  = vxlan(ether(0x0806, make([]byte, 28)))
	encapsulatedFrag = vxlan(ether(0x0800, fragment(ip4(from4, to4, 6, tcp))))
)

// stacks are what is timed.
var stacks = []packet{
	{name: "IPv4", frame: ether(0x0800, ip4(from4, to4, 6, tcp)), l4: l4TCP, flow: flow4, i40e: 26, mlx5: 0x06},
	{name: "VLAN", frame: ether(0x8100, tag(0x0800, ip4(from4, to4, 6, tcp))), l4: l4TCP, flow: flow4, i40e: 26, mlx5: 0x06},
	{name: "QinQ", frame: ether(0x88a8, tag(0x8100, tag(0x0800, ip4(from4, to4, 6, tcp)))), l4: l4TCP, flow: flow4, i40e: 26, mlx5: 0x06},
	{name: "IPv6", frame: ether(0x86dd, ip6(from6, to6, 6, tcp)), l4: l4TCP, flow: flow6, i40e: 92, mlx5: 0x05},
	{name: "VXLAN", frame: ether(0x0800, ip4(underA, underB, 17, encapsulated4)), l4: l4TCP, flow: flow4, outer: under4, i40e: 63, mlx5: 0x46},
}

// packets are what else comes.
var packets = append(slices.Clone(stacks), []packet{
	{name: "IPv4 UDP", frame: ether(0x0800, ip4(from4, to4, 17, udp)), l4: l4UDP, flow: flow4, i40e: 24, mlx5: 0x0a},
	{name: "IPv4 with options", frame: ether(0x0800, options(ip4(from4, to4, 6, tcp))), l4: l4TCP, flow: flow4, i40e: 26, mlx5: 0x06},
	{name: "IPv4 fragment", frame: ether(0x0800, fragment(ip4(from4, to4, 6, tcp))), l4: l4Frag, i40e: 22, mlx5: 0x22},
	{name: "IPv4 SCTP", frame: ether(0x0800, ip4(from4, to4, 132, make([]byte, 12))), l4: l4SCTP, i40e: 27, mlx5: 0x02},
	{name: "IPv4 ICMP", frame: ether(0x0800, ip4(from4, to4, 1, make([]byte, 8))), l4: l4ICMP, i40e: 28, mlx5: 0x02},
	{name: "IPv4 OSPF", frame: ether(0x0800, ip4(from4, to4, 89, make([]byte, 24))), l4: l4Other, i40e: 23, mlx5: 0x02},
	{name: "IPv6 UDP in a VLAN", frame: ether(0x8100, tag(0x86dd, ip6(from6, to6, 17, udp))), l4: l4UDP, flow: flow6, i40e: 90, mlx5: 0x09},
	{name: "IPv6 fragment", frame: ether(0x86dd, ip6(from6, to6, 44, make([]byte, 8))), l4: l4Frag, i40e: 88, mlx5: 0x21},
	{name: "IPv6 ICMP", frame: ether(0x86dd, ip6(from6, to6, 58, make([]byte, 8))), l4: l4ICMP, i40e: 94, mlx5: 0x01},
	{name: "VXLAN in IPv6", frame: ether(0x86dd, ip6(from6, to6, 17, encapsulated4)), l4: l4TCP, flow: flow4, outer: under6, i40e: 129, mlx5: 0xc6},
	{name: "VXLAN in a VLAN, with IPv6", frame: ether(0x8100, tag(0x0800, ip4(underA, underB, 17, encapsulated6))), l4: l4UDP, flow: flow6, outer: under4, i40e: 68, mlx5: 0x49},
	{name: "VXLAN behind IPv4 options", frame: ether(0x0800, options(ip4(underA, underB, 17, encapsulated4))), l4: l4TCP, flow: flow4, outer: under4, i40e: 63, mlx5: 0x46},
	{name: "VXLAN with a fragment", frame: ether(0x0800, ip4(underA, underB, 17, encapsulatedFrag)), l4: l4Frag, outer: under4, i40e: 59, mlx5: 0x62},
	{name: "VXLAN with ARP", frame: ether(0x0800, ip4(underA, underB, 17, encapsulatedARP)), outer: under4, i40e: 58, mlx5: 0x40},
	{name: "ARP", frame: ether(0x0806, make([]byte, 28)), i40e: 11, mlx5: 0x00},
	{name: "IPv4 cut short", frame: ether(0x0800, ip4(from4, to4, 6, nil)), i40e: 23, mlx5: 0x00},
}...)

// hash is what the NIC computes of a tuple.
func hash(tuple []byte) uint32 {
	var h uint32
	for i := range 8 * len(tuple) {
		if tuple[i/8]<<(i%8)&0x80 != 0 {
			window := binary.BigEndian.Uint64(append(slices.Clone(rssKey[i/8:]), make([]byte, 8)...))
			h ^= uint32(bits.RotateLeft64(window, i%8) >> 32)
		}
	}
	return h
}

// The key of Microsoft's "Verifying the RSS hash calculation".
var rssKey = []byte{
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0,
	0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c,
	0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
}

func ether(proto uint16, payload []byte) []byte {
	return slices.Concat([]byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, byte(proto >> 8), byte(proto)}, payload)
}

func tag(proto uint16, payload []byte) []byte {
	return slices.Concat([]byte{0, 100, byte(proto >> 8), byte(proto)}, payload)
}

func ip4(from, to []byte, proto byte, payload []byte) []byte {
	return slices.Concat([]byte{0x45, 0, 0, byte(20 + len(payload)), 0, 0, 0, 0, 64, proto, 0, 0}, from, to, payload)
}

// options puts four no-operations behind an IPv4 header.
func options(ip []byte) []byte {
	ip = slices.Insert(slices.Clone(ip), 20, 1, 1, 1, 1)
	ip[0], ip[3] = 0x46, ip[3]+4
	return ip
}

func fragment(ip []byte) []byte {
	ip = slices.Clone(ip)
	ip[7] = 1 // offset
	return ip
}

func ip6(from, to []byte, next byte, payload []byte) []byte {
	return slices.Concat([]byte{0x60, 0, 0, 0, 0, byte(len(payload)), next, 64}, from, to, payload)
}

func vxlan(frame []byte) []byte {
	return slices.Concat(vxlanPorts, []byte{0, byte(16 + len(frame)), 0, 0, 8, 0, 0, 0, 0, 0, 7, 0}, frame)
}
