package selftest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/layouts"
)

// packet is one that was recorded with some hints.
func packet(frame []byte, hints map[string]uint64) *Packet {
	p := &Packet{}
	p.HashError, p.TimestampError, p.VLANError = -61, -61, -61 // ENODATA
	p.Length, p.Linear = uint32(len(frame)), uint32(len(frame))
	p.Captured = uint32(copy(p.Bytes[:], frame))
	p.layers = parse(p.captured())
	for name, value := range hints {
		at := place(name)
		p.Value[at], p.Has, p.Exists = value, p.Has|1<<at, p.Exists|1<<at
	}
	return p
}

// with changes a packet.
func (p *Packet) with(change func(p *Packet)) *Packet {
	change(p)
	return p
}

func (p *Packet) skb(s SKB) *Packet { p.SKB = &s; return p }

// network is a number as a program reads it from a member in network order.
func network(v uint16) uint64 { return uint64(fromNetwork(v)) }

// found is the one comparison of a hint with a reference.
func found(t *testing.T, r *Result, hint, reference string) Comparison {
	t.Helper()
	for _, h := range r.Hints {
		for _, c := range h.Comparisons {
			if h.Name == hint && c.Reference == reference {
				return c
			}
		}
	}
	return Comparison{Reference: reference}
}

// A sample is packets of which one reference says the same as the hint, and others
// of which it does not; those differ in as little as there can be.
type sample struct {
	hint, reference string
	agree, differ   []*Packet
	around          Surroundings
}

func hash(v uint32, frame []byte, more map[string]uint64) *Packet {
	hints := map[string]uint64{"rx_hash": uint64(v)}
	for name, value := range more {
		hints[name] = value
	}
	return packet(frame, hints)
}

func one(name string, value uint64, frame []byte) *Packet {
	return packet(frame, map[string]uint64{name: value})
}

