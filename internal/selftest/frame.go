package selftest

import "encoding/binary"

// layers is what a frame is by its own bytes. A layer that is not there, or that the
// bytes end in, is 0.
type layers struct {
	tags      int    // VLAN tags in the frame
	etherType uint16 // behind them
	ip        int    // 4 or 6
	l3, l4    int    // where the headers begin
	end       int    // where the IP packet ends; padding may follow
	options   bool   // IPv4 options, IPv6 extension headers but the fragment header
	fragment  bool   // any fragment
	later     bool   // not the first: no header of layer 4
	routed    bool   // the destination is not the last one (IPv6 routing header)
	protocol  uint8  // of layer 4
	src, dst  []byte
	ports     []byte  // both, of TCP, UDP and SCTP
	tunnel    bool    // another packet is in this one, as far as one can tell
	inner     *layers // that one, when it is not encrypted
}

// EtherTypes.
const (
	etherIPv4  = 0x0800
	etherARP   = 0x0806
	etherVLAN  = 0x8100
	etherIPv6  = 0x86dd
	etherQinQ  = 0x88a8
	etherLLDP  = 0x88cc
	etherPTP   = 0x88f7
	etherTrans = 0x6558 // transparent Ethernet bridging, in GRE and GENEVE
)

// IP protocols.
const (
	protoHopByHop  = 0
	protoICMP      = 1
	protoIGMP      = 2
	protoIPv4      = 4
	protoTCP       = 6
	protoUDP       = 17
	protoIPv6      = 41
	protoRouting   = 43
	protoFragment  = 44
	protoGRE       = 47
	protoESP       = 50
	protoAH        = 51
	protoICMPv6    = 58
	protoDstOption = 60
	protoSCTP      = 132
)

// UDP ports of tunnels, IANA's and Linux's own for VXLAN.
const (
	portGTPC       = 2123
	portGTPU       = 2152
	portESP        = 4500
	portVXLAN      = 4789
	portGENEVE     = 6081
	portVXLANLinux = 8472
)

// parse reads the headers of a frame.
func parse(frame []byte) layers {
	return ethernet(frame, 0, true)
}

// ethernet reads a frame that begins at a place, and what is in it with inner.
func ethernet(b []byte, at int, inner bool) (l layers) {
	if len(b) < at+14 {
		return l
	}
	at += 12
	l.etherType = binary.BigEndian.Uint16(b[at:])
	for at += 2; l.etherType == etherVLAN || l.etherType == etherQinQ; at += 4 {
		if len(b) < at+4 {
			return l
		}
		l.tags++
		l.etherType = binary.BigEndian.Uint16(b[at+2:])
	}
	l.network(b, at, inner)
	return l
}

// network reads an IP packet, by the EtherType before it.
func (l *layers) network(b []byte, at int, inner bool) {
	switch {
	case l.etherType == etherIPv4 && len(b) >= at+20 && b[at]>>4 == 4:
		size := int(b[at]&15) * 4
		place := binary.BigEndian.Uint16(b[at+6:])
		if size < 20 {
			return
		}
		l.ip, l.l3, l.l4 = 4, at, at+size
		l.end = at + int(binary.BigEndian.Uint16(b[at+2:]))
		l.options = size > 20
		l.later = place&0x1fff != 0
		l.fragment = place&0x3fff != 0 // More Fragments too
		l.protocol, l.src, l.dst = b[at+9], b[at+12:at+16], b[at+16:at+20]
	case l.etherType == etherIPv6 && len(b) >= at+40 && b[at]>>4 == 6:
		l.ip, l.l3, l.l4 = 6, at, at+40
		l.end = at + 40 + int(binary.BigEndian.Uint16(b[at+4:]))
		l.protocol, l.src, l.dst = b[at+6], b[at+8:at+24], b[at+24:at+40]
		if !l.extensions(b) {
			l.l4 = 0
			return
		}
	default:
		return
	}
	if l.later || l.l4 > min(l.end, len(b)) {
		return
	}
	l.transport(b, inner)
}

// extensions goes over the extension headers of IPv6 (RFC 8200, 4.1), and tells
// whether it got to their end.
func (l *layers) extensions(b []byte) bool {
	for {
		switch l.protocol {
		case protoHopByHop, protoRouting, protoDstOption, protoFragment, protoAH:
		default:
			return true
		}
		if len(b) < l.l4+8 {
			return false
		}
		header := b[l.l4:]
		size := 8 + int(header[1])*8
		switch l.protocol {
		case protoFragment:
			place := binary.BigEndian.Uint16(header[2:])
			l.later = place&0xfff8 != 0
			l.fragment = place&0xfff9 != 0
			size = 8
		case protoAH:
			size = 8 + int(header[1])*4
			l.options = true
		case protoRouting:
			l.routed = header[3] != 0 // segments left
			l.options = true
		default:
			l.options = true
		}
		l.protocol = header[0]
		l.l4 += size
		if l.later {
			return true
		}
	}
}

// transport reads ports, and where a tunnel begins.
func (l *layers) transport(b []byte, inner bool) {
	at := l.l4
	switch l.protocol {
	case protoTCP, protoUDP, protoSCTP:
		if len(b) >= at+4 {
			l.ports = b[at : at+4]
		}
	}
	switch {
	case l.protocol == protoESP:
		l.tunnel = true
	case !inner:
	case l.protocol == protoIPv4:
		l.packet(b, at, etherIPv4)
	case l.protocol == protoIPv6:
		l.packet(b, at, etherIPv6)
	case l.protocol == protoGRE && len(b) >= at+4:
		l.gre(b, at)
	case l.protocol == protoUDP && l.ports != nil:
		l.udp(b, at)
	}
}

// packet reads what is in a tunnel.
func (l *layers) packet(b []byte, at int, etherType uint16) {
	l.tunnel = true
	if etherType == etherTrans {
		in := ethernet(b, at, false)
		l.inner = &in
		return
	}
	l.inner = &layers{etherType: etherType}
	l.inner.network(b, at, false)
}

// gre skips the header of GRE with its optional words (RFC 2890).
func (l *layers) gre(b []byte, at int) {
	size := 4
	for _, flag := range []byte{0x80, 0x20, 0x10} { // checksum, key, sequence number
		if b[at]&flag != 0 {
			size += 4
		}
	}
	l.packet(b, at+size, binary.BigEndian.Uint16(b[at+2:]))
}

// udp knows a tunnel by its destination.
func (l *layers) udp(b []byte, at int) {
	const header = 8
	switch binary.BigEndian.Uint16(l.ports[2:]) {
	case portVXLAN, portVXLANLinux:
		l.packet(b, at+header+8, etherTrans)
	case portGENEVE:
		if len(b) >= at+header+8 {
			options := int(b[at+header]&0x3f) * 4
			l.packet(b, at+header+8+options, binary.BigEndian.Uint16(b[at+header+2:]))
		}
	case portGTPC, portGTPU, portESP:
		l.tunnel = true
	}
}
