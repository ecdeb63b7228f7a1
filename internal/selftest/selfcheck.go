package selftest

import (
	"encoding/binary"
	"fmt"
	"time"
)

// fromFrame is what the frame's own bytes, and the XDP context, tell.
func fromFrame() []*check {
	list := []*check{
		{hint: "rx_hash_type", reference: "the frame's headers", judge: hashType},
		{hint: "ptype", reference: "the frame's headers", judge: packetType},
		{hint: "csum_status", reference: "the frame's checksums", judge: checksumStatus},
		{hint: "csum", reference: "the frame's sum", judge: func(p *Packet, value uint64, has bool) (verdict, string) {
			if !has || !p.whole() || p.Captured < 14 {
				return silent, ""
			}
			return sameSum(value, uint64(fromNetwork(fold(sum(p.captured()[14:])))), has)
		}},
		// Where a frame is in several buffers, some NICs tell the length of one.
		{hint: "pkt_len", reference: "the frame's length", judge: func(p *Packet, value uint64, has bool) (verdict, string) {
			return whether(has && p.Linear == p.Length, value == uint64(p.Length), fmt.Sprint(p.Length))
		}},
		{hint: "rx_queue", reference: "the XDP context, the skb", judge: queue},
	}
	for _, part := range []struct {
		hint string
		of   func(l *layers) (value uint64, is bool)
	}{
		{"l3_offset", func(l *layers) (uint64, bool) { return uint64(l.l3), l.l3 > 0 }},
		{"l4_offset", func(l *layers) (uint64, bool) { return uint64(l.l4), l.l4 > 0 && !l.later }},
		{"src_ip4", func(l *layers) (uint64, bool) { return address(l.src), l.ip == 4 }},
		{"dst_ip4", func(l *layers) (uint64, bool) { return address(l.dst), l.ip == 4 }},
		{"src_port", func(l *layers) (uint64, bool) { return port(l.ports, 0), l.ports != nil }},
		{"dst_port", func(l *layers) (uint64, bool) { return port(l.ports, 2), l.ports != nil }},
	} {
		at := place(part.hint)
		// A NIC may tell of the packet in a tunnel. What has no such header it may not.
		list = append(list, &check{hint: part.hint, reference: "the frame's headers", judge: func(p *Packet, value uint64, has bool) (verdict, string) {
			want, is := part.of(&p.layers)
			switch {
			case !has || p.layers.tunnel || p.layers.fragment || p.layers.l4 == 0 && p.layers.ip != 0:
				return silent, ""
			case !is:
				return differs, "absent"
			}
			return whether(true, value == want, format(at, want))
		}})
	}
	return list
}

// address and port are as a program reads them from a member in network order.
func address(b []byte) uint64 {
	if len(b) != 4 {
		return 0
	}
	return uint64(binary.NativeEndian.Uint32(b))
}

func port(ports []byte, at int) uint64 {
	if ports == nil {
		return 0
	}
	return uint64(binary.NativeEndian.Uint16(ports[at:]))
}

// queue: the context's number is wrong for some (vmxnet3 has 0 for all queues at first
// bring-up), and the skb's may be none. An skb's is one more (skb_record_rx_queue).
func queue(p *Packet, value uint64, has bool) (verdict, string) {
	recorded := p.SKB != nil && p.SKB.QueueMapping != 0 && value+1 == uint64(p.SKB.QueueMapping)
	return whether(has, value == uint64(p.Queue) || recorded, fmt.Sprintf("%d", p.Queue))
}

// hashKinds are the bits of rx_hash_type, HINTJIT_RSS_* in bpf/hintjit.h, with what
// a packet of that kind is.
var hashKinds = []struct {
	bit  uint64
	name string
	is   func(l *layers) bool
}{
	{0x001, "IPv4", func(l *layers) bool { return l.ip == 4 }},
	{0x002, "IPv6", func(l *layers) bool { return l.ip == 6 }},
	{0x010, "TCP", func(l *layers) bool { return l.protocol == protoTCP }},
	{0x020, "UDP", func(l *layers) bool { return l.protocol == protoUDP }},
	{0x040, "SCTP", func(l *layers) bool { return l.protocol == protoSCTP }},
	{0x080, "IPsec", func(l *layers) bool { return l.protocol == protoESP || l.protocol == protoAH || l.options }},
	{0x100, "ICMP", func(l *layers) bool { return l.protocol == protoICMP || l.protocol == protoICMPv6 }},
}

// hashType: what was hashed has to be there, in the packet or in one that is in it.
func hashType(p *Packet, value uint64, has bool) (verdict, string) {
	if !has || p.layers.l4 == 0 && p.layers.ip != 0 {
		return silent, ""
	}
	for _, l := range []*layers{&p.layers, p.layers.inner} {
		if l == nil {
			continue
		}
		wrong := ""
		for _, kind := range hashKinds {
			if value&kind.bit != 0 && !kind.is(l) {
				wrong = kind.name
			}
		}
		if wrong == "" {
			return agrees, ""
		}
		if p.layers.inner == nil && !p.layers.tunnel {
			return differs, "no bit of " + wrong
		}
	}
	if p.layers.inner == nil {
		return silent, ""
	}
	return differs, "bits of the headers that are there"
}

