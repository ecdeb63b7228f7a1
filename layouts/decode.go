package layouts

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// Decode reads every hint that is present in one descriptor. It is what a
// rewritten program is compared with, so it does all in the plainest way.
//
// A value is the one that a program on a host of the given byte order reads from
// the member of struct hintjit_rx. A descriptor shorter than d.Size holds no
// hints; what lies beside it follows it, see RecordSize, and is 0 when it does not.
func (d *Descriptor) Decode(desc []byte, host binary.ByteOrder) map[string]uint64 {
	hints := make(map[string]uint64)
	if len(desc) < d.Size || !d.hold(d.Ready, desc) {
		return hints
	}
	for _, h := range d.Hints {
		for i := range h.Alternatives {
			if v, ok := h.Alternatives[i].decode(d, desc, host); ok {
				hints[h.Name] = h.Decl.member(v, host)
				break
			}
		}
	}
	return hints
}

// decode returns the alternative's value and whether it holds, Ready aside.
func (a *Alternative) decode(d *Descriptor, desc []byte, host binary.ByteOrder) (uint64, bool) {
	if !d.hold(a.When, desc) {
		return 0, false
	}
	if a.From == nil {
		return a.Value, true
	}
	v := a.From.Value(d, desc)
	if a.Map != nil {
		translated, known := a.Map.Values[v]
		if !known {
			return 0, false
		}
		v = translated
	}
	for _, c := range a.Convert {
		if c.With != nil {
			v = c.join(v, c.With.Value(d, desc))
		} else {
			v = c.apply(v, host)
		}
	}
	return v, true
}

// hold tells whether all conditions hold.
func (d *Descriptor) hold(conditions []Condition, desc []byte) bool {
	for _, c := range conditions {
		if !c.Holds(c.Field.Value(d, desc)) {
			return false
		}
	}
	return true
}

// Holds tells whether the condition holds where its field is v.
func (c Condition) Holds(v uint64) bool { return slices.Contains(c.Values, v) != c.Not }

// join is a conversion with another field's value.
func (c Conversion) join(v, with uint64) uint64 {
	if c.Op == Extend32 {
		return with + uint64(int64(int32(uint32(v)-uint32(with))))
	}
	return v - with
}

func (c Conversion) apply(v uint64, host binary.ByteOrder) uint64 {
	switch c.Op {
	case Add:
		return v + c.Arg
	case Mul:
		return v * c.Arg
	case Shl:
		return v << c.Arg
	case Shr:
		return v >> c.Arg
	case Net16:
		return Declaration{Bytes: 2, Network: true}.member(v, host)
	case Net32:
		return Declaration{Bytes: 4, Network: true}.member(v, host)
	case Sub:
		return v - c.Arg
	case SecNs:
		return v>>32*1e9 + v&ones(32)
	}
	return v
}

// member returns what C reads from a member of this type that was given v.
func (d Declaration) member(v uint64, host binary.ByteOrder) uint64 {
	unused := 64 - 8*d.Bytes
	v = v << unused >> unused
	if d.Network && isLittle(host) {
		v = bits.ReverseBytes64(v) >> unused
	}
	return v
}

func isLittle(host binary.ByteOrder) bool { return host.Uint16([]byte{1, 0}) == 1 }

// Value reads the field from a descriptor of form d. Bits beyond the end of desc
// read as zero.
func (f *Field) Value(d *Descriptor, desc []byte) uint64 {
	var v uint64
	for _, r := range f.Bits {
		part := d.read(desc, r.Word) >> r.LSB
		width := r.width()
		v = v<<width | part&(1<<width-1)
	}
	return v
}

// Width is the number of bits in the field.
func (f *Field) Width() int {
	width := 0
	for _, r := range f.Bits {
		width += r.width()
	}
	return width
}

func (r BitRange) width() int { return r.MSB - r.LSB + 1 }

// read returns word i of a descriptor, or of what lies beside it.
func (d *Descriptor) read(desc []byte, i int) uint64 {
	if d.StateOf(i) == nil {
		return d.Word.read(desc, i)
	}
	at := d.Size + 8*(i-FirstState)
	if at+8 > len(desc) {
		return 0
	}
	return binary.BigEndian.Uint64(desc[at:])
}

// read returns word i of a descriptor, zero when desc ends before it.
func (w Word) read(desc []byte, i int) uint64 {
	size := w.Bits / 8
	if (i+1)*size > len(desc) {
		return 0
	}
	var v uint64
	for k, b := range desc[i*size : (i+1)*size] {
		if !w.BigEndian {
			k = size - 1 - k
		}
		v |= uint64(b) << (8 * (size - 1 - k))
	}
	return v
}
