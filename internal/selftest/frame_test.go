package selftest

import (
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
)

// The frames of these tests are put together layer by layer.

func ether(etherType uint16, payload ...byte) []byte {
	b := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	return append(binary.BigEndian.AppendUint16(b, etherType), payload...)
}

// tag puts a VLAN tag on a frame.
func tag(proto, tci uint16, frame []byte) []byte {
	b := binary.BigEndian.AppendUint16(append([]byte{}, frame[:12]...), proto)
	return append(binary.BigEndian.AppendUint16(b, tci), frame[12:]...)
}

var (
	from4, to4 = []byte{192, 0, 2, 1}, []byte{198, 51, 100, 7}
	from6, to6 = []byte{0x20, 0x01, 0x0d, 0xb8, 15: 1}, []byte{0x20, 0x01, 0x0d, 0xb8, 14: 7, 15: 9}
)

// ipv4 is a packet with right checksums, its options filled up to words.
func ipv4(protocol byte, payload []byte, options ...byte) []byte {
	size := 20 + len(options)
	b := []byte{0x40 | byte(size/4), 0, 0, 0, 0, 1, 0, 0, 64, protocol, 0, 0}
	b = append(append(append(b, from4...), to4...), options...)
	binary.BigEndian.PutUint16(b[2:], uint16(size+len(payload)))
	binary.BigEndian.PutUint16(b[10:], ^fold(sum(b)))
	return append(b, checked(from4, to4, protocol, payload)...)
}

// ipv6 is a packet with extension headers, which begin with their own next header.
func ipv6(first, protocol byte, extensions, payload []byte) []byte {
	b := []byte{0x60, 0, 0, 0, 0, byte(len(extensions) + len(payload)), first, 64}
	b = append(append(append(b, from6...), to6...), extensions...)
	return append(b, checked(from6, to6, protocol, payload)...)
}

// checked is what IP carries, with its checksum filled in.
func checked(src, dst []byte, protocol byte, payload []byte) []byte {
	b := append([]byte{}, payload...)
	at, pseudo := 0, sum(src)+sum(dst)+uint64(protocol)+uint64(len(b))
	switch protocol {
	case protoTCP:
		at = 16
	case protoUDP:
		at = 6
	case protoICMPv6:
		at = 2
	case protoICMP:
		at, pseudo = 2, 0
	case protoSCTP:
		binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
		return b
	default:
		return b
	}
	binary.BigEndian.PutUint16(b[at:], ^fold(pseudo+sum(b)))
	return b
}

func tcpHeader(payload ...byte) []byte {
	return append([]byte{0x30, 0x39, 0x01, 0xbb, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0x20, 0, 0, 0, 0, 0}, payload...)
}

func udpTo(port uint16, payload ...byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0x30, 0x39}, port)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}

var (
	icmpEcho = []byte{8, 0, 0, 0, 0, 1, 0, 1, 'h', 'i'}
	sctpInit = []byte{0x30, 0x39, 0x01, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 4}
	tcp4     = ether(etherIPv4, ipv4(protoTCP, tcpHeader('o', 'd', 'd'))...)
	udp4     = ether(etherIPv4, ipv4(protoUDP, udpTo(53, 1, 2, 3))...)
	tcp6     = ether(etherIPv6, ipv6(protoTCP, protoTCP, nil, tcpHeader())...)
	arp      = ether(etherARP, make([]byte, 46)...)
)

