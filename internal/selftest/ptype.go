package selftest

import "fmt"

// packetType holds a NIC to no more than it says: layers that it does not tell are 0.
func packetType(p *Packet, value uint64, has bool) (verdict, string) {
	l := &p.layers
	if !has || l.l4 == 0 && l.ip != 0 { // headers that end too early
		return silent, ""
	}
	stripped := 0
	if _, tagged := p.named("vlan_tci"); tagged || p.SKB != nil && p.SKB.VLANProto != 0 {
		stripped = 1
	}
	nibble := func(n int) int { return int(value >> (4 * n) & 15) }
	for _, part := range []struct {
		layer string
		is    bool
	}{
		{"layer 2", layer2(l, nibble(0), stripped)},
		{"layer 3", layer3(l, outerIP[nibble(1)])},
		{"layer 4", layer4(l, nibble(2))},
		{"tunnel", tunnelKind(l, nibble(3))},
		{"inner layer 3", l.inner == nil || layer3(l.inner, innerIP[nibble(5)])},
		{"inner layer 4", l.inner == nil || layer4(l.inner, nibble(6))},
	} {
		if !part.is {
			return differs, "another " + part.layer + ", for " + l.String()
		}
	}
	return agrees, ""
}

// layer2 is HINTJIT_PTYPE_L2_*. A NIC that strips tags may call what is left Ethernet.
func layer2(l *layers, nibble, stripped int) bool {
	switch nibble {
	case 2:
		return l.etherType == etherPTP
	case 3:
		return l.etherType == etherARP
	case 4:
		return l.etherType == etherLLDP
	case 6:
		return l.tags+stripped >= 1
	case 7:
		return l.tags+stripped >= 2
	}
	return true
}

// ipKind is what a nibble says of layer 3.
type ipKind struct {
	version       int  // 0: nothing
	plain, extras bool // without options or extension headers, with them; both: not told
}

// outerIP is HINTJIT_PTYPE_L3_*, innerIP HINTJIT_PTYPE_INNER_L3_*.
var (
	outerIP = [16]ipKind{1: {4, true, false}, 3: {4, false, true}, 4: {6, true, false}, 9: {4, true, true},
		12: {6, false, true}, 14: {6, true, true}}
	innerIP = [16]ipKind{1: {4, true, false}, 2: {4, false, true}, 3: {6, true, false}, 4: {4, true, true},
		5: {6, false, true}, 6: {6, true, true}}
)

// layer3: a fragment header of IPv6 may count as an extension or not.
func layer3(l *layers, told ipKind) bool {
	if told.version == 0 {
		return true
	}
	either := l.ip == 6 && l.fragment
	return l.ip == told.version && (either || told.plain && !l.options || told.extras && l.options)
}

// layer4 is HINTJIT_PTYPE_L4_* and HINTJIT_PTYPE_INNER_L4_*, which are numbered alike.
func layer4(l *layers, nibble int) bool {
	switch nibble {
	case 1:
		return l.ip != 0 && l.protocol == protoTCP && !l.later
	case 2:
		return l.ip != 0 && l.protocol == protoUDP && !l.later
	case 3:
		return l.fragment
	case 4:
		return l.ip != 0 && l.protocol == protoSCTP && !l.later
	case 5:
		return l.ip == 4 && l.protocol == protoICMP || l.ip == 6 && l.protocol == protoICMPv6
	case 6:
		return !l.fragment
	case 7:
		return l.ip != 0 && l.protocol == protoIGMP
	}
	return true
}

// tunnelKind is HINTJIT_PTYPE_TUNNEL_*. By which UDP port a NIC knows a tunnel is a
// matter of how it is set up.
func tunnelKind(l *layers, nibble int) bool {
	switch nibble {
	case 1:
		return l.protocol == protoIPv4 || l.protocol == protoIPv6
	case 2, 4:
		return l.protocol == protoGRE
	case 3, 5, 7, 8:
		return l.protocol == protoUDP
	case 6:
		return l.protocol == protoGRE || l.protocol == protoUDP
	case 9:
		return l.protocol == protoESP || l.protocol == protoUDP
	}
	return true
}

// String describes the headers.
func (l *layers) String() string {
	if l.ip == 0 {
		return fmt.Sprintf("EtherType 0x%04x", l.etherType)
	}
	text := fmt.Sprintf("IPv%d, protocol %d", l.ip, l.protocol)
	if l.options {
		text += ", with options"
	}
	if l.fragment {
		text += ", a fragment"
	}
	if l.inner != nil {
		text += ", in it " + l.inner.String()
	}
	return text
}