// checksumStatus recomputes what the NIC says it verified.
func checksumStatus(p *Packet, value uint64, has bool) (verdict, string) {
	if !has || p.layers.tunnel {
		return silent, ""
	}
	header, transport := p.checksums()
	switch {
	case value == csumGood && transport != unknown:
		return whether(true, transport == right, "not 1 (good): the checksum of layer 4 is wrong")
	case value == csumBad && (header == wrong || transport == wrong):
		return agrees, ""
	case value == csumBad && header == right && transport == right:
		return differs, "not 2 (bad): the checksums are right"
	}
	return silent, ""
}

// toeplitzHash computes the hash.
func toeplitzHash(key []byte) func(p *Packet, value uint64, has bool) (verdict, string) {
	const longest = 16 + 16 + 4 // addresses and ports
	if len(key) < longest+4 {
		return func(*Packet, uint64, bool) (verdict, string) { return silent, "" }
	}
	// virtio_net of Linux 6.17 gives its device the key a byte too late, after one of
	// padding (struct virtnet_info; seen with 6.17.13, and not with 6.12, 6.18 and 7.3).
	late := append([]byte{0}, key[:len(key)-1]...)
	return func(p *Packet, value uint64, has bool) (verdict, string) {
		l := &p.layers
		if !has || l.ip == 0 || l.fragment || l.tunnel || l.options || l.l4 == 0 {
			return silent, ""
		}
		is, want := p.hashed(key, value)
		if !is {
			is, _ = p.hashed(late, value)
		}
		return whether(true, is, want)
	}
}

// hashed tells whether a value is the packet's hash with a key, and what is. Which
// fields a NIC takes is a matter of how it is set up, and rx_hash_type tells, where it
// is there.
func (p *Packet) hashed(key []byte, value uint64) (bool, string) {
	addresses := append(append([]byte{}, p.layers.src...), p.layers.dst...)
	short, long := uint64(toeplitz(key, addresses)), uint64(toeplitz(key, append(addresses, p.layers.ports...)))
	kind, told := p.named("rx_hash_type")
	const l4 = 8
	switch {
	case told && kind&l4 != 0:
		return value == long, fmt.Sprintf("0x%x, of addresses and ports", long)
	case told && kind != 0:
		return value == short, fmt.Sprintf("0x%x, of addresses", short)
	}
	return value == long || value == short, fmt.Sprintf("0x%x, or 0x%x of addresses alone", long, short)
}

// manyFlows is how many have one hash only by a fault.
const manyFlows = 8

// flowHash wants one hash for all packets of a flow, and not one for all flows.
func flowHash() func(p *Packet, value uint64, has bool) (verdict, string) {
	flows, hashes := map[string]uint64{}, map[uint64]bool{}
	return func(p *Packet, value uint64, has bool) (verdict, string) {
		l := &p.layers
		if !has || l.ip == 0 || l.fragment || l.tunnel || l.l4 == 0 {
			return silent, ""
		}
		flow := string(l.src) + string(l.dst) + string(l.protocol) + string(l.ports)
		first, seen := flows[flow]
		if !seen {
			flows[flow], hashes[value] = value, true
			if len(flows) >= manyFlows && len(hashes) == 1 {
				return differs, fmt.Sprintf("not the one hash of all %d flows", len(flows))
			}
			return silent, ""
		}
		return whether(true, value == first, fmt.Sprintf("0x%x, as of an earlier packet of the flow", first))
	}
}

// clockTolerance is how much later than another a packet may come to its program, and
// how far a clock may be set meanwhile.
const clockTolerance = time.Second

// steadyClock wants timestamps to grow as fast as the kernel's clock does, and not
// to go back in a queue.
func steadyClock() func(p *Packet, value uint64, has bool) (verdict, string) {
	var first *Packet
	var start uint64
	latest := map[uint32]uint64{} // by queue
	return func(p *Packet, value uint64, has bool) (verdict, string) {
		if !has {
			return silent, ""
		}
		if first == nil {
			first, start = p, value
		}
		before := latest[p.Queue]
		latest[p.Queue] = value
		ahead := time.Duration((value - start) - (p.Time - first.Time))
		if value < before {
			return differs, fmt.Sprintf("no less than 0x%x, of a packet before", before)
		}
		return whether(true, ahead.Abs() < clockTolerance, fmt.Sprintf("%v less, by the time that the kernel's clock took since the first packet", ahead))
	}
}

// tagProtocol: that of 802.1Q and that of 802.1ad.
func tagProtocol(_ *Packet, value uint64, has bool) (verdict, string) {
	proto := fromNetwork(uint16(value))
	return whether(has, proto == etherVLAN || proto == etherQinQ, "0x8100 or 0x88a8")
}
