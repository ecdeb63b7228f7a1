package rewrite

import (
	"math/bits"
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
)

// Inserted code asks for the same bits of a word again and again, each piece for
// itself. What a branch has shown of them decides the next one that asks.

// shown is what is known at a point: what registers have in common, and what branches
// on the way have shown.
type shown struct {
	regs  [asm.R10]bitsOf
	facts []fact
}

// bitsOf is what a register holds: bits of a value, shifted down.
type bitsOf struct {
	value int32 // that an instruction computed, or that ways bring to a block
	shift uint8
	mask  uint64 // of the value, before it is shifted
}

// fact says of bits of a value that they are those of want, or that they are not.
type fact struct {
	value      int32
	mask, want uint64
	equal      bool
}

// maxShown is how many facts are kept.
const maxShown = 8

// computed numbers the value that instruction i leaves in a register.
func computed(i int, r asm.Register) bitsOf {
	return bitsOf{value: int32(i+1)<<4 | int32(r), mask: ^uint64(0)}
}

// brought numbers the value that a register has at the start of a block, where ways
// come with different ones.
func brought(b int32, r asm.Register) bitsOf {
	return bitsOf{value: -((b+1)<<4 | int32(r)), mask: ^uint64(0)}
}

// step follows instruction i.
func (s *shown) step(i int, in *code.Insn) {
	if in.OpCode.Class().IsALU() && in.Dst < asm.R10 {
		if b, ok := s.compute(in); ok {
			s.regs[in.Dst] = b
			return
		}
	}
	for set := writes(in); set != 0; set &= set - 1 {
		if r := asm.Register(bits.TrailingZeros16(uint16(set))); r < asm.R10 {
			s.regs[r] = computed(i, r)
		}
	}
}

// compute is what an instruction leaves where that is bits of a value still.
func (s *shown) compute(in *code.Insn) (b bitsOf, ok bool) {
	if in.CORE != nil {
		return b, false
	}
	b = s.regs[in.Dst]
	imm, k := in.OpCode.Source() == asm.ImmSource, uint64(in.Constant)
	switch op := in.OpCode.ALUOp(); {
	case moves(in) && in.Src < asm.R10:
		b = s.regs[in.Src]
	case op == asm.And && imm:
		b.mask &= k << b.shift
	case op == asm.RSh && imm && k+uint64(b.shift) < 64 && in.OpCode.Class() == asm.ALU64Class:
		b.shift += uint8(k)
		b.mask = b.mask >> b.shift << b.shift
	default:
		return b, false
	}
	if in.OpCode.Class() == asm.ALUClass {
		b.mask &= ones(32) << b.shift
	}
	return b, true
}

// asks is what a branch asks, where that is whether bits are equal to a constant; with
// equal false, it is taken where they are not.
func (s *shown) asks(in *code.Insn) (f fact, ok bool) {
	if !compares(in) || in.OpCode.Source() != asm.ImmSource || in.Dst >= asm.R10 {
		return f, false
	}
	b := s.regs[in.Dst]
	if in.OpCode.Class() == asm.Jump32Class {
		b.mask &= ones(32) << b.shift
	}
	k := uint64(in.Constant)
	f = fact{value: b.value, mask: b.mask, want: k << b.shift}
	switch in.OpCode.JumpOp() {
	case asm.JEq:
		f.equal = true
	case asm.JNE:
	case asm.JSet:
		f.mask, f.want = f.mask&f.want, 0
		return f, true
	default:
		return f, false
	}
	return f, f.want&^f.mask == 0 && f.want>>b.shift == k
}

// takes adds what it shows that a branch is taken, or not.
func (s *shown) takes(in *code.Insn, taken bool) {
	f, ok := s.asks(in)
	if !ok || len(s.facts) == maxShown {
		return
	}
	f.equal = f.equal == taken
	if !f.equal && bits.OnesCount64(f.mask) == 1 {
		f.want, f.equal = f.want^f.mask, true
	}
	if !slices.Contains(s.facts, f) {
		s.facts = append(slices.Clip(s.facts), f)
	}
}

// branch decides a branch by what has been shown.
func (s *shown) branch(in *code.Insn) (taken, ok bool) {
	f, ok := s.asks(in)
	if !ok {
		return false, false
	}
	for _, k := range s.facts {
		if k.value != f.value {
			continue
		}
		switch common := k.mask & f.mask; {
		case k.equal && (k.want^f.want)&common != 0, !k.equal && common == k.mask && f.want&k.mask == k.want:
			return !f.equal, true // they are not equal
		case k.equal && common == f.mask:
			return f.equal, true
		}
	}
	return false, false
}

// meet forgets what another way to block b does not show.
func (s *shown) meet(o *shown, b int32) {
	for r := range s.regs {
		if s.regs[r] != o.regs[r] {
			s.regs[r] = brought(b, asm.Register(r))
		}
	}
	s.facts = slices.DeleteFunc(slices.Clone(s.facts), func(f fact) bool { return !slices.Contains(o.facts, f) })
}

// begin is what is known where a loop begins, and the function: instructions compute
// other values there each time.
func begin(b int32) (s shown) {
	for r := range s.regs {
		s.regs[r] = brought(b, asm.Register(r))
	}
	return s
}

// shown finds what is known at the start of each block that is in within.
func (c *cleaner) shown(within []bool) []*shown {
	g := c.graph()
	at := make([]*shown, len(g.Blocks))
	forget := func(b int32) {
		s := begin(b)
		at[b] = &s
	}
	forget(0)
	for _, b := range g.Order {
		for _, s := range g.Blocks[b].Succ {
			if within[s] && g.Back(b, s) {
				forget(s)
			}
		}
	}
	for _, b := range g.Order {
		if !within[b] {
			continue
		}
		for _, s := range g.Blocks[b].Succ {
			if !within[s] || g.Back(b, s) {
				continue
			}
			now := *at[b]
			c.show(&now, b, s)
			if at[s] == nil {
				at[s] = &now
			} else {
				at[s].meet(&now, s)
			}
		}
	}
	return at
}

// show follows the instructions of block b, and the way from there to block next.
func (c *cleaner) show(s *shown, b, next int32) {
	g := c.graph()
	end := g.Blocks[b].End
	for i := g.Blocks[b].Start; i < end; i++ {
		s.step(i, &c.f.Insns[i])
	}
	last := &c.f.Insns[end-1]
	if !compares(last) {
		return
	}
	taken, falls := g.Of[last.Target] == next, end < len(c.f.Insns) && g.Of[end] == next
	if taken != falls {
		s.takes(last, taken)
	}
}

// dropDecided drops inserted branches whose outcome has been shown on all ways to them.
func (c *cleaner) dropDecided() bool {
	near := c.near()
	if near == nil {
		return false
	}
	g := c.graph()
	edit := code.NewEdit(c.f)
	at := c.shown(near)
	for _, b := range g.Order {
		i := g.Blocks[b].End - 1
		in := &c.f.Insns[i]
		if in.Origin >= 0 || !compares(in) {
			continue
		}
		s := *at[b]
		for k := g.Blocks[b].Start; k < i; k++ {
			s.step(k, &c.f.Insns[k])
		}
		if taken, ok := s.branch(in); ok && taken {
			goTo := code.Goto(in.Target)
			goTo.For = in.For
			edit.Replace(i, goTo)
		} else if ok {
			edit.Replace(i)
		}
	}
	return c.apply(edit)
}
