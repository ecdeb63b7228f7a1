package rewrite

import (
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/flow"
	"github.com/hintjit/hintjit/layouts"
)

// test is a conditional branch that asks for hints and nothing else.
type test struct {
	asks    []ask
	present bool // branch when all of them hold; false: when one does not
	how     *decision
	spare   asm.Register
}

// ask is a question about one hint, which no absent hint answers with yes: the
// first answer whose conditions hold has the answer, and where none does it is no.
type ask struct {
	hint    *layouts.Hint
	value   bool // it asks for the value too
	answers []answer
}

type answer struct {
	when  []layouts.Condition // besides the descriptor's own
	holds bool
	is    *layouts.Alternative // nil: it is a test that holds, or not
}

// fuse finds hints that are loaded only to be branched on, and turns the branch
// into one on the descriptor: the load, what is made of the loaded value, and the
// test of a value that would first have to be computed, all go. False: there were
// none.
func (p *plan) fuse(d *flow.Demand) (fused bool) {
	last := make([]bool, len(p.f.Insns)) // branches and moves after which nothing looks at their operand
	seen := int32(-1)
	for _, l := range p.loads { // block after block, as find came by
		b := p.graph.Of[l.insn]
		if b == seen {
			continue
		}
		seen = b
		d.Walk(b, func(i int, after *flow.Bits) {
			in := &p.f.Insns[i]
			last[i] = compares(in) && after[in.Dst] == 0 || moves(in) && after[in.Src] == 0
		})
	}
	for _, l := range p.loads {
		if r := p.reads[l.insn]; len(r.parts) > 0 && !r.signed {
			fused = p.fuseLoad(r, last) || fused
		}
	}
	if fused {
		p.merge()
	}
	return fused
}

// compares tells whether an instruction is a branch that depends on registers.
func compares(in *code.Insn) bool { return in.IsBranch() && !in.IsGoto() && !in.IsMayGoto() }

// moves tells whether an instruction copies a register, or its lower half.
func moves(in *code.Insn) bool {
	return in.OpCode.Class().IsALU() && in.OpCode.ALUOp() == asm.Mov && in.OpCode.Source() == asm.RegSource && in.Offset == 0
}

func (p *plan) fuseLoad(r *read, last []bool) bool {
	c := chain{p: p, r: r, reg: p.f.Insns[r.insn].Dst}
	end := p.graph.Blocks[p.graph.Of[r.insn]].End
	for i := r.insn + 1; i < end; i++ {
		in := &p.f.Insns[i]
		switch {
		case p.gone[i]:
		case moves(in) && in.Src == c.reg && (in.Dst == c.reg || last[i]):
			c.reg = in.Dst
			c.steps = append(c.steps, i)
		case c.computes(in):
			c.steps = append(c.steps, i)
		case compares(in) && in.Dst == c.reg && in.OpCode.Source() == asm.ImmSource:
			c.branch = in
			t := c.test()
			if t == nil || !last[i] {
				return false
			}
			t.spare = c.reg
			p.tests[i] = t
			for _, a := range append(c.steps, r.insn) {
				p.gone[a], p.reads[a] = true, nil
			}
			return true
		default:
			if p.reads[i] != nil && in.Dst != c.reg {
				continue
			}
			if touches(in, c.reg) || in.IsBranch() || in.IsCall() || in.IsExit() {
				return false
			}
		}
	}
	return false
}

// touches tells whether in reads or writes reg.
func touches(in *code.Insn, reg asm.Register) bool {
	var d flow.Bits
	d[reg] = 1
	flow.Before(in, &d, 5)
	return d[reg] != 1 || in.Dst == reg || in.Src == reg
}

// merge makes one test of two that come one after the other and go to the same
// place when they fail. To ask for a value is to ask for its presence.
func (p *plan) merge() {
	for i := len(p.f.Insns) - 2; i >= 0; i-- {
		t := p.tests[i]
		if t == nil || t.present {
			continue
		}
		next := p.next(i)
		if next < 0 {
			continue
		}
		u := p.tests[next]
		if u == nil || u.fails(p.f, next) != t.fails(p.f, i) {
			continue
		}
		for _, a := range t.asks {
			if a.value || !u.needs(a.hint) {
				u.asks = append(u.asks, a)
			}
		}
		p.tests[i], p.gone[i] = nil, true
		if from, to := p.graph.Of[i], p.graph.Of[p.f.Insns[i].Target]; to != p.graph.Of[i+1] {
			p.graph.Unlink(from, to) // or the other test would seem to be asked on one way of two
		}
	}
}

// next is the first instruction after i that stays and is reached from i alone; -1:
// there is none.
func (p *plan) next(i int) int {
	for n := i + 1; n < len(p.f.Insns); n++ {
		b := &p.graph.Blocks[p.graph.Of[n]]
		if n == b.Start && len(b.Pred) != 1 {
			return -1
		}
		if !p.gone[n] {
			return n
		}
	}
	return -1
}

// fails is where the test at branch i goes when something it asks for does not hold.
func (t *test) fails(f *code.Func, i int) int32 {
	if t.present {
		return int32(i + 1)
	}
	return f.Insns[i].Target
}

// needs tells whether a test asks for hint h.
func (t *test) needs(h *layouts.Hint) bool {
	return slices.ContainsFunc(t.asks, func(a ask) bool { return a.hint == h })
}
