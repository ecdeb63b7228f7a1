package rewrite

import (
	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/flow"
	"github.com/hintjit/hintjit/layouts"
)

// fuse finds presence bits that are loaded only to be branched on, and turns
// the branch into one on the descriptor: the load, the mask and the test of a
// bit that would first have to be computed all go.
func (p *plan) fuse() {
	after := map[int]uint64{} // bits of a branch's register that are looked at after it
	p.demand(func(i int, d *flow.Bits) {
		in := &p.f.Insns[i]
		if in.IsBranch() && !in.IsGoto() && !in.IsMayGoto() {
			after[i] = d[in.Dst]
		}
	})
	for _, l := range p.loads {
		r := p.reads[l.insn]
		if len(r.parts) == 0 || r.signed {
			continue
		}
		onlyHas := true
		for _, pt := range r.parts {
			onlyHas = onlyHas && pt.has && plain(pt.hint)
		}
		if onlyHas {
			p.fuseLoad(r, after)
		}
	}
}

// partial tells whether an alternative may hold and still have no value: its map
// has no translation of some number.
func partial(a *layouts.Alternative) bool {
	return a.Map != nil && (a.From.Width() >= 64 || uint64(len(a.Map.Values)) < 1<<a.From.Width())
}

// plain tells whether a hint's presence is decided by comparisons alone.
func plain(h *layouts.Hint) bool {
	for i := range h.Alternatives {
		if partial(&h.Alternatives[i]) {
			return false
		}
	}
	return true
}

func (p *plan) fuseLoad(r *read, after map[int]uint64) {
	reg := p.f.Insns[r.insn].Dst
	mask, shift := ones(r.size*8), 0 // bits of the load still in reg, and how far they moved
	absorbed := []int{r.insn}
	end := p.graph.Blocks[p.graph.Of[r.insn]].End
	for i := r.insn + 1; i < end; i++ {
		in := &p.f.Insns[i]
		imm := in.OpCode.Source() == asm.ImmSource
		switch {
		case p.gone[i]:
		case in.OpCode.Class().IsALU() && in.Dst == reg && imm && in.OpCode.ALUOp() == asm.And:
			mask &= uint64(in.Constant) << shift
			absorbed = append(absorbed, i)
		case in.OpCode.Class().IsALU() && in.Dst == reg && imm && in.OpCode.ALUOp() == asm.RSh && in.Constant < 32:
			shift += int(in.Constant)
			absorbed = append(absorbed, i)
		case in.IsBranch() && !in.IsGoto() && !in.IsMayGoto() && in.Dst == reg && imm:
			if t := p.branchTest(r, in, mask, shift); t != nil && after[i] == 0 {
				t.spare = reg
				p.tests[i] = t
				for _, a := range absorbed {
					p.gone[a] = true
					delete(p.reads, a)
				}
			}
			return
		default:
			if p.reads[i] != nil && in.Dst != reg {
				continue
			}
			if touches(in, reg) || in.IsBranch() || in.IsCall() || in.IsExit() {
				return
			}
		}
	}
}

// touches tells whether in reads or writes reg.
func touches(in *code.Insn, reg asm.Register) bool {
	var d flow.Bits
	d[reg] = 1
	flow.Before(in, &d, 5)
	return d[reg] != 1 || in.Dst == reg || in.Src == reg
}

// branchTest reads a branch on masked presence bits as a test of hints.
func (p *plan) branchTest(r *read, in *code.Insn, mask uint64, shift int) *test {
	k := uint64(in.Constant)
	op := in.OpCode.JumpOp()
	if op == asm.JSet {
		mask &= k << shift
		op, k = asm.JNE, 0
	}
	mask &= ^uint64(0) << shift
	t := &test{}
	all := uint64(0)
	for _, pt := range p.t.parts(r.decl, r.off, r.size, mask) {
		t.hints = append(t.hints, pt.hint)
		all |= pt.mask
	}
	switch {
	case len(t.hints) == 0:
		return nil
	case op == asm.JEq && k == 0 && len(t.hints) == 1:
	case op == asm.JNE && k == 0 && len(t.hints) == 1:
		t.present = true
	case op == asm.JEq && k == mask>>shift && all == mask:
		t.present = true
	case op == asm.JNE && k == mask>>shift && all == mask:
	default:
		return nil
	}
	return t
}