func TestParse(t *testing.T) {
	inner := ipv4(protoTCP, tcpHeader())
	for _, test := range []struct {
		name  string
		frame []byte
		want  string // as String says it, and more
		l3    int
		l4    int
	}{
		{"TCP", tcp4, "IPv4, protocol 6", 14, 34},
		{"TCP over IPv6", tcp6, "IPv6, protocol 6", 14, 54},
		{"ARP", arp, "EtherType 0x0806", 0, 0},
		{"tag", tag(etherVLAN, 100, udp4), "IPv4, protocol 17", 18, 38},
		{"two tags", tag(etherQinQ, 1, tag(etherVLAN, 100, udp4)), "IPv4, protocol 17", 22, 42},
		{"options", ether(etherIPv4, ipv4(protoUDP, udpTo(53), 1, 1, 1, 0)...), "IPv4, protocol 17, with options", 14, 38},
		{"extension", ether(etherIPv6, ipv6(protoDstOption, protoUDP, []byte{protoUDP, 0, 1, 4, 0, 0, 0, 0}, udpTo(53))...),
			"IPv6, protocol 17, with options", 14, 62},
		{"extensions", ether(etherIPv6, ipv6(protoHopByHop, protoUDP,
			append(append([]byte{protoAH, 1, 1, 12}, make([]byte, 12)...), append([]byte{protoUDP, 4}, make([]byte, 22)...)...), udpTo(53))...),
			"IPv6, protocol 17, with options", 14, 94},
		{"a header that is too short", append(ether(etherIPv4, 0x44), make([]byte, 40)...), "EtherType 0x0800", 0, 0},
		{"fragment of IPv6", ether(etherIPv6, ipv6(protoFragment, protoUDP, []byte{protoUDP, 0, 0, 1, 0, 0, 0, 1}, udpTo(53))...),
			"IPv6, protocol 17, a fragment", 14, 62},
		{"IP in IP", ether(etherIPv4, ipv4(protoIPv4, inner)...), "IPv4, protocol 4, in it IPv4, protocol 6", 14, 34},
		{"GRE with a key", ether(etherIPv4, ipv4(protoGRE, append([]byte{0x20, 0, 8, 0, 0, 0, 0, 7}, inner...))...),
			"IPv4, protocol 47, in it IPv4, protocol 6", 14, 34},
		{"VXLAN", ether(etherIPv4, ipv4(protoUDP, udpTo(portVXLAN, append([]byte{8, 0, 0, 0, 0, 0, 1, 0}, tcp6...)...))...),
			"IPv4, protocol 17, in it IPv6, protocol 6", 14, 34},
		{"GENEVE with an option", ether(etherIPv6, ipv6(protoUDP, protoUDP, nil,
			udpTo(portGENEVE, append([]byte{1, 0, 0x65, 0x58, 0, 0, 1, 0, 0, 0, 0, 0}, tcp4...)...))...),
			"IPv6, protocol 17, in it IPv4, protocol 6", 14, 54},
	} {
		l := parse(test.frame)
		require.Equal(t, test.want, l.String(), test.name)
		require.Equal(t, []int{test.l3, test.l4}, []int{l.l3, l.l4}, test.name)
	}
	ports := parse(tcp4)
	require.Equal(t, []byte{0x30, 0x39, 0x01, 0xbb}, ports.ports)
	later := parse(ether(etherIPv4, fragmented(ipv4(protoUDP, udpTo(53)), 8)...))
	require.True(t, later.later && later.fragment)
	require.Nil(t, later.ports)

	more := ipv4(protoUDP, udpTo(53))
	more[6] = 0x20 // More Fragments
	first := parse(ether(etherIPv4, more...))
	require.True(t, first.fragment && !first.later)
}

// fragmented makes a packet one that begins so many bytes into another.
func fragmented(packet []byte, at uint16) []byte {
	b := append([]byte{}, packet...)
	binary.BigEndian.PutUint16(b[6:], at/8)
	binary.BigEndian.PutUint16(b[10:], 0)
	binary.BigEndian.PutUint16(b[10:], ^fold(sum(b[:20])))
	return b
}

// Whatever comes over a wire, it is parsed without going out of its bounds, and so
// is all that looks at it.
func TestParseAnything(t *testing.T) {
	r := chance.Rand(t)
	vxlan := ether(etherIPv4, ipv4(protoUDP, udpTo(portVXLAN, append([]byte{8, 0, 0, 0, 0, 0, 1, 0}, tcp6...)...))...)
	geneve := ether(etherIPv6, ipv6(protoUDP, protoUDP, nil, udpTo(portGENEVE, append([]byte{1, 0, 0x65, 0x58, 0, 0, 1, 0, 0, 0, 0, 0}, tcp4...)...))...)
	tagged := tag(etherQinQ, 1, tag(etherVLAN, 100, udp4))
	gre := ether(etherIPv4, ipv4(protoGRE, append([]byte{0xb0, 0, 8, 0}, make([]byte, 40)...))...)
	extended := ether(etherIPv6, ipv6(protoHopByHop, protoSCTP, []byte{protoRouting, 0, 1, 4, 0, 0, 0, 0, protoSCTP, 0, 0, 1, 0, 0, 0, 0}, sctpInit)...)
	for range 5000 {
		frame := append([]byte{}, [][]byte{tcp4, tcp6, vxlan, geneve, gre, tagged, extended, arp}[r.IntN(8)]...)
		for range r.IntN(4) {
			frame[r.IntN(len(frame))] = byte(r.Uint32())
		}
		p := packet(frame[:r.IntN(len(frame)+1)], nil)
		p.Has, p.Exists = 1<<hintCount-1, 1<<hintCount-1
		for i := range p.Value {
			p.Value[i] = r.Uint64() >> r.IntN(64)
		}
		p.SKB = &SKB{}
		Compare([]*Packet{p}, Surroundings{RSSKey: rssKey})
	}
}

