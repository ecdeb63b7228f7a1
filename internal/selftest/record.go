package selftest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/hintjit/hintjit/layouts"
)

// hintCount is HINTS of bpf/selftest/selftest.c; a hint's place there is its place
// in layouts.StandardHints.
const hintCount = 19

// What a record begins with.
const (
	kindFrame = 1
	kindSKB   = 2
)

// Frame is what the XDP program recorded of a packet, struct frame_record.
type Frame struct {
	Kind, CPU   uint32
	Number      uint64 // of this CPU's frames
	Time        uint64 // ns since boot
	Value       [hintCount]uint64
	Has, Exists uint32
	Queue       uint32 // as the XDP context has it
	Length      uint32
	Linear      uint32 // bytes in the first buffer
	Captured    uint32 // bytes in Bytes
	// What the kfuncs returned, 0 or an error, and gave.
	HashError, TimestampError, VLANError int32
	KfuncHash, KfuncHashType             uint32
	KfuncVLANProto, KfuncVLANTCI         uint16
	KfuncTimestamp                       uint64
	Bytes                                [1536]byte
}

// SKB is what the driver made of a frame, struct skb_record.
type SKB struct {
	Kind, CPU          uint32
	Number             uint64 // of the frame
	Timestamp          int64  // hardware's; below 0: a pointer to it, as some drivers leave
	Hash, Mark, Csum   uint32
	Length             uint32
	Captured           uint32
	QueueMapping       uint16
	VLANTCI, VLANProto uint16
	IPSummed           uint8
	SWHash             uint8
	Bytes              [64]byte
}

// Packet is a frame, and the sk_buff that the driver made of it where it is known.
type Packet struct {
	Frame
	SKB    *SKB
	layers layers
}

// hint returns a hint by its place, and whether this packet has it.
func (f *Frame) hint(at int) (value uint64, has bool) { return f.Value[at], f.Has>>at&1 != 0 }

// named is hint by name.
func (f *Frame) named(name string) (value uint64, has bool) { return f.hint(place(name)) }

// place is that of a standard hint in records.
func place(name string) int {
	return slices.IndexFunc(layouts.StandardHints, func(h layouts.Standard) bool { return h.Name == name })
}

// captured are the bytes of the frame that there are.
func (f *Frame) captured() []byte { return f.Bytes[:min(int(f.Captured), len(f.Bytes))] }

// whole tells whether those are all.
func (f *Frame) whole() bool { return f.Captured == f.Length }

// pairs makes packets of records, as they come out of the ring buffer.
type pairs struct {
	packets []*Packet
	open    map[[2]uint64]*Packet // by CPU and number
}

// add takes one record.
func (ps *pairs) add(record []byte) error {
	if len(record) < 4 {
		return fmt.Errorf("a record of %d bytes", len(record))
	}
	switch kind := binary.NativeEndian.Uint32(record); kind {
	case kindFrame:
		p := &Packet{}
		if err := binary.Read(bytes.NewReader(record), binary.NativeEndian, &p.Frame); err != nil {
			return fmt.Errorf("record of a frame: %w", err)
		}
		if ps.open == nil {
			ps.open = make(map[[2]uint64]*Packet)
		}
		p.layers = parse(p.captured())
		ps.packets = append(ps.packets, p)
		ps.open[[2]uint64{uint64(p.CPU), p.Number}] = p
	case kindSKB:
		s := &SKB{}
		if err := binary.Read(bytes.NewReader(record), binary.NativeEndian, s); err != nil {
			return fmt.Errorf("record of an sk_buff: %w", err)
		}
		key := [2]uint64{uint64(s.CPU), s.Number}
		if p := ps.open[key]; p != nil && p.is(s) {
			p.SKB = s
		}
		delete(ps.open, key)
	default:
		return fmt.Errorf("a record of kind %d", kind)
	}
	return nil
}

// is tells whether an sk_buff holds this frame. The program goes by order alone.
func (p *Packet) is(s *SKB) bool {
	n := min(int(p.Captured), int(s.Captured), len(s.Bytes))
	return n > 0 && p.Length == s.Length && bytes.Equal(p.Bytes[:n], s.Bytes[:n])
}