// samples has one at least for each check; TestEveryCheck sees to it.
func samples() []sample {
	kfuncHash := func(p *Packet) { p.HashError, p.KfuncHash, p.KfuncHashType = 0, 0x1234, 0x19 }
	kfuncTag := func(p *Packet) { p.VLANError, p.KfuncVLANProto, p.KfuncVLANTCI = 0, uint16(network(0x8100)), 100 }
	kfuncTime := func(p *Packet) { p.TimestampError, p.KfuncTimestamp = 0, 1e18 }
	tagged := SKB{VLANTCI: 100, VLANProto: uint16(network(0x8100))}
	damaged := bytes.Clone(tcp4)
	damaged[len(damaged)-1] ^= 1
	long, short := toeplitz(rssKey, join(from4, to4, tcp4[34:38])), toeplitz(rssKey, join(from4, to4))
	late := toeplitz(append([]byte{0}, rssKey[:39]...), join(from4, to4, tcp4[34:38]))
	total := uint64(fromNetwork(fold(sum(tcp4[14:]))))
	at := func(stamp, now time.Duration, queue uint32) *Packet {
		return one("rx_timestamp", uint64(stamp), tcp4).with(func(p *Packet) { p.Time, p.Queue = uint64(now), queue })
	}
	address := func(b []byte) uint64 { return uint64(binary.NativeEndian.Uint32(b)) }
	list := []sample{
		{hint: "rx_hash", reference: "kfunc rx_hash",
			agree: []*Packet{hash(0x1234, tcp4, nil).with(kfuncHash)},
			differ: []*Packet{hash(0x1235, tcp4, nil).with(kfuncHash),
				hash(1, arp, nil), hash(0x1234, tcp4, nil).with(kfuncHash).with(func(p *Packet) { p.HashError = -61 })}},
		{hint: "rx_hash_type", reference: "kfunc rx_hash",
			agree:  []*Packet{one("rx_hash_type", 0x19, tcp4).with(kfuncHash)},
			differ: []*Packet{one("rx_hash_type", 0x1, tcp4).with(kfuncHash)}},
		{hint: "rx_timestamp", reference: "kfunc rx_timestamp",
			agree:  []*Packet{one("rx_timestamp", 1e18, tcp4).with(kfuncTime)},
			differ: []*Packet{one("rx_timestamp", 1e18+1, tcp4).with(kfuncTime), one("rx_timestamp", 1, tcp4)}},
		{hint: "vlan_tci", reference: "kfunc rx_vlan_tag",
			agree:  []*Packet{one("vlan_tci", 100, tcp4).with(kfuncTag)},
			differ: []*Packet{one("vlan_tci", 200, tcp4).with(kfuncTag), one("vlan_tci", 0, tcp4)}},
		{hint: "vlan_proto", reference: "kfunc rx_vlan_tag",
			agree:  []*Packet{one("vlan_proto", network(0x8100), tcp4).with(kfuncTag)},
			differ: []*Packet{one("vlan_proto", network(0x88a8), tcp4).with(kfuncTag)}},
		{hint: "rx_hash", reference: "the driver's skb->hash",
			agree:  []*Packet{hash(0x1234, tcp4, nil).skb(SKB{Hash: 0x1234})},
			differ: []*Packet{hash(0x1234, tcp4, nil).skb(SKB{Hash: 0x2468})}},
		{hint: "rx_timestamp", reference: "the driver's hwtstamps",
			agree:  []*Packet{one("rx_timestamp", 1e18, tcp4).skb(SKB{Timestamp: 1e18})},
			differ: []*Packet{one("rx_timestamp", 1e18, tcp4).skb(SKB{Timestamp: 1e18 + 448})}},
		{hint: "vlan_tci", reference: "the driver's skb->vlan_tci",
			agree:  []*Packet{one("vlan_tci", 100, tcp4).skb(tagged)},
			differ: []*Packet{one("vlan_tci", 50, tcp4).skb(tagged), one("vlan_tci", 0, tcp4).skb(SKB{})}},
		{hint: "vlan_proto", reference: "the driver's skb->vlan_proto",
			agree:  []*Packet{one("vlan_proto", network(0x8100), tcp4).skb(tagged)},
			differ: []*Packet{one("vlan_proto", network(0x88a8), tcp4).skb(tagged)}},
		{hint: "flow_mark", reference: "the driver's skb->mark",
			agree:  []*Packet{one("flow_mark", 7, tcp4).skb(SKB{Mark: 7})},
			differ: []*Packet{one("flow_mark", 14, tcp4).skb(SKB{Mark: 7})}},
		{hint: "csum_status", reference: "the driver's skb->ip_summed",
			agree: []*Packet{one("csum_status", csumGood, arp).skb(SKB{IPSummed: checksumUnnecessary}),
				one("csum_status", csumGood, arp).skb(SKB{IPSummed: checksumPartial}),
				one("csum_status", csumComplete, arp).skb(SKB{IPSummed: checksumComplete})},
			differ: []*Packet{one("csum_status", csumGood, arp).skb(SKB{IPSummed: checksumNone}),
				one("csum_status", csumBad, arp).skb(SKB{IPSummed: checksumUnnecessary})}},
		{hint: "csum", reference: "the driver's skb->csum",
			agree: []*Packet{one("csum", 0x12345678, arp).skb(SKB{IPSummed: checksumComplete, Csum: 0x68ac}),
				one("csum", 0xffff, arp).skb(SKB{IPSummed: checksumComplete, Csum: 0})},
			differ: []*Packet{one("csum", 0x2469, arp).skb(SKB{IPSummed: checksumComplete, Csum: 0x2468})}},
		{hint: "rx_error", reference: "that the driver passed it on",
			agree:  []*Packet{one("rx_error", 0, tcp4).skb(SKB{})},
			differ: []*Packet{one("rx_error", 2, tcp4).skb(SKB{})}},
		{hint: "rx_queue", reference: "the XDP context, the skb",
			agree: []*Packet{one("rx_queue", 0, tcp4), one("rx_queue", 3, tcp4).skb(SKB{QueueMapping: 4}),
				one("rx_queue", 2, tcp4).with(func(p *Packet) { p.Queue = 2 })},
			differ: []*Packet{one("rx_queue", 1, tcp4), one("rx_queue", 3, tcp4).skb(SKB{QueueMapping: 3}), one("rx_queue", 65535, tcp4).skb(SKB{})}},
		{hint: "pkt_len", reference: "the frame's length",
			agree:  []*Packet{one("pkt_len", uint64(len(tcp4)), tcp4)},
			differ: []*Packet{one("pkt_len", uint64(len(tcp4))*2, tcp4), one("pkt_len", uint64(len(tcp4))+4, tcp4)}},
		{hint: "csum", reference: "the frame's sum",
			agree:  []*Packet{one("csum", total, tcp4)},
			differ: []*Packet{one("csum", total+1, tcp4)}},
		{hint: "csum_status", reference: "the frame's checksums",
			agree:  []*Packet{one("csum_status", csumGood, tcp4), one("csum_status", csumBad, damaged)},
			differ: []*Packet{one("csum_status", csumGood, damaged), one("csum_status", csumBad, tcp4)}},
		{hint: "rx_hash", reference: "Toeplitz, the NIC's key", around: Surroundings{RSSKey: rssKey},
			agree: []*Packet{hash(long, tcp4, nil), hash(short, tcp4, nil), hash(late, tcp4, nil),
				hash(long, tcp4, map[string]uint64{"rx_hash_type": 0x19}), hash(short, tcp4, map[string]uint64{"rx_hash_type": 1})},
			differ: []*Packet{hash(long>>1, tcp4, nil), hash(short, tcp4, map[string]uint64{"rx_hash_type": 0x19}),
				hash(long, tcp4, map[string]uint64{"rx_hash_type": 1})}},
		{hint: "rx_hash", reference: "others of its flow",
			agree:  []*Packet{hash(7, tcp4, nil), hash(7, tcp4, nil), hash(9, udp4, nil), hash(9, udp4, nil)},
			differ: []*Packet{hash(7, tcp4, nil), hash(8, tcp4, nil)}},
		{hint: "rx_timestamp", reference: "the kernel's clock",
			agree:  []*Packet{at(1e18, 5e9, 0), at(1e18+2e9, 7.5e9, 0), at(1e18+1e9, 7.5e9-1e9, 1)},
			differ: []*Packet{at(1e18, 5e9, 0), at(1e18+2e9, 6e9, 0), at(1e18+1e9, 6.1e9, 0)}},
		{hint: "vlan_proto", reference: "what a tag can be",
			agree:  []*Packet{one("vlan_proto", network(0x8100), tcp4), one("vlan_proto", network(0x88a8), tcp4)},
			differ: []*Packet{one("vlan_proto", network(0x4080), tcp4)}},
		{hint: "src_ip4", reference: "the frame's headers",
			agree: []*Packet{one("src_ip4", address(from4), tcp4)}, differ: []*Packet{one("src_ip4", address(to4), tcp4), one("src_ip4", 0, tcp6)}},
		{hint: "dst_ip4", reference: "the frame's headers",
			agree: []*Packet{one("dst_ip4", address(to4), tcp4)}, differ: []*Packet{one("dst_ip4", address(from4), tcp4)}},
		{hint: "src_port", reference: "the frame's headers",
			agree: []*Packet{one("src_port", network(12345), tcp4)}, differ: []*Packet{one("src_port", network(443), tcp4), one("src_port", 0, arp)}},
		{hint: "dst_port", reference: "the frame's headers",
			agree: []*Packet{one("dst_port", network(443), tcp4)}, differ: []*Packet{one("dst_port", network(12345), tcp4)}},
		{hint: "l3_offset", reference: "the frame's headers",
			agree:  []*Packet{one("l3_offset", 14, tcp4), one("l3_offset", 18, tag(0x8100, 1, tcp4))},
			differ: []*Packet{one("l3_offset", 14, tag(0x8100, 1, tcp4))}},
		{hint: "l4_offset", reference: "the frame's headers",
			agree: []*Packet{one("l4_offset", 34, tcp4)}, differ: []*Packet{one("l4_offset", 35, tcp4), one("l4_offset", 34, arp)}},
	}
	return append(list, headerSamples()...)
}

