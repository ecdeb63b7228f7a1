package verifier

import "fmt"

// The buffer a packet lies in, as BPF_PROG_RUN lays it out (bpf_prog_test_run_xdp
// in net/bpf/test_run.c, 64-bit): struct xdp_frame at the start of the headroom,
// struct skb_shared_info at the end of the page.
const (
	headroom   = 256 // XDP_PACKET_HEADROOM
	frameSize  = 40  // sizeof(struct xdp_frame)
	bufferSize = 4096 - 320
	minPacket  = 14  // ETH_HLEN
	longMeta   = 252 // what a program may grow it to: xdp_metalen_invalid in include/net/xdp.h
)

// MaxMeta is the most metadata that a packet can come with: what struct xdp_frame
// leaves of the headroom.
const MaxMeta = headroom - frameSize

// Offsets in struct xdp_md (linux/bpf.h).
const (
	ctxData    = 0
	ctxDataEnd = 4
	ctxMeta    = 8
	ctxIfindex = 12
	ctxQueue   = 16
	ctxEgress  = 20
)

// layPacket puts Meta and Packet into a buffer of their own.
func (m *Machine) layPacket() error {
	if len(m.Meta) > MaxMeta {
		return fmt.Errorf("%d bytes of metadata do not fit into %d bytes of headroom", len(m.Meta), MaxMeta)
	}
	buf := m.buffer
	if n := max(bufferSize, headroom+len(m.Packet)); n != len(buf) {
		buf = make([]byte, n)
		m.buffer = buf
	}
	clear(buf)
	m.data = headroom
	m.packet = &region{
		name:     "packet",
		data:     buf,
		lo:       headroom - copy(buf[headroom-len(m.Meta):], m.Meta),
		hi:       headroom + copy(buf[headroom:], m.Packet),
		writable: true,
	}
	m.regions[packetKind] = []*region{m.packet}
	m.context = &region{name: "ctx"}
	m.regions[contextKind] = []*region{m.context}
	return nil
}

// takePacket gives Meta and Packet the bytes that the program left.
func (m *Machine) takePacket() {
	p := m.packet
	m.Meta = append([]byte(nil), p.data[p.lo:m.data]...)
	m.Packet = append([]byte(nil), p.data[m.data:p.hi]...)
}

// loadContext reads struct xdp_md. Its pointers are 32 bits wide in C; the
// kernel's verifier turns the loads into loads of whole pointers and refuses
// any other width (__is_valid_xdp_access in net/core/filter.c).
func (m *Machine) loadContext(off, size int) (uint64, error) {
	if size != 4 {
		return 0, fmt.Errorf("%d bytes at ctx%+d, wanted 4", size, off)
	}
	packet := address(packetKind, 0)
	switch off {
	case ctxData:
		return packet + uint64(m.data), nil
	case ctxDataEnd:
		return packet + uint64(m.packet.hi), nil
	case ctxMeta:
		return packet + uint64(m.packet.lo), nil
	case ctxIfindex:
		return uint64(m.Ifindex), nil
	case ctxQueue:
		return uint64(m.Queue), nil
	case ctxEgress:
		return uint64(m.Egress), nil
	}
	return 0, fmt.Errorf("struct xdp_md has no member at %d", off)
}

// adjustHead is bpf_xdp_adjust_head in net/core/filter.c: the metadata moves
// along. Like the other two it returns an error number, 0 when done.
func (m *Machine) adjustHead(delta int) int {
	p := m.packet
	meta := m.data - p.lo
	data := m.data + delta
	if data < frameSize+meta || data > p.hi-minPacket {
		return eInval
	}
	copy(p.data[data-meta:data], p.data[p.lo:m.data])
	p.lo, m.data = data-meta, data
	return 0
}

// adjustMeta is bpf_xdp_adjust_meta there. A length that is not one of
// metadata (xdp_metalen_invalid in net/xdp.h) has an error number of its own.
func (m *Machine) adjustMeta(delta int) int {
	lo := m.packet.lo + delta
	if lo < frameSize || lo > m.data {
		return eInval
	}
	if n := m.data - lo; n%4 != 0 || n > longMeta {
		return eAcces
	}
	m.packet.lo = lo
	return 0
}

// adjustTail is bpf_xdp_adjust_tail there, for a packet in one buffer: what is
// added is zero.
func (m *Machine) adjustTail(delta int) int {
	p := m.packet
	hi := p.hi + delta
	if hi > len(p.data) || hi < m.data+minPacket {
		return eInval
	}
	if delta > 0 {
		clear(p.data[p.hi:hi])
	}
	p.hi = hi
	return 0
}

// Head is how many bytes the frame's start has moved since Run laid it, with
// bpf_xdp_adjust_head: for an extern that knows where the packet is.
func (m *Machine) Head() int { return m.data - headroom }
