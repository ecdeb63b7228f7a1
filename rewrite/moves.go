package rewrite

import (
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/flow"
)

// What is inserted is made piece by piece, and each piece leaves what it reads as it
// was. In one after the other it shows which copies nobody needs.

// dropMoves drops inserted moves of which one of both registers will do, and makes
// inserted loads where their value is moved to: then only those ways have them that use
// it.
func (c *cleaner) dropMoves() bool {
	if !slices.ContainsFunc(c.f.Insns, func(in code.Insn) bool { return copies(&in) }) {
		return false
	}
	m := mover{cleaner: c, after: make([]registers, len(c.f.Insns)), gone: make([]bool, len(c.f.Insns)), edit: code.NewEdit(c.f)}
	m.start = c.live(func(i int, after *flow.Bits) { m.after[i] = liveSet(after) })
	for _, b := range c.g.Order {
		for i := c.g.Blocks[b].Start; i < c.g.Blocks[b].End; i++ {
			switch in := &c.f.Insns[i]; {
			case !copies(in):
			case m.rename(i):
				m.drop(i)
			default:
				m.sink(i)
			}
		}
	}
	return c.apply(m.edit)
}

// copies tells whether an instruction was inserted that copies a register.
func copies(in *code.Insn) bool {
	return in.Origin < 0 && moves(in) && in.OpCode.Class() == asm.ALU64Class && in.Dst != in.Src
}

type mover struct {
	*cleaner
	start []registers // at the start of each block
	after []registers // after each instruction
	gone  []bool
	edit  *code.Edit
}

func (m *mover) drop(i int) {
	m.gone[i] = true
	m.edit.Replace(i)
}

// rename makes the instructions behind the move at i, up to the last that looks at the
// copy, work on what it is a copy of: all of them are inserted and in its block. Where
// the original is still looked at, none of them may change either.
func (m *mover) rename(i int) bool {
	from, to := m.f.Insns[i].Src, m.f.Insns[i].Dst
	last := m.isLast(i, from)
	end := m.g.Blocks[m.g.Of[i]].End
	var uses []int
	for j := i + 1; ; j++ {
		if j == end {
			return false // or it goes on in other blocks
		}
		in := &m.f.Insns[j]
		if m.gone[j] {
			continue
		}
		if in.IsCall() || in.IsExit() || writes(in).has(from) {
			return false
		}
		reads, sets := looksAt(in, to), writes(in).has(to)
		if (reads || sets) && (in.Origin >= 0 || in.OpCode.Class() == asm.StXClass && in.OpCode.Mode() == asm.AtomicMode) {
			return false
		}
		switch {
		case sets && !reads:
			m.replace(uses, to, from)
			m.keep(i, j, from)
			return true
		case sets && !last:
			return false
		case reads:
			uses = append(uses, j)
		}
		if !m.after[j].has(to) {
			m.replace(uses, to, from)
			m.keep(i, j, from)
			return true
		}
	}
}

// isLast tells whether nothing looks at a register behind i.
func (m *mover) isLast(i int, r asm.Register) bool { return !m.after[i].has(r) }

// replace puts one register in the place of another.
func (m *mover) replace(insns []int, was, is asm.Register) {
	for _, j := range insns {
		in := &m.f.Insns[j]
		if in.Dst == was {
			in.Dst = is
		}
		if in.Src == was && hasSource(in) {
			in.Src = is
		}
	}
}

// keep notes that a register is looked at from i up to j.
func (m *mover) keep(i, j int, r asm.Register) {
	for ; i < j; i++ {
		m.after[i] |= regset(r)
	}
}

// hasSource tells whether the source of an instruction is a register.
func hasSource(in *code.Insn) bool {
	switch class := in.OpCode.Class(); {
	case class.IsALU(), class.IsJump():
		return in.OpCode.Source() == asm.RegSource
	case class == asm.LdClass:
		return false
	}
	return true
}

// looksAt tells whether an instruction that is no call and no exit reads a register.
func looksAt(in *code.Insn, r asm.Register) bool {
	if hasSource(in) && in.Src == r {
		return true
	}
	if in.Dst != r {
		return false
	}
	switch class := in.OpCode.Class(); {
	case class.IsALU():
		return in.OpCode.ALUOp() != asm.Mov
	case class == asm.LdXClass, class == asm.LdClass:
		return false
	}
	return !in.IsGoto()
}

// sink makes the load whose value the move at i takes, and nothing else, in the place
// of the move.
func (m *mover) sink(i int) {
	from := m.f.Insns[i].Src
	if !m.isLast(i, from) {
		return
	}
	at, ok := m.source(i, from)
	if !ok {
		return
	}
	var there []code.Insn
	for _, k := range at {
		in := m.f.Insns[k]
		in.Dst = m.f.Insns[i].Dst
		there = append(there, in)
		m.drop(k)
	}
	m.edit.Replace(i, there...)
}

// source finds the inserted load of the value that the move at i takes from a
// register, and a swap of its bytes. Nothing else looks at it, on no way; nothing but
// arithmetic, loads and branches is between, and no other way comes to the move.
func (m *mover) source(i int, from asm.Register) (at []int, ok bool) {
	var set registers
	var passed []int
	for b, j := m.g.Of[i], i-1; len(passed) < maxWay; j-- {
		if j < m.g.Blocks[b].Start {
			before, ok := m.onlyWay(b, from)
			if !ok {
				return nil, false
			}
			b, j = before, m.g.Blocks[before].End
			continue
		}
		in := &m.f.Insns[j]
		passed = append(passed, j)
		class := in.OpCode.Class()
		switch {
		case m.gone[j]:
		case in.IsCall(), in.IsExit(), class.IsStore():
			return nil, false
		case in.Origin < 0 && in.Dst == from && class == asm.LdXClass && in.OpCode.Mode() == asm.MemMode && in.Src != from:
			for _, k := range passed {
				m.after[k] |= regset(in.Src)
			}
			return append([]int{j}, at...), !set.has(in.Src)
		case in.Origin < 0 && in.Dst == from && len(at) == 0 && class.IsALU() && in.OpCode.ALUOp() == asm.Swap:
			at = append(at, j)
		case writes(in).has(from) || looksAt(in, from):
			return nil, false
		}
		set |= writes(in)
	}
	return nil, false
}

// onlyWay is the block before b, which all come from, if no other way out of it looks
// at a register.
func (m *mover) onlyWay(b int32, r asm.Register) (before int32, ok bool) {
	if len(m.g.Blocks[b].Pred) != 1 {
		return 0, false
	}
	before = m.g.Blocks[b].Pred[0]
	for _, s := range m.g.Blocks[before].Succ {
		if s != b && m.start[s].has(r) {
			return 0, false
		}
	}
	return before, true
}
