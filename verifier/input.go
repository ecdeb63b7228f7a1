package verifier

import (
	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
)

// input is what is known before an instruction of a function as it was read,
// knowing which of its instructions are still there after the rewrite. Those that
// are gone are the ones that inserted code stands in for: what came of them is for
// inserted code to make.
type input struct {
	state
	gone    regset        // what a register holds may have come of an instruction that is gone
	spilled uint64        // the same of the frame, by slot
	consts  [11]constants // constants that a register may hold
}

// The frame in slots of 8 bytes: bit or index n stands for the bytes from
// r10-8(n+1) on.
const frameSlots = maxStack / 8

// slotsOf returns the slots that an access to the frame touches, as bits, and
// whether it is to one as a whole.
func slotsOf(off, size int) (bits uint64, whole bool) {
	for at := off; at < off+size && at < 0; at++ {
		if at >= -maxStack {
			bits |= 1 << ((-at - 1) / 8)
		}
	}
	return bits, size == 8 && off%8 == 0
}

func (s *input) merge(other *input) bool {
	changed := s.state.merge(&other.state)
	gone, spilled := s.gone|other.gone, s.spilled|other.spilled
	changed = changed || gone != s.gone || spilled != s.spilled
	s.gone, s.spilled = gone, spilled
	if s.consts != other.consts {
		for r := range s.consts {
			changed = s.consts[r].addAll(&other.consts[r]) || changed
		}
	}
	return changed
}

// followInput follows a function as it was read. gone tells which of its
// instructions went.
func followInput(u *code.Unit, f *code.Func, gone []bool, visit func(i int, s *input)) {
	p := place{u, f}
	follow[input](f, input{state: entryState(f)}, rules[input]{visit: visit, step: func(s *input, i int) {
		in := &f.Insns[i]
		if gone[i] {
			s.lose(in)
		} else {
			s.keep(p, in)
		}
		s.step(in)
	}})
}

// lose follows an instruction that is gone.
func (s *input) lose(in *code.Insn) {
	if off, size, ok := stackAccess(in, &s.state); ok && in.OpCode.Class().IsStore() {
		bits, _ := slotsOf(off, size)
		s.spilled |= bits
	}
	s.gone |= writes(in) | clobbers(in)
	for set := writes(in) | clobbers(in); set != 0; set &= set - 1 {
		s.consts[set.first()] = constants{}
	}
}

// keep follows an instruction that is still there.
func (s *input) keep(p place, in *code.Insn) {
	class := in.OpCode.Class()
	derived := s.gone != 0 && !in.IsCall() && p.reads(in)&s.gone != 0
	if off, size, ok := stackAccess(in, &s.state); ok {
		bits, whole := slotsOf(off, size)
		switch {
		case class == asm.LdXClass:
			derived = s.spilled&bits != 0
		case class == asm.StXClass && s.gone.has(in.Src):
			s.spilled |= bits
		case whole && in.OpCode.Mode() == asm.MemMode:
			s.spilled &^= bits
		}
	}
	consts := s.constantsAfter(in)
	for set := writes(in) | clobbers(in); set != 0; set &= set - 1 {
		r := set.first()
		s.gone &^= single(r)
		if derived {
			s.gone |= single(r)
		}
		s.consts[r] = consts
	}
}

// constantsAfter returns the constants that an instruction may write.
func (s *input) constantsAfter(in *code.Insn) constants {
	if !in.OpCode.Class().IsALU() || in.CORE != nil {
		return constants{}
	}
	if v, ok := moved(in); ok {
		return just(v)
	}
	switch {
	case in.OpCode.Source() == asm.ImmSource:
		return s.consts[in.Dst].after(in)
	case in.OpCode.ALUOp() == asm.Mov:
		return s.consts[in.Src]
	}
	return constants{}
}