// headerSamples are of what is told by kinds of headers.
func headerSamples() []sample {
	s := []sample{{hint: "rx_hash_type", reference: "the frame's headers"}, {hint: "ptype", reference: "the frame's headers"}}
	inner := ipv4(protoTCP, tcpHeader())
	options := ether(etherIPv4, ipv4(protoUDP, udpTo(53), 1, 1, 1, 0)...)
	fragment := ether(etherIPv4, fragmented(ipv4(protoUDP, udpTo(53)), 8)...)
	ipip := ether(etherIPv4, ipv4(protoIPv4, inner)...)
	vxlan := ether(etherIPv4, ipv4(protoUDP, udpTo(portVXLAN, append([]byte{8, 0, 0, 0, 0, 0, 1, 0}, tcp6...)...))...)
	gre := ether(etherIPv4, ipv4(protoGRE, append([]byte{0, 0, 8, 0}, inner...))...)
	ping := ether(etherIPv4, ipv4(protoICMP, icmpEcho)...)
	sctp := ether(etherIPv4, ipv4(protoSCTP, sctpInit)...)
	esp := ether(etherIPv4, ipv4(protoESP, make([]byte, 32))...)
	for _, c := range []struct {
		frame             []byte
		types, otherTypes []uint64
		kinds, otherKinds []uint64
	}{
		{tcp4, []uint64{0x1, 0x19, 0}, []uint64{0x2, 0x29, 0x10 | 0x2, 0x40, 0x100},
			[]uint64{0, 1, 0x11, 0x91, 0x111, 0x611}, []uint64{0x2, 0x3, 0x4, 0x6, 0x7, 0x31, 0x41, 0xc1, 0xe1, 0x211, 0x311, 0x411, 0x511, 0x711, 0x1011, 0x2011, 0x3011, 0x6011, 0x9011}},
		{tcp6, []uint64{0x2, 0x1a}, []uint64{0x1, 0x2a}, []uint64{0x141, 0x1e1}, []uint64{0x111, 0x1c1, 0x241}},
		{udp4, []uint64{0x29}, []uint64{0x19}, []uint64{0x211}, []uint64{0x111}},
		{options, nil, nil, []uint64{0x31, 0x91}, []uint64{0x11}},
		{fragment, nil, nil, []uint64{0x311}, []uint64{0x211, 0x611, 0x111}},
		{ping, []uint64{0x101}, []uint64{0x19}, []uint64{0x511}, []uint64{0x211}},
		{sctp, []uint64{0x49}, []uint64{0x29}, []uint64{0x411}, []uint64{0x211}},
		{esp, []uint64{0x81}, nil, []uint64{0x9011}, []uint64{0x1011}},
		{arp, []uint64{0}, []uint64{0x1, 0x10}, []uint64{0x1, 0x3}, []uint64{0x11, 0x2, 0x111, 0x41}},
		{ipip, []uint64{0x19, 0x1}, []uint64{0x1a, 0x29}, []uint64{0x1101011, 0x6101011}, []uint64{0x1301011, 0x2101011, 0x1102011, 0x111}},
		{vxlan, []uint64{0x1a, 0x29}, []uint64{0x2a}, []uint64{0x1303011, 0x1306011, 0x0211}, []uint64{0x1103011, 0x2303011, 0x1302011}},
		{gre, nil, nil, []uint64{0x1102011, 0x1106011}, []uint64{0x1303011, 0x1202011}},
		{tag(0x8100, 1, tcp4), nil, nil, []uint64{0x116, 0x111}, []uint64{0x117}},
		{tag(0x88a8, 1, tag(0x8100, 1, tcp4)), nil, nil, []uint64{0x117}, []uint64{0x113}},
		{ether(etherLLDP, make([]byte, 46)...), nil, nil, []uint64{0x4}, []uint64{0x3}},
		{ether(etherPTP, make([]byte, 46)...), nil, nil, []uint64{0x2}, []uint64{0x4}},
	} {
		for _, v := range c.types {
			s[0].agree = append(s[0].agree, one("rx_hash_type", v, c.frame))
		}
		for _, v := range c.otherTypes {
			s[0].differ = append(s[0].differ, one("rx_hash_type", v, c.frame))
		}
		for _, v := range c.kinds {
			s[1].agree = append(s[1].agree, one("ptype", v, c.frame))
		}
		for _, v := range c.otherKinds {
			s[1].differ = append(s[1].differ, one("ptype", v, c.frame))
		}
	}
	s[1].agree = append(s[1].agree, packet(tcp4, map[string]uint64{"ptype": 0x116, "vlan_tci": 7}))
	return s
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// stateful are the checks that go by more than one packet.
var stateful = map[string]bool{"others of its flow": true, "the kernel's clock": true}

// Each check agrees with what is right and finds each thing that is not.
func TestEveryCheck(t *testing.T) {
	tried := map[string]bool{}
	for _, s := range samples() {
		name := s.hint + ", " + s.reference
		tried[name] = true
		t.Run(name, func(t *testing.T) {
			require.NotEmpty(t, s.agree)
			require.NotEmpty(t, s.differ)
			r := Compare(s.agree, s.around)
			got := found(t, r, s.hint, s.reference)
			require.Zero(t, got.Differed, "%+v", got.First)
			if !stateful[s.reference] { // the first of a flow has nothing to agree with
				require.Equal(t, len(s.agree), got.Agreed)
			}
			if stateful[s.reference] {
				got := found(t, Compare(s.differ, s.around), s.hint, s.reference)
				require.Equal(t, len(s.differ)-1, got.Differed, "all but the first")
				return
			}
			for i, p := range s.differ {
				// The first agrees: so kfuncs are known to answer.
				r := Compare([]*Packet{s.agree[0], p}, s.around)
				got := found(t, r, s.hint, s.reference)
				require.Equal(t, 1, got.Differed, "packet %d, hint %#x", i, p.Value[place(s.hint)])
				require.True(t, r.Differed())
				require.NotEmpty(t, got.First[0].Want)
				require.Equal(t, p.captured(), got.First[0].Bytes)
			}
		})
	}
	for _, c := range checks(Surroundings{}, kfuncs{}) {
		require.True(t, tried[c.hint+", "+c.reference], "no sample for %s, %s", c.hint, c.reference)
	}
}

// An absent hint is never wrong, but it is counted where the reference had it.
func TestAbsent(t *testing.T) {
	p := packet(tcp4, nil).skb(SKB{Hash: 1, VLANTCI: 1, VLANProto: 1, IPSummed: checksumUnnecessary, Mark: 3, Timestamp: 5})
	p.HashError, p.KfuncHash = 0, 1
	p.Exists = 1<<hintCount - 1
	r := Compare([]*Packet{p}, Surroundings{RSSKey: rssKey})
	require.False(t, r.Differed())
	require.Zero(t, r.Compared())
	for _, c := range [][2]string{{"rx_hash", "kfunc rx_hash"}, {"rx_hash", "the driver's skb->hash"}, {"vlan_tci", "the driver's skb->vlan_tci"},
		{"csum_status", "the driver's skb->ip_summed"}, {"flow_mark", "the driver's skb->mark"}, {"rx_timestamp", "the driver's hwtstamps"}} {
		require.Equal(t, 1, found(t, r, c[0], c[1]).Missed, "%v", c)
	}
}

// veth's kfunc gives the time 0 where there is none: then there is nothing to miss.
func TestNoTime(t *testing.T) {
	stamped, not := packet(tcp4, nil), packet(tcp4, nil)
	stamped.TimestampError, stamped.KfuncTimestamp, not.TimestampError = 0, 5, 0
	stamped.Exists = 1 << place("rx_timestamp")
	require.Equal(t, 1, found(t, Compare([]*Packet{stamped, not}, Surroundings{}), "rx_timestamp", "kfunc rx_timestamp").Missed)
}

// What holds of all hints: an absent one is 0, and none is there that can not be.
func TestRules(t *testing.T) {
	for at, h := range layouts.StandardHints {
		absent := packet(arp, nil)
		absent.Value[at] = 1
		require.Equal(t, 1, found(t, Compare([]*Packet{absent}, Surroundings{}), h.Name, "the rules of hints").Differed, h.Name)
		never := packet(arp, nil)
		never.Has = 1 << at
		require.Equal(t, 1, found(t, Compare([]*Packet{never}, Surroundings{}), h.Name, "the rules of hints").Differed, h.Name)
	}
}

// Where something tells a hint for certain, what takes things for granted is not asked.
func TestWeak(t *testing.T) {
	p := hash(0x1234, tcp4, nil).skb(SKB{Hash: 0x1234})
	r := Compare([]*Packet{p}, Surroundings{RSSKey: rssKey})
	require.False(t, r.Differed())
	require.Zero(t, found(t, r, "rx_hash", "Toeplitz, the NIC's key").Differed)
	p.SKB = nil
	r = Compare([]*Packet{p}, Surroundings{RSSKey: rssKey})
	require.Equal(t, 1, found(t, r, "rx_hash", "Toeplitz, the NIC's key").Differed)
}

// One hash for everything is no hash.
func TestOneHashForAll(t *testing.T) {
	var packets []*Packet
	for port := range manyFlows {
		packets = append(packets, hash(5, ether(etherIPv4, ipv4(protoUDP, udpTo(uint16(port+1)))...), nil))
	}
	require.Zero(t, found(t, Compare(packets[1:], Surroundings{}), "rx_hash", "others of its flow").Differed)
	require.Equal(t, 1, found(t, Compare(packets, Surroundings{}), "rx_hash", "others of its flow").Differed)
}

// Where nobody can tell, nobody does.
func TestSilent(t *testing.T) {
	cut := packet(tcp4, map[string]uint64{"csum": 1, "csum_status": 1, "pkt_len": 1})
	cut.Captured, cut.Linear = 50, 60
	off := one("csum_status", csumGood, arp).skb(SKB{IPSummed: checksumNone})
	for name, test := range map[string]struct {
		p      *Packet
		around Surroundings
	}{
		"not all of the frame":     {p: cut},
		"checksums are off":        {off, Surroundings{ChecksumOff: true}},
		"kfuncs that never answer": {p: hash(1, tcp4, map[string]uint64{"rx_timestamp": 1, "vlan_tci": 1})},
		"a hash in software":       {p: hash(1, tcp4, nil).skb(SKB{Hash: 2, SWHash: 1})},
		"a driver without hash":    {p: hash(1, tcp4, nil).skb(SKB{})},
		"a pointer for a time":     {p: one("rx_timestamp", 1, tcp4).skb(SKB{Timestamp: -1})},
		"addresses in a tunnel":    {p: one("src_ip4", 1, ether(etherIPv4, ipv4(protoIPv4, ipv4(protoTCP, tcpHeader()))...))},
		"a key that is too short":  {hash(1, tcp4, nil), Surroundings{RSSKey: rssKey[:39]}},
	} {
		r := Compare([]*Packet{test.p}, test.around)
		require.False(t, r.Differed(), "%s: %+v", name, r.Hints)
	}
}

func TestFormat(t *testing.T) {
	for name, want := range map[string]string{"src_ip4": "192.0.2.1", "dst_port": "443", "vlan_proto": "0x8100", "rx_hash": "0x12345678", "rx_queue": "7"} {
		value := map[string]uint64{"src_ip4": uint64(binary.NativeEndian.Uint32(from4)), "dst_port": network(443),
			"vlan_proto": network(0x8100), "rx_hash": 0x12345678, "rx_queue": 7}[name]
		require.Equal(t, want, format(place(name), value))
	}
}

// Records pair by CPU and number, and only if they hold the same frame.
func TestPairs(t *testing.T) {
	frame := func(cpu uint32, number uint64, data []byte) []byte {
		f := packet(data, nil).Frame
		f.Kind, f.CPU, f.Number = kindFrame, cpu, number
		return encoded(t, &f)
	}
	skb := func(cpu uint32, number uint64, data []byte) []byte {
		s := &SKB{Kind: kindSKB, CPU: cpu, Number: number, Length: uint32(len(data))}
		s.Captured = uint32(copy(s.Bytes[:], data))
		return encoded(t, s)
	}
	var ps pairs
	for _, record := range [][]byte{
		frame(0, 1, tcp4), frame(1, 1, udp4), skb(1, 1, udp4), skb(0, 1, tcp4), // two CPUs
		frame(0, 2, tcp4), skb(0, 2, append(bytes.Clone(tcp4[:40]), make([]byte, len(tcp4)-40)...)), // another frame
		frame(0, 3, tcp4), skb(0, 3, append(bytes.Clone(tcp4), 0)), // another length
		frame(0, 4, tcp4), skb(0, 5, tcp4), // another number
	} {
		require.NoError(t, ps.add(record))
	}
	var paired []bool
	for _, p := range ps.packets {
		paired = append(paired, p.SKB != nil)
	}
	require.Equal(t, []bool{true, true, false, false, false}, paired)
	require.Equal(t, uint32(len(udp4)), ps.packets[1].SKB.Length)
	for _, bad := range [][]byte{nil, {1}, {9, 9, 9, 9}, frame(0, 1, tcp4)[:100], skb(0, 1, tcp4)[:20]} {
		require.Error(t, ps.add(bad), "%d bytes", len(bad))
	}
}

func encoded(t *testing.T, record any) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, binary.Write(&b, binary.NativeEndian, record))
	return b.Bytes()
}

// The records here are those of the program: as long, and with the hints in the same
// order. _Static_assert in the source has the other half of the lengths.
func TestRecordsAsInC(t *testing.T) {
	source, err := os.ReadFile("../../bpf/selftest/selftest.c")
	require.NoError(t, err)
	var names, want []string
	for _, m := range regexp.MustCompile(`[ \t]x\((\w+)\)`).FindAllSubmatch(source, -1) {
		names = append(names, string(m[1]))
	}
	for _, h := range layouts.StandardHints {
		want = append(want, h.Name)
	}
	require.Equal(t, want, names)
	require.Len(t, want, hintCount)
	for name, size := range map[string]int{"frame_record": binary.Size(Frame{}), "skb_record": binary.Size(SKB{})} {
		require.Contains(t, string(source), fmt.Sprintf("_Static_assert(offsetof_end(struct %s, frame) == %d,", name, size))
	}
}