func TestChecksums(t *testing.T) {
	damage := func(frame []byte, at int) []byte {
		b := append([]byte{}, frame...)
		b[at] ^= 1
		return b
	}
	sctp := ether(etherIPv4, ipv4(protoSCTP, sctpInit)...)
	ping := ether(etherIPv4, ipv4(protoICMP, icmpEcho)...)
	ping6 := ether(etherIPv6, ipv6(protoICMPv6, protoICMPv6, nil, icmpEcho)...)
	noSum := append([]byte{}, udp4...)
	noSum[14+20+6], noSum[14+20+7] = 0, 0
	partial := append([]byte{}, tcp4...)
	l := parse(partial)
	binary.BigEndian.PutUint16(partial[l.l4+16:], fold(l.pseudoHeader(l.end-l.l4)))
	for _, test := range []struct {
		name              string
		frame             []byte
		header, transport sums
	}{
		{"TCP", tcp4, right, right},
		{"TCP, padded", append(append([]byte{}, tcp4...), 1, 2, 3), right, right},
		{"TCP, damaged", damage(tcp4, len(tcp4)-1), right, wrong},
		{"TCP, IP damaged", damage(tcp4, 14+8), wrong, right},
		{"TCP, left to a NIC", partial, right, right},
		{"TCP over IPv6", tcp6, right, right},
		{"TCP over IPv6, damaged", damage(tcp6, 54), right, wrong},
		{"UDP", udp4, right, right},
		{"UDP without", noSum, right, right},
		{"UDP, damaged", damage(udp4, len(udp4)-1), right, wrong},
		{"ICMP", ping, right, right},
		{"ICMP, damaged", damage(ping, len(ping)-1), right, wrong},
		{"ICMPv6", ping6, right, right},
		{"ICMPv6, damaged", damage(ping6, len(ping6)-1), right, wrong},
		{"SCTP", sctp, right, right},
		{"SCTP, damaged", damage(sctp, len(sctp)-1), right, wrong},
		{"cut off", tcp4[:50], right, unknown},
		{"fragment", ether(etherIPv4, fragmented(ipv4(protoUDP, udpTo(53)), 8)...), right, unknown},
		{"a destination before the last", ether(etherIPv6, ipv6(protoRouting, protoUDP, []byte{protoUDP, 0, 4, 1, 0, 0, 0, 0}, udpTo(53))...), right, unknown},
		{"the last destination", ether(etherIPv6, ipv6(protoRouting, protoUDP, []byte{protoUDP, 0, 4, 0, 0, 0, 0, 0}, udpTo(53))...), right, right},
		{"ARP", arp, unknown, unknown},
	} {
		header, transport := packet(test.frame, nil).checksums()
		require.Equal(t, []sums{test.header, test.transport}, []sums{header, transport}, test.name)
	}
}

// RFC 1071, 3, and a byte that is left over.
func TestSum(t *testing.T) {
	require.EqualValues(t, 0xddf2, fold(sum([]byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7})))
	require.EqualValues(t, 0x1200, fold(sum([]byte{0x12})))
}

// rssKey is that of Microsoft's "Verifying the RSS Hash Calculation".
var rssKey, _ = hex.DecodeString(strings.Join([]string{
	"6d5a56da255b0ec24167253d43a38fb0", "d0ca2bcbae7b30b477cb2da38030f20c", "6a42b73bbeac01fa"}, ""))

func TestToeplitz(t *testing.T) {
	in := []byte{66, 9, 149, 187, 161, 142, 100, 80, 0x0a, 0xea, 0x06, 0xe6}
	require.EqualValues(t, 0x51ccc178, toeplitz(rssKey, in))
	require.EqualValues(t, 0x323e8fc2, toeplitz(rssKey, in[:8]))
}
