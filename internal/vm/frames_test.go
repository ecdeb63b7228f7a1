package vm

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/vm/job"
)

// frame is one that is sent, and what it is.
type frame struct {
	name     string
	ip       int // version
	protocol uint8
	tag      uint16 // VLAN tag control information
	badL4    bool
	badIP    bool

	data []byte
}

// Protocol numbers.
const (
	icmp = 1
	tcp  = 6
	udp  = 17
)

// frames are sent to every NIC in this order; a frame's ID is its place, from 1.
var frames = build(
	frame{name: "IPv4 TCP", ip: 4, protocol: tcp},
	frame{name: "IPv4 UDP", ip: 4, protocol: udp},
	frame{name: "IPv4 ICMP", ip: 4, protocol: icmp},
	frame{name: "IPv4 UDP, wrong UDP checksum", ip: 4, protocol: udp, badL4: true},
	frame{name: "IPv4 UDP, wrong IP checksum", ip: 4, protocol: udp, badIP: true},
	frame{name: "IPv6 TCP", ip: 6, protocol: tcp},
	frame{name: "IPv6 UDP", ip: 6, protocol: udp},
	frame{name: "VLAN 100, priority 3, IPv4 TCP", ip: 4, protocol: tcp, tag: 3<<13 | 100},
	frame{name: "ARP"},
)

func build(frames ...frame) []frame {
	for n := range frames {
		frames[n].data = frames[n].bytes(uint8(n + 1))
	}
	return frames
}

func jobFrames() []job.Frame {
	var out []job.Frame
	for n, f := range frames {
		out = append(out, job.Frame{ID: uint8(n + 1), Data: f.data})
	}
	return out
}

var (
	source4, destination4 = []byte{192, 0, 2, 1}, []byte{198, 51, 100, 7}
	source6               = []byte{0x20, 0x01, 0x0d, 0xb8, 15: 1}
	destination6          = []byte{0x20, 0x01, 0x0d, 0xb8, 14: 7, 15: 9}
	ports                 = []byte{0x30, 0x39, 0x01, 0xbb} // 12345 -> 443
)

func (f frame) bytes(id uint8) []byte {
	out := []byte{2, 0, 0, 0, 0, 1, 0x02, 0xfe, 0, 0, 0, id}
	if f.tag != 0 {
		out = binary.BigEndian.AppendUint16(out, 0x8100)
		out = binary.BigEndian.AppendUint16(out, f.tag)
	}
	switch f.ip {
	case 4:
		out = binary.BigEndian.AppendUint16(out, 0x0800)
		return append(out, f.ipv4()...)
	case 6:
		out = binary.BigEndian.AppendUint16(out, 0x86dd)
		return append(out, f.ipv6()...)
	}
	out = binary.BigEndian.AppendUint16(out, 0x0806)
	arp := []byte{0, 1, 8, 0, 6, 4, 0, 1, 2, 0xfe, 0, 0, 0, id, 192, 0, 2, 1, 49: 0} // padded
	return append(out, arp...)
}

func (f frame) ipv4() []byte {
	payload := f.transport(source4, destination4)
	h := []byte{0x45, 0, 0, byte(20 + len(payload)), 0, 1, 0, 0, 64, f.protocol, 0, 0}
	h = append(append(h, source4...), destination4...)
	sum := checksum(h)
	if f.badIP {
		sum ^= 0x0101
	}
	binary.BigEndian.PutUint16(h[10:], sum)
	return append(h, payload...)
}

func (f frame) ipv6() []byte {
	payload := f.transport(source6, destination6)
	h := []byte{0x60, 0, 0, 0, 0, byte(len(payload)), f.protocol, 64}
	return append(append(append(h, source6...), destination6...), payload...)
}

// transport is a header with 60 bytes after it, more than any NIC pads to.
func (f frame) transport(source, destination []byte) []byte {
	var h []byte
	at := 0 // of the checksum
	switch f.protocol {
	case tcp:
		h, at = append(append([]byte{}, ports...), 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0x20, 0, 0, 0, 0, 0), 16
	case udp:
		h, at = append(append([]byte{}, ports...), 0, 8+60, 0, 0), 6
	case icmp:
		h, at = []byte{8, 0, 0, 0, 0, 1, 0, 1}, 2
	}
	for n := range 60 {
		h = append(h, byte(n))
	}
	covered := h
	if f.protocol != icmp { // with a pseudo header
		covered = append(append(append([]byte{}, source...), destination...), 0, f.protocol, 0, byte(len(h)))
		covered = append(covered, h...)
	}
	sum := checksum(covered)
	if f.badL4 {
		sum ^= 0x0101
	}
	binary.BigEndian.PutUint16(h[at:], sum)
	return h
}

// checksum is the Internet checksum (RFC 1071).
func checksum(data []byte) uint16 {
	sum := uint32(0)
	for n := 0; n < len(data); n += 2 {
		sum += uint32(data[n]) << 8
		if n+1 < len(data) {
			sum += uint32(data[n+1])
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// hashed is what a NIC computes its hash of.
func (n nic) hashed(f frame) []byte {
	var in []byte
	switch f.ip {
	case 4:
		in = append(append(in, source4...), destination4...)
	case 6:
		in = append(append(in, source6...), destination6...)
	}
	if n.hashesPorts(f) {
		in = append(in, ports...)
	}
	return in
}

func (n nic) hashesPorts(f frame) bool {
	return f.protocol == tcp || f.protocol == udp && n.hashesUDP
}

// toeplitz is the hash function of receive side scaling.
func toeplitz(key, data []byte) uint32 {
	hash, window := uint32(0), binary.BigEndian.Uint32(key)
	for n, b := range data {
		for bit := 7; bit >= 0; bit-- {
			hash ^= window * uint32(b>>bit&1)
			window = window<<1 | uint32(key[n+4]>>bit&1)
		}
	}
	return hash
}

// Of Microsoft's "Verifying the RSS Hash Calculation", TCP/IPv4.
func TestToeplitz(t *testing.T) {
	key := []byte{
		0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0,
	}
	in := []byte{66, 9, 149, 187, 161, 142, 100, 80, 0x0a, 0xea, 0x06, 0xe6}
	require.EqualValues(t, 0x51ccc178, toeplitz(key, in))
}
