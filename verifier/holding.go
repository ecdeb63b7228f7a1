package verifier

import "github.com/cilium/ebpf/asm"

// content is what a register or a slot of the frame holds in the rewritten function,
// as far as inserted code is concerned.
type content uint8

const (
	nothing  content = iota // of a slot: on some path inserted code wrote nothing to it
	own                     // what the program has in register n
	computed                // a number of inserted code
	constant                // the number n
	frameAt                 // the address r10+n
	tableAt                 // the address of byte n of table of
	inTable                 // an address somewhere in a table: the kernel bounds it
	start                   // data_meta + n
	end                     // data
	handed                  // the program's context, as a call that is gone was handed it
	context                 // the kernel's struct behind the program's context
	typed                   // read through that, and the kernel knows its type
	walked                  // read on a walk, or computed from that: no address yet
	viewed                  // an address that the kernel lets one read through
)

// holding is a value: with a number where the kind has one.
type holding struct {
	kind content
	of   uint16
	n    int32
}

// isWalk tells of what comes from the kernel's own structures.
func (h holding) isWalk() bool { return h.kind >= context }

// isReach tells of addresses through which a descriptor is reached.
func (h holding) isReach() bool {
	return h.kind == start || h.kind == end || h.kind == context || h.kind == typed || h.kind == viewed
}

func (h holding) join(o holding) holding {
	switch {
	case h == o:
		return h
	case h.kind == nothing || o.kind == nothing:
		return holding{}
	case h.isWalk() && o.isWalk():
		return holding{kind: walked}
	}
	return holding{kind: computed}
}

// output is what is known before an instruction of the rewritten function.
type output struct {
	regs [asm.R10 + 1]holding
	// stand has the constants of inserted code that a register which is own may
	// hold instead: a branch that goes past the program's constant sets it before.
	stand  [asm.R10 + 1]constants
	slots  *slots
	tested int32  // so many bytes behind data_meta are before data
	reach  bool   // something points to where descriptors are
	saved  regset // registers of the program whose contents something else holds too
	fixed  regset // registers that hold a constant, whoever has put it there
}

// slots is what inserted code has written to the frame; nil: nothing. A state is
// copied wherever control goes, and the frame is by far the most of it: they share
// one, which nobody changes any more.
type slots [frameSlots]holding

func (s *slots) at(n int) holding {
	if s == nil {
		return holding{}
	}
	return s[n]
}

// with is s with h in slot n.
func (s *slots) with(n int, h holding) *slots {
	out := new(slots)
	if s != nil {
		*out = *s
	}
	out[n] = h
	return out
}

// join returns s itself where the other says nothing new.
func (s *slots) join(o *slots) *slots {
	switch {
	case s == o:
		return s
	case s == nil || o == nil:
		return nil
	}
	out := s
	for n := range s {
		if h := s[n].join(o[n]); h != out[n] {
			out = out.with(n, h)
		}
	}
	return out
}

func outputEntry() (s output) {
	for r := range s.regs {
		s.regs[r] = holding{kind: own, n: int32(r)}
	}
	return s
}

// has tells whether register r is what the program has there, on every path.
func (s *output) has(r asm.Register) bool {
	return s.regs[r] == holding{kind: own, n: int32(r)} && s.stand[r].n == 0
}

// set puts a value into a register.
func (s *output) set(r asm.Register, h holding) {
	s.regs[r], s.stand[r] = h, constants{}
	s.note(h, h.kind == own && h.n != int32(r))
}

// note keeps the summaries right when h is put somewhere.
func (s *output) note(h holding, away bool) {
	s.reach = s.reach || h.isReach()
	if away {
		s.saved |= single(asm.Register(h.n))
	}
}

func (s *output) merge(o *output) bool {
	changed := false
	if s.regs != o.regs || s.stand != o.stand {
		for r := range s.regs {
			changed = s.mergeRegister(asm.Register(r), o) || changed
		}
	}
	if joined := s.slots.join(o.slots); joined != s.slots {
		s.slots, changed = joined, true
	}
	tested, saved, reach := min(s.tested, o.tested), s.saved|o.saved, s.reach || o.reach
	changed = changed || tested != s.tested || saved != s.saved || reach != s.reach || s.fixed&^o.fixed != 0
	s.fixed &= o.fixed
	s.tested, s.saved, s.reach = tested, saved, reach
	return changed
}

// mergeRegister lets a constant stand beside the program's own value: whether it
// may is asked where the program looks.
func (s *output) mergeRegister(r asm.Register, o *output) bool {
	a, b := s.regs[r], o.regs[r]
	if a == b {
		return s.stand[r].addAll(&o.stand[r])
	}
	mine := holding{kind: own, n: int32(r)}
	if (a == mine || a.kind == constant) && (b == mine || b.kind == constant) {
		changed := a != mine
		if s.regs[r] = mine; changed {
			s.stand[r] = just(a.n)
		}
		if b != mine {
			return s.stand[r].add(b.n) || changed
		}
		return s.stand[r].addAll(&o.stand[r]) || changed
	}
	h := a.join(b)
	changed := h != a || s.stand[r].n != 0
	s.regs[r], s.stand[r] = h, constants{}
	return changed
}

// left follows an instruction of the program after which inserted code may no longer
// use the addresses it had: a call, which may move or end what they point to, or a
// store, which may be to there.
func (s *output) left() {
	if s.reach {
		s.drop(holding.isReach)
		s.reach, s.tested = false, 0
	}
}

// written follows an instruction of the program that writes registers. What was
// saved of them is of an old value now.
func (s *output) written(set regset) {
	if old := set & s.saved; old != 0 {
		s.drop(func(h holding) bool { return h.kind == own && old.has(asm.Register(h.n)) })
		s.saved &^= old
	}
	for ; set != 0; set &= set - 1 {
		r := set.first()
		s.regs[r], s.stand[r] = holding{kind: own, n: int32(r)}, constants{}
	}
}

// drop makes mere numbers of some values.
func (s *output) drop(which func(holding) bool) {
	for r := range s.regs {
		if which(s.regs[r]) {
			s.regs[r], s.stand[r] = holding{kind: computed}, constants{}
		}
	}
	for n := range frameSlots {
		if which(s.slots.at(n)) {
			s.slots = s.slots.with(n, holding{kind: computed})
		}
	}
}
