package equivalence

import (
	"encoding/binary"
	"math/rand/v2"
)

// Frames as they come over the wire: headers in the order they stand, from the
// outermost. Numbers are those of IEEE 802.3 and 802.1Q and of IANA's registries.
const (
	etherARP   = 0x0806
	etherIPv4  = 0x0800
	etherIPv6  = 0x86dd
	etherVLAN  = 0x8100
	etherQinQ  = 0x88a8
	etherTrans = 0x6558 // Ethernet in GRE

	protoICMP   = 1
	protoIPIP   = 4
	protoTCP    = 6
	protoUDP    = 17
	protoIPv6   = 41
	protoFrag6  = 44
	protoGRE    = 47
	protoICMPv6 = 58
	protoSCTP   = 132

	portVXLAN = 4789
	portDNS   = 53
)

// frame is a packet under construction, with the places where headers end.
type frame struct {
	rng   *rand.Rand
	bytes []byte
	ends  []int
}

func (f *frame) put(b ...byte) *frame {
	f.bytes = append(f.bytes, b...)
	f.ends = append(f.ends, len(f.bytes))
	return f
}

func (f *frame) random(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(f.rng.Uint32())
	}
	return b
}

func be16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }

func join(parts ...[]byte) (out []byte) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func (f *frame) ether(proto uint16) *frame {
	dst := []byte{2, 0, 0, 0, 0, byte(f.rng.IntN(4))}
	if f.rng.IntN(8) == 0 {
		dst = []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	}
	return f.put(join(dst, []byte{2, 0, 0, 0, 1, byte(f.rng.IntN(4))}, be16(proto))...)
}

func (f *frame) vlan(proto uint16) *frame {
	return f.put(join(be16(uint16(f.rng.Uint32())), be16(proto))...)
}

// ip4 is a header without options, except now and then; fragment is what stands in
// the field of flags and offset.
func (f *frame) ip4(proto byte, fragment uint16) *frame {
	options := 0
	if f.rng.IntN(6) == 0 {
		options = 1 + f.rng.IntN(10)
	}
	head := []byte{0x40 | byte(5+options), byte(f.rng.IntN(256))}
	addresses := []byte{10, 0, 0, byte(f.rng.IntN(4)), 10, 0, 1, byte(f.rng.IntN(4))}
	return f.put(join(head, be16(uint16(40+f.rng.IntN(1400))), f.random(2), be16(fragment),
		[]byte{byte(1 + f.rng.IntN(255)), proto}, f.random(2), addresses, f.random(4*options))...)
}

func (f *frame) ip6(next byte) *frame {
	return f.put(join([]byte{0x60 | byte(f.rng.IntN(16))}, f.random(3), be16(uint16(f.rng.IntN(1400))), []byte{next, 64},
		[]byte{0x20, 1, 0xd, 0xb8}, f.random(12), []byte{0x20, 1, 0xd, 0xb8}, f.random(12))...)
}

func (f *frame) ports(dst uint16) []byte { return join(be16(uint16(1024+f.rng.IntN(4))), be16(dst)) }

func (f *frame) tcp() {
	flags := []byte{0x02, 0x10, 0x18, 0x11, 0x04}[f.rng.IntN(5)]
	f.put(join(f.ports([]uint16{80, 443, 22}[f.rng.IntN(3)]), f.random(8), []byte{0x50, flags}, f.random(6))...)
}

func (f *frame) udp(dst uint16) *frame {
	return f.put(join(f.ports(dst), be16(uint16(8+f.rng.IntN(1400))), f.random(2))...)
}

func (f *frame) transport(proto byte) {
	switch proto {
	case protoTCP:
		f.tcp()
	case protoUDP:
		f.udp([]uint16{portDNS, portVXLAN, 443}[f.rng.IntN(3)])
	case protoSCTP:
		f.put(join(f.ports(36412), f.random(8))...)
	default:
		f.put(join([]byte{byte([]int{8, 0, 128, 3}[f.rng.IntN(4)]), 0}, f.random(6))...)
	}
}

