package rewrite

// kind is what find knows of a register or stack slot.
type kind uint8

const (
	nothing kind = iota // not reached yet
	other               // anything that is not below
	apart               // as other, and for certain not the XDP context
	number              // a number whose bits outside maybe are known, and that a hint decided
	offset              // an offset into a hint struct, from a CO-RE record
	context             // the XDP context
	frame               // r10 + off
	hint                // a pointer into the hint struct: its start + off
	loose               // a pointer into the hint struct, or perhaps something else
)

// value is an element of find's lattice.
type value struct {
	kind  kind
	off   int64  // frame, hint: bytes; number, offset: the value, where it is known
	maybe uint64 // number: the bits that may be other than off's
	sites uint64 // hint, loose: the calls it may come from, one bit each
	typ   *declaration
	// field is set on an offset of a bit-field, and on a pointer that one was
	// added to: where the access starts is known when its size is.
	field *place
	// typ is, for hint and offset, the declaration that off counts in; nil: the
	// one that hintjit_rx is declared with.
}

// known tells whether v is a number with no doubtful bit.
func (v value) known() bool { return v.kind == number && v.maybe == 0 }

// points tells whether v may be a pointer into the hint struct.
func (v value) points() bool { return v.kind == hint || v.kind == loose }

func knownNumber(n uint64) value { return value{kind: number, off: int64(n)} }

// doubtful is the field of a pointer that more than one bit-field's offset was
// added to.
var doubtful = new(place)

// join is the least that is true of both.
func join(a, b value) value {
	switch {
	case a == b || b.kind == nothing:
		return a
	case a.kind == nothing:
		return b
	}
	field := a.field
	if a.field != b.field {
		field = doubtful
	}
	a.field, b.field = nil, nil
	v := meet(a, b)
	v.field = field
	return v
}

// meet is join for values without a field.
func meet(a, b value) value {
	switch {
	case a == b:
		return a
	case a.points() || b.points():
		if a.kind == hint && b.kind == hint && a.off == b.off && a.typ == b.typ {
			a.sites |= b.sites
			return a
		}
		return value{kind: loose, sites: a.sites | b.sites}
	case a.kind == number && b.kind == number:
		a.maybe |= b.maybe | uint64(a.off^b.off)
		a.off &^= int64(a.maybe)
		if a.maybe == ^uint64(0) {
			return value{kind: other}
		}
		return a
	}
	return value{kind: other}
}

// trim keeps the low n bytes of a number.
func (v value) trim(n int) value {
	if v.kind != number || n >= 8 {
		return v
	}
	m := uint64(1)<<(8*n) - 1
	v.off &= int64(m)
	v.maybe &= m
	return v
}
