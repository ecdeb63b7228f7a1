package verifier

import "github.com/hintjit/hintjit/internal/code"

// keptOnes compares the program's own instructions with what they were: the same
// in the same order, and branches lead to where they led. It returns which are
// gone, and whether there are inserted ones.
func (w *rewritten) keptOnes() (gone []bool, inserted bool) {
	gone = make([]bool, len(w.before.Insns))
	for i := range gone {
		gone[i] = true
	}
	last := int32(-1)
	for i := range w.f.Insns {
		in := &w.f.Insns[i]
		switch {
		case in.Origin < 0:
			inserted = true
			continue
		case int(in.Origin) >= len(gone):
			w.report(keptInstruction, i, "comes from instruction %d, the function had %d", in.Origin, len(gone))
			continue
		case in.Origin <= last:
			w.report(keptInstruction, i, "was instruction %d, and stands behind what was instruction %d", in.Origin, last)
			continue
		}
		last, gone[in.Origin] = in.Origin, false
		w.same(i, &w.before.Insns[in.Origin])
	}
	if len(w.found[keptInstruction]) > 0 {
		return gone, inserted
	}
	w.keptTargets(gone)
	return gone, inserted
}

// same holds an instruction against what it was. What a CO-RE record asked for may
// have been answered; and of an access through what a gone instruction made, the
// offset, for it is another thing that it points to.
func (w *rewritten) same(i int, was *code.Insn) {
	in := &w.f.Insns[i]
	branch := in.IsBranch()
	distance := branch && in.IsLongGoto()
	switch {
	case in.OpCode != was.OpCode || in.Dst != was.Dst || in.Src != was.Src:
		w.report(keptInstruction, i, "was %v", was.Instruction)
	case in.Ref.Kind != was.Ref.Kind || in.Ref.Index != was.Ref.Index && in.Ref.Kind != code.RefTable:
		w.report(keptInstruction, i, "%v refers to something else than before", in.OpCode)
	case in.CORE != nil && in.CORE != was.CORE:
		w.report(keptInstruction, i, "%v has another CO-RE record than before", in.OpCode)
	case was.CORE != nil:
	case in.Constant != was.Constant && !distance:
		w.report(keptInstruction, i, "%v had constant %d and has %d", in.OpCode, was.Constant, in.Constant)
	case in.Offset != was.Offset && !branch:
		base := in.Src
		if in.OpCode.Class().IsStore() {
			base = in.Dst
		}
		w.doubt(keptInstruction, i, base, constants{}, "%v had offset %d and has %d", in.OpCode, was.Offset, in.Offset)
	}
}

// keptTargets: a branch of the program leads to what it led to, or where that is
// gone to the next of the program's instructions, or to what was inserted before it.
func (w *rewritten) keptTargets(gone []bool) {
	// By instruction of the input: where it is, or the next one that is still there.
	at := make([]int32, len(gone)+1)
	at[len(gone)] = int32(len(w.f.Insns))
	pos := int32(len(w.f.Insns) - 1)
	for o := len(gone) - 1; o >= 0; o-- {
		if at[o] = at[o+1]; gone[o] {
			continue
		}
		for int(w.f.Insns[pos].Origin) != o {
			pos--
		}
		at[o] = pos
	}
	from := make([]int32, len(w.f.Insns)+1) // where the code starts that was inserted before it
	for i := range w.f.Insns {
		if from[i+1] = int32(i + 1); w.f.Insns[i].Origin < 0 {
			from[i+1] = from[i]
		}
	}
	for i := range w.f.Insns {
		in := &w.f.Insns[i]
		if in.Origin < 0 || !in.IsBranch() {
			continue
		}
		was := w.before.Insns[in.Origin].Target
		if to := at[was]; in.Target < from[to] || in.Target > to {
			w.report(keptInstruction, i, "%v led to instruction %d, and leads elsewhere now", in.OpCode, was)
		}
	}
}

// The invariants of the table: what comparing has found.
func foundBy(name string) func(c *checker, f *code.Func, report reporter) {
	return func(c *checker, _ *code.Func, report reporter) {
		if c.compared == nil {
			return
		}
		for _, x := range c.compared.found[name] {
			report(x.insn, "%s", x.detail)
		}
	}
}