var transports = []byte{protoTCP, protoUDP, protoSCTP, protoICMP}

func (f *frame) anyTransport() byte { return transports[f.rng.IntN(len(transports))] }

// kinds are the headers of usual frames.
var kinds = []func(f *frame){
	func(f *frame) { f.ether(etherIPv4).ip4(protoTCP, 0x4000).tcp() },
	func(f *frame) { f.ether(etherIPv4).ip4(protoUDP, 0).udp(portDNS) },
	func(f *frame) { p := f.anyTransport(); f.ether(etherIPv4).ip4(p, 0).transport(p) },
	func(f *frame) { f.ether(etherIPv6).ip6(protoTCP).tcp() },
	func(f *frame) { f.ether(etherIPv6).ip6(protoUDP).udp(portDNS) },
	func(f *frame) { f.ether(etherIPv6).ip6(protoICMPv6).transport(protoICMP) },
	func(f *frame) { f.ether(etherARP).put(join([]byte{0, 1, 8, 0, 6, 4, 0, 1}, f.random(20))...) },
	func(f *frame) {
		p := f.anyTransport()
		f.ether(etherVLAN).vlan(etherIPv4).ip4(p, 0).transport(p)
	},
	func(f *frame) { f.ether(etherQinQ).vlan(etherVLAN).vlan(etherIPv6).ip6(protoUDP).udp(portDNS) },
	func(f *frame) { // a first fragment, and a later one
		f.ether(etherIPv4).ip4(protoUDP, []uint16{0x2000, 0x20b9, 0x00b9}[f.rng.IntN(3)]).udp(portDNS)
	},
	func(f *frame) {
		f.ether(etherIPv6).ip6(protoFrag6).put(join([]byte{protoUDP, 0}, be16(uint16(f.rng.IntN(2))), f.random(4))...).udp(portDNS)
	},
	func(f *frame) { // VXLAN
		f.ether(etherIPv4).ip4(protoUDP, 0).udp(portVXLAN).put(join([]byte{8, 0, 0, 0}, f.random(3), []byte{0})...)
		f.ether(etherIPv4).ip4(protoTCP, 0).tcp()
	},
	func(f *frame) { // GRE, of IP and of Ethernet
		f.ether(etherIPv4).ip4(protoGRE, 0)
		if f.rng.IntN(2) == 0 {
			f.put(join([]byte{0, 0}, be16(etherIPv4))...).ip4(protoUDP, 0).udp(portDNS)
			return
		}
		f.put(join([]byte{0x20, 0}, be16(etherTrans), f.random(4))...).ether(etherIPv6).ip6(protoTCP).tcp()
	},
	func(f *frame) { f.ether(etherIPv4).ip4(protoIPIP, 0).ip4(protoTCP, 0).tcp() },
	func(f *frame) { f.ether(etherIPv4).ip4(protoIPv6, 0).ip6(protoTCP).tcp() },
}

// Lengths that a driver hands over; programs on larger frames see the first buffer.
const (
	shortest = 14 // ETH_HLEN, which the kernel asks for
	longest  = 1514
)

// someFrame makes one: of a usual kind, whole or cut at the end of a header or
// near it; or of chance's making.
func someFrame(rng *rand.Rand) []byte {
	f := &frame{rng: rng}
	if rng.IntN(12) == 0 {
		return f.random(shortest + rng.IntN(100))
	}
	kinds[rng.IntN(len(kinds))](f)
	switch rng.IntN(4) {
	case 0:
		end := f.ends[rng.IntN(len(f.ends))] + rng.IntN(3) - 1
		f.bytes = f.bytes[:max(shortest, min(end, len(f.bytes)))]
	default:
		f.put(f.random(rng.IntN(80))...)
	}
	if rng.IntN(40) == 0 {
		f.put(f.random(longest - min(longest, len(f.bytes)))...)
	}
	return f.bytes
}
