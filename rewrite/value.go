package rewrite

// kind is what find knows of a register or stack slot.
type kind uint16

// The first five say how little is known, each less than the one before.
const (
	nothing kind = iota // not reached yet
	apart               // no pointer into this function's stack, not the XDP context, and not the way to it
	memory              // as apart, but the context may be in the memory it points to
	outside             // no pointer into this function's stack; perhaps the context
	other               // anything
	number              // a number whose bits outside maybe are known, and that a hint decided
	offset              // an offset into a hint struct, from a CO-RE record; or any constant that is added
	context             // the XDP context + off
	frame               // r10 + off
	hint                // a pointer into the hint struct: its start + off
	loose               // a pointer into the hint struct, who knows where; or else what beside says
)

// value is an element of find's lattice.
type value struct {
	kind   kind
	beside kind // loose: apart to other
	// typ is, for hint and offset, the declaration that off counts in, by its number;
	// 0: the one that hintjit_rx is declared with. It is no pointer, so that states
	// can be copied and compared as they lie in memory.
	typ   int32
	off   int64  // context, frame, hint: bytes; number, offset: the value, where it is known
	maybe uint64 // number: the bits that may be other than off's
	sites uint64 // hint, loose: the calls it may come from, one bit each
	// fields is set on an offset of a bit-field, and on a pointer that one was
	// added to, a bit for each of finder.places that it may be: where the access
	// starts is known when its size is.
	fields uint64
}

// doubtful is the bit in value.fields that says that not all of the fields are
// known.
const doubtful = 1 << 63

// known tells whether v is a number with no doubtful bit.
func (v value) known() bool { return v.kind == number && v.maybe == 0 }

// points tells whether v may be a pointer into the hint struct.
func (v value) points() bool { return v.kind == hint || v.kind == loose }

// plain is how little is known of what v points to, apart from hints.
func (v value) plain() kind {
	switch v.kind {
	case nothing, number, offset, hint:
		return apart
	case context:
		return outside
	case frame:
		return other
	case loose:
		return v.beside
	}
	return v.kind
}

// handed is what a function knows of an argument that was v to its caller: a
// pointer into the caller's stack is none into its own.
func (v value) handed() kind {
	switch v.kind {
	case frame:
		return memory
	case context:
		if v.off == 0 {
			return context
		}
	}
	return min(v.plain(), outside)
}

// joinKinds is join for what is known of an argument.
func joinKinds(a, b kind) kind { return join(value{kind: a}, value{kind: b}).kind }

func knownNumber(n uint64) value { return value{kind: number, off: int64(n)} }

// join is the least that is true of both.
func join(a, b value) value {
	switch {
	case a == b || b.kind == nothing:
		return a
	case a.kind == nothing:
		return b
	}
	fields := a.fields | b.fields
	if (a.fields == 0) != (b.fields == 0) {
		fields |= doubtful
	}
	a.fields, b.fields = 0, 0
	v := meet(a, b)
	v.fields = fields
	return v
}

// meet is join for values without fields.
func meet(a, b value) value {
	switch {
	case a == b:
		return a
	case a.points() || b.points():
		if a.kind == hint && b.kind == hint && a.off == b.off && a.typ == b.typ {
			a.sites |= b.sites
			return a
		}
		return value{kind: loose, sites: a.sites | b.sites, beside: max(a.plain(), b.plain())}
	case a.kind == number && b.kind == number:
		a.maybe |= b.maybe | uint64(a.off^b.off)
		a.off &^= int64(a.maybe)
		if a.maybe == ^uint64(0) {
			return value{kind: apart}
		}
		return a
	}
	return value{kind: max(a.plain(), b.plain())}
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
