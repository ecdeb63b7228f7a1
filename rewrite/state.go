package rewrite

import "slices"

// state is find's knowledge between two instructions.
type state struct {
	regs  [11]value
	slots []slot // what lies on the stack, by offset; anything where none is
	late  bool   // the metadata area may have changed since the packet came
}

type slot struct {
	off int64
	v   value
}

func (s *state) slot(off int64) value {
	for _, x := range s.slots {
		if x.off == off {
			return x.v
		}
	}
	return value{kind: other}
}

// holds tells whether the 8 bytes at off are known to hold v, and nothing else of
// what is known lies there.
func (s *state) holds(off int64, v value) (ok bool) {
	for _, x := range s.slots {
		switch {
		case x.off == off && x.v == v:
			ok = true
		case x.off > off-8 && x.off < off+8:
			return false
		}
	}
	return ok
}

// put notes that the 8 bytes at off hold v.
func (s *state) put(off int64, v value) {
	if v.kind != other {
		s.slots = append(s.slots[:len(s.slots):len(s.slots)], slot{off, v})
	}
}

// forget drops what is known of the stack bytes [off, off+n).
func (s *state) forget(off int64, n int) {
	s.change(func(x slot) value {
		if x.off+8 <= off || x.off >= off+int64(n) {
			return x.v
		}
		return value{kind: other}
	})
}

// change replaces what is known of each slot.
func (s *state) change(to func(slot) value) {
	keep := s.slots[:0:0]
	for _, x := range s.slots {
		if x.v = to(x); x.v.kind != other {
			keep = append(keep, x)
		}
	}
	s.slots = keep
}

// pointers is the calls whose pointer lies on the stack.
func (s *state) pointers() (sites uint64) {
	for _, x := range s.slots {
		sites |= x.v.sites
	}
	return sites
}

func (s *state) join(b *state) (changed bool) {
	for r := range s.regs {
		if s.regs[r] == b.regs[r] {
			continue
		}
		if j := join(s.regs[r], b.regs[r]); j != s.regs[r] {
			s.regs[r], changed = j, true
		}
	}
	if b.late && !s.late {
		s.late, changed = true, true
	}
	if slices.Equal(s.slots, b.slots) {
		return changed
	}
	slots := make([]slot, 0, len(s.slots))
	for _, x := range s.slots {
		j := join(x.v, b.slot(x.off))
		if j != x.v {
			changed = true
		}
		if j.kind != other {
			slots = append(slots, slot{x.off, j})
		}
	}
	for _, x := range b.slots { // a pointer on one side only
		if s.slot(x.off).kind == other && x.v.points() && !has(slots, x.off) {
			slots = append(slots, slot{x.off, join(x.v, value{kind: other})})
			changed = true
		}
	}
	s.slots = slots
	return changed
}

func has(slots []slot, off int64) bool {
	for _, x := range slots {
		if x.off == off {
			return true
		}
	}
	return false
}
