package verifier

import (
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
)

// rewritten compares a function with what it was read as: what inserted code
// (Insn.Origin below 0) does to what the program's own instructions see, and what
// it reads to make it. Branches among inserted code are followed, what is compared
// in them is not: that a word is masked right is for the other proofs.
type rewritten struct {
	place
	opts   *Options
	before *code.Func
	legal  []bool // by instruction: inserted code may have the context in r1 here
	called []bool // by instruction: and may keep it, for a call that is gone stood here
	found  map[string][]finding
	doubts []doubt
	stores []access // of inserted code, to the frame
}

// finding is what one invariant says of an instruction.
type finding struct {
	insn   int
	detail string
}

// doubt is a finding that stands unless what the register held in the input came
// of an instruction that is gone, or may have been one of the constants that stand
// there now.
type doubt struct {
	finding
	invariant string
	reg       asm.Register
	stand     constants // none: no constant excuses it
	excused   bool
}

// compare judges function f of u against what it was before.
func compare(u *code.Unit, f, before *code.Func, opts *Options) *rewritten {
	w := &rewritten{place: place{u, f}, opts: opts, before: before, found: map[string][]finding{}}
	gone, inserted := w.keptOnes()
	if len(w.found) > 0 || !inserted && len(w.doubts) == 0 {
		return w
	}
	w.placeContext(gone)
	follow[output](f, outputEntry(), rules[output]{step: w.step, edge: w.edge, asks: w.compares, visit: w.judge})
	if len(w.doubts)+len(w.stores) > 0 {
		w.settle(gone)
	}
	return w
}

func (w *rewritten) report(invariant string, i int, format string, args ...any) {
	w.found[invariant] = append(w.found[invariant], finding{i, fmt.Sprintf(format, args...)})
}

func (w *rewritten) doubt(invariant string, i int, r asm.Register, stand constants, format string, args ...any) {
	w.doubts = append(w.doubts, doubt{finding{i, fmt.Sprintf(format, args...)}, invariant, r, stand, false})
}

// settle asks the input about what is in doubt, and how much of the frame the
// program's own instructions use.
func (w *rewritten) settle(gone []bool) {
	depth := 0
	origin := func(d *doubt) int { return int(w.f.Insns[d.insn].Origin) }
	asked := make([]*doubt, len(w.doubts))
	for n := range w.doubts {
		asked[n] = &w.doubts[n]
	}
	slices.SortStableFunc(asked, func(a, b *doubt) int { return origin(a) - origin(b) })
	followInput(w.opts.Before, w.before, gone, func(i int, s *input) {
		if !gone[i] {
			depth = max(depth, depthAt(&w.before.Insns[i], &s.state))
		}
		for ; len(asked) > 0 && origin(asked[0]) <= i; asked = asked[1:] {
			if d := asked[0]; origin(d) == i {
				d.excused = s.gone.has(d.reg) || d.stand.n > 0 && s.consts[d.reg].covers(&d.stand)
			}
		}
	})
	for n := range w.doubts {
		if d := &w.doubts[n]; !d.excused {
			w.found[d.invariant] = append(w.found[d.invariant], d.finding)
		}
	}
	for _, a := range w.stores {
		if a.off+a.size > -depth {
			w.report(preservedStack, a.insn, "%v writes to r10%+d, of the frame the program uses %d bytes",
				w.f.Insns[a.insn].OpCode, a.off, depth)
		}
	}
}

// step follows an instruction of the rewritten function.
func (w *rewritten) step(s *output, i int) {
	in := &w.f.Insns[i]
	set := writes(in) | clobbers(in)
	fixed := in.OpCode.Class().IsALU() && in.CORE == nil && w.reads(in)&^s.fixed == 0
	if in.Origin >= 0 {
		if in.IsCall() || in.OpCode.Class().IsStore() {
			s.left()
		}
		s.written(set)
	} else {
		w.insert(s, i)
	}
	if s.fixed &^= set; fixed {
		s.fixed |= set
	}
}

