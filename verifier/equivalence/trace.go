package equivalence

import (
	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/verifier"
)

// stepped is an executed instruction, with the registers before it.
type stepped struct {
	place
	regs verifier.Registers
}

// mostSteps of a run are kept to be compared; a program that has gone on for so long
// is shown up to there.
const mostSteps = 100_000

func (s *side) trace(program string, in *Input) (out []stepped) {
	s.run(program, in, watch{step: func(f *code.Func, insn int, regs *verifier.Registers) {
		if len(out) < mostSteps {
			out = append(out, stepped{place{f, insn}, *regs})
		}
	}})
	return out
}

// row is an executed instruction of the original, of the rewritten program, or of
// both, which then is one of the user's that stands in both. -1: of the other only.
type row struct{ before, after int }

// weave puts two traces side by side as far as they go the same way. apart is the
// row from which on they do not; -1 when both come to the end.
func weave(before, after []stepped, kept func(place) bool) (rows []row, apart int) {
	i, k := 0, 0
	for i < len(before) || k < len(after) {
		switch {
		case k < len(after) && after[k].origin() < 0:
			rows = append(rows, row{-1, k})
			k++
		case i < len(before) && !kept(before[i].place):
			rows = append(rows, row{i, -1})
			i++
		case i < len(before) && k < len(after) && before[i].f.Name == after[k].f.Name && before[i].insn == after[k].origin():
			rows = append(rows, row{i, k})
			i++
			k++
		default:
			apart = len(rows)
			for ; i < len(before) || k < len(after); i, k = i+1, k+1 {
				r := row{i, k}
				if i >= len(before) {
					r.before = -1
				}
				if k >= len(after) {
					r.after = -1
				}
				rows = append(rows, r)
			}
			return rows, apart
		}
	}
	return rows, -1
}

func (s *stepped) origin() int { return int(s.f.Insns[s.insn].Origin) }

// keptIn tells which instructions of the original still stand in the rewritten unit.
func keptIn(u *code.Unit) func(place) bool {
	stands := map[string]map[int32]bool{}
	for _, f := range u.Funcs {
		stands[f.Name] = map[int32]bool{}
		for i := range f.Insns {
			stands[f.Name][f.Insns[i].Origin] = true
		}
	}
	return func(p place) bool { return stands[p.f.Name][int32(p.insn)] }
}

// parting finds the first row at which the two programs no longer do the same: an
// instruction of both that reads different numbers, or where their ways part. cause
// is the instruction of the original that made such a number, nil if it is not
// known.
func parting(rows []row, apart int, before, after []stepped) (at int, cause *place) {
	for n, r := range rows {
		if apart >= 0 && n >= apart {
			return apart, nil
		}
		if r.before < 0 || r.after < 0 {
			continue
		}
		b, a := &before[r.before], &after[r.after]
		for _, reg := range read(&b.f.Insns[b.insn]) {
			if b.regs[reg] == a.regs[reg] || b.regs[reg]>>52 != 0 && a.regs[reg]>>52 != 0 && b.regs[reg]>>52 == a.regs[reg]>>52 {
				continue
			}
			return n, maker(rows[:n], before, reg)
		}
	}
	return apart, nil
}

// maker is the last instruction of the original that wrote a register, if it does
// not stand in the rewritten one.
func maker(rows []row, before []stepped, reg asm.Register) *place {
	for n := len(rows) - 1; n >= 0; n-- {
		r := rows[n]
		if r.before < 0 {
			continue
		}
		b := &before[r.before]
		in := &b.f.Insns[b.insn]
		if !writesRegister(in) || in.Dst != reg {
			continue
		}
		if r.after >= 0 {
			return nil
		}
		return &b.place
	}
	return nil
}

func writesRegister(in *code.Insn) bool {
	class := in.OpCode.Class()
	return class.IsALU() || class == asm.LdXClass || in.OpCode.IsDWordLoad()
}

// read lists the registers that an instruction reads and whose numbers matter.
func read(in *code.Insn) []asm.Register {
	class := in.OpCode.Class()
	switch {
	case in.IsExit():
		return []asm.Register{asm.R0}
	case in.IsCall(), in.IsGoto(), in.OpCode.IsDWordLoad():
		return nil
	case class == asm.LdXClass:
		return []asm.Register{in.Src}
	case class == asm.StClass:
		return []asm.Register{in.Dst}
	case class == asm.StXClass:
		return []asm.Register{in.Dst, in.Src}
	}
	var out []asm.Register
	if op := in.OpCode.ALUOp(); class.IsJump() || op != asm.Mov && op != asm.MovSX8 && op != asm.MovSX16 && op != asm.MovSX32 {
		out = append(out, in.Dst)
	}
	unary := class.IsALU() && (in.OpCode.ALUOp() == asm.Swap || in.OpCode.ALUOp() == asm.Neg)
	if in.OpCode.Source() == asm.RegSource && !unary {
		out = append(out, in.Src)
	}
	return out
}
