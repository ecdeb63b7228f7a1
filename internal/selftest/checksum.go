package selftest

import (
	"encoding/binary"
	"hash/crc32"
)

// sums is what a frame's checksums are, recomputed.
type sums int

const (
	unknown sums = iota // not all of the bytes are there, or it is a kind that is not computed here
	right
	wrong
)

// checksums recomputes that of the IPv4 header and that of layer 4. A layer 4
// checksum that is not there at all (UDP's 0, IPv6's header) is right.
func (p *Packet) checksums() (header, transport sums) {
	b, l := p.captured(), &p.layers
	switch {
	case l.ip == 0 || l.l4 > len(b):
		return unknown, unknown
	case l.ip == 6 || fold(sum(b[l.l3:l.l4])) == 0xffff:
		header = right
	default:
		header = wrong
	}
	if l.fragment || l.tunnel || l.routed || l.end > len(b) || l.end < l.l4 || l.l4 == 0 {
		return header, unknown
	}
	return header, l.transportSum(b[l.l4:l.end])
}

// transportSum recomputes the checksum of layer 4, of which all bytes are there.
func (l *layers) transportSum(b []byte) sums {
	var at int // of the checksum
	pseudo := l.pseudoHeader(len(b))
	switch {
	case l.protocol == protoTCP && len(b) >= 20:
		at = 16
	case l.protocol == protoUDP && len(b) >= 8 && int(binary.BigEndian.Uint16(b[4:])) == len(b):
		at = 6
		if b[6] == 0 && b[7] == 0 && l.ip == 4 {
			return right
		}
	case l.protocol == protoICMP && l.ip == 4 && len(b) >= 8:
		at, pseudo = 2, 0
	case l.protocol == protoICMPv6 && l.ip == 6 && len(b) >= 8:
		at = 2
	case l.protocol == protoSCTP && len(b) >= 12:
		return sctpSum(b)
	default:
		return unknown
	}
	if fold(pseudo+sum(b)) == 0xffff {
		return right
	}
	// The sender, on the same machine, left it to a NIC that the frame never came to
	// (CHECKSUM_PARTIAL in include/linux/skbuff.h): the field has the pseudo header's sum.
	if pseudo != 0 && binary.BigEndian.Uint16(b[at:]) == fold(pseudo) {
		return right
	}
	return wrong
}

// sctpSum checks SCTP's CRC32c, RFC 9260, appendix A; 0 is what a sender on the
// same machine leaves.
func sctpSum(b []byte) sums {
	zeroed := append(append(append([]byte{}, b[:8]...), 0, 0, 0, 0), b[12:]...)
	have := binary.LittleEndian.Uint32(b[8:])
	if have == 0 || have == crc32.Checksum(zeroed, crc32.MakeTable(crc32.Castagnoli)) {
		return right
	}
	return wrong
}

// pseudoHeader is the sum of what TCP, UDP and ICMPv6 cover besides themselves
// (RFC 9293, 3.1; RFC 8200, 8.1).
func (l *layers) pseudoHeader(length int) uint64 {
	return sum(l.src) + sum(l.dst) + uint64(l.protocol) + uint64(length)
}

// sum adds 16-bit words, the last padded with 0 (RFC 1071).
func sum(b []byte) (total uint64) {
	for ; len(b) >= 2; b = b[2:] {
		total += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		total += uint64(b[0]) << 8
	}
	return total
}

// fold makes it 16 bits.
func fold(total uint64) uint16 {
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	return uint16(total)
}

// toeplitz is the hash function of receive side scaling: Microsoft, "RSS Hashing
// Functions". The key has to be 4 bytes longer than the data.
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