// insert follows an instruction that was inserted.
func (w *rewritten) insert(s *output, i int) {
	in := &w.f.Insns[i]
	switch class := in.OpCode.Class(); {
	case class.IsALU():
		h := s.compute(in)
		if h == (holding{kind: own, n: int32(asm.R1)}) && w.called[i] {
			h = holding{kind: handed}
		}
		s.set(in.Dst, h)
	case class == asm.LdXClass:
		h, _ := w.load(s, i)
		s.set(in.Dst, h)
	case in.OpCode.IsDWordLoad():
		s.set(in.Dst, addressOf(in))
	case class.IsStore():
		s.store(in, w.called[i])
	case in.IsCall():
		h, _ := w.call(s, i)
		for r := asm.R1; r <= asm.R5; r++ {
			s.set(r, holding{kind: computed})
		}
		s.set(asm.R0, h)
	}
}

// addressOf is what a wide load of inserted code makes.
func addressOf(in *code.Insn) holding {
	if in.Ref.Kind == code.RefTable && in.Constant >= 0 && in.Constant <= math.MaxInt32 && in.Ref.Index <= math.MaxUint16 {
		return holding{kind: tableAt, of: uint16(in.Ref.Index), n: int32(in.Constant)}
	}
	return holding{kind: computed}
}

// value returns what an operand holds; r10 is an address of the frame.
func (s *output) value(r asm.Register) holding {
	switch {
	case r == asm.R10:
		return holding{kind: frameAt}
	case s.regs[r].kind == own && s.stand[r].n > 0:
		return holding{kind: computed}
	}
	return s.regs[r]
}

// compute returns the result of an operation of inserted code.
func (s *output) compute(in *code.Insn) holding {
	op, reg := in.OpCode.ALUOp(), in.OpCode.Source() == asm.RegSource && in.OpCode.ALUOp() != asm.Swap
	wide := in.OpCode.Class() == asm.ALU64Class
	if v, ok := moved(in); ok {
		return holding{kind: constant, n: v}
	}
	dst := s.value(in.Dst)
	if op == asm.Mov {
		dst = holding{kind: computed}
	}
	src := holding{kind: computed}
	if reg {
		src = s.value(in.Src)
	}
	switch {
	case op == asm.Mov && reg && wide:
		return src
	case (op == asm.Add || op == asm.Sub) && wide && !reg && in.CORE == nil:
		if h, ok := dst.moveBy(in.Constant, op); ok {
			return h
		}
	case op == asm.Add && wide && (dst.kind == tableAt || src.kind == tableAt):
		return holding{kind: inTable}
	}
	if dst.isWalk() || src.isWalk() {
		return holding{kind: walked}
	}
	return holding{kind: computed}
}

// moveBy adds a constant to an address.
func (h holding) moveBy(k int64, op asm.ALUOp) (holding, bool) {
	if op == asm.Sub {
		k = -k
	}
	switch h.kind {
	case frameAt, start, tableAt:
		if n := int64(h.n) + k; n >= -farthest && n <= farthest {
			return holding{kind: h.kind, of: h.of, n: int32(n)}, true
		}
	case inTable:
		return h, true
	}
	return holding{}, false
}

// store follows a store of inserted code, which is to the frame where it is right.
func (s *output) store(in *code.Insn, called bool) {
	base := s.value(in.Dst)
	if base.kind != frameAt || in.OpCode.Mode() != asm.MemMode {
		return
	}
	h := holding{kind: computed}
	if in.OpCode.Class() == asm.StXClass {
		h = s.value(in.Src)
	}
	if called && h == (holding{kind: own, n: int32(asm.R1)}) {
		h = holding{kind: handed}
	}
	slots, whole := slotsOf(int(base.n)+int(in.Offset), in.OpCode.Size().Sizeof())
	for ; slots != 0; slots &= slots - 1 {
		switch n := bits.TrailingZeros64(slots); {
		case whole:
			s.slots = s.slots.with(n, h)
			s.note(h, h.kind == own)
		case s.slots.at(n).kind != nothing:
			s.slots = s.slots.with(n, holding{kind: computed})
		}
	}
}

// compares tells whether an instruction is a comparison of two registers that was
// inserted.
func (w *rewritten) compares(i int) bool {
	in := &w.f.Insns[i]
	return in.Origin < 0 && in.OpCode.Class() == asm.JumpClass && in.OpCode.Source() == asm.RegSource
}

// edge notes what a comparison of data_meta + n with data proves: the descriptor's
// bytes are there where the sum is not beyond data.
func (w *rewritten) edge(s *output, i int, taken bool) {
	in := &w.f.Insns[i]
	a, b := s.value(in.Dst), s.value(in.Src)
	greater := taken // a > b on this way
	switch in.OpCode.JumpOp() {
	case asm.JGT:
	case asm.JLE:
		greater = !taken
	case asm.JLT:
		a, b = b, a
	case asm.JGE:
		a, b, greater = b, a, !taken
	default:
		return
	}
	if !greater && a.kind == start && b.kind == end {
		s.tested = max(s.tested, a.n)
	}
}

// judge holds one instruction against the invariants.
func (w *rewritten) judge(i int, s *output) {
	in := &w.f.Insns[i]
	if in.Origin >= 0 {
		w.judgeKept(i, s)
		return
	}
	switch class := in.OpCode.Class(); {
	case class == asm.LdXClass:
		if _, why := w.load(s, i); why.invariant != "" {
			w.report(why.invariant, i, "%s", why.text)
		}
	case class.IsStore():
		w.judgeStore(i, s)
	case in.OpCode.IsDWordLoad():
		if in.Ref.Kind == code.RefFunc || in.Ref.Kind == code.RefExtern {
			w.report(insertedCall, i, "inserted code takes the address of a function")
		}
	case class == asm.LdClass:
		w.report(descriptorLoad, i, "%v reads the packet", in.OpCode)
	case in.IsCall():
		if _, why := w.call(s, i); why != "" {
			w.report(insertedCall, i, "%s", why)
		}
	case in.IsExit():
		w.report(insertedCall, i, "inserted code ends the function")
	default:
		w.judgeOperands(i, s)
	}
}

// judgeKept: what the program's own instruction looks at is what it looked at
// before, unless that is what inserted code is there to make.
func (w *rewritten) judgeKept(i int, s *output) {
	in := &w.f.Insns[i]
	for set := w.needs(in); set != 0; set &= set - 1 {
		r := set.first()
		if s.has(r) {
			continue
		}
		stand := s.stand[r]
		if s.regs[r].kind == constant {
			stand = just(s.regs[r].n)
		}
		w.doubt(preservedRegister, i, r, stand, "%v looks at %v, in which inserted code has put something of its own", in.OpCode, r)
	}
}

// needs returns the registers whose contents matter to an instruction that is
// kept. A call looks at its arguments and an exit at r0, whatever the kernel wants
// to have written there.
func (w *rewritten) needs(in *code.Insn) regset {
	switch {
	case in.IsExit():
		return single(asm.R0)
	case in.IsCall():
		return arguments(w.arity(in))
	}
	return w.reads(in)
}

// judgeOperands: inserted code does not compute with what the program has in its
// registers; it moves it out of the way and back. A constant that is there already
// it need not set again.
func (w *rewritten) judgeOperands(i int, s *output) {
	in := &w.f.Insns[i]
	if in.OpCode.Class().IsALU() && in.OpCode.ALUOp() == asm.Mov {
		return
	}
	for set := w.reads(in) &^ single(asm.R10); set != 0; set &= set - 1 {
		if r := set.first(); s.regs[r].kind == own && s.stand[r].n == 0 && !s.fixed.has(r) {
			w.report(insertedOperand, i, "%v computes with r%d of the program", in.OpCode, s.regs[r].n)
		}
	}
}

// judgeStore: inserted code writes to the frame and nowhere else; behind what the
// program uses of it, see settle.
func (w *rewritten) judgeStore(i int, s *output) {
	in := &w.f.Insns[i]
	base := s.value(in.Dst)
	if in.OpCode.Mode() != asm.MemMode || base.kind != frameAt {
		w.report(insertedStore, i, "%v writes to what is not known to be the frame", in.OpCode)
		return
	}
	w.stores = append(w.stores, access{i, int(base.n) + int(in.Offset), in.OpCode.Size().Sizeof()})
}
