package code

import (
	"fmt"
	"math"

	"github.com/cilium/ebpf/asm"
)

// FarError says that a branch is further from its destination than its
// encoding can say.
type FarError struct {
	Func     string
	Insn     int // index in the function
	Line     *Line
	Distance int // slots
}

func (e *FarError) Error() string {
	return fmt.Sprintf("function %s: instruction %d: branch over %d slots does not fit 16 bits", e.Func, e.Insn, e.Distance)
}

// Link sets the distance of every branch from its Target. A branch that is too
// far for 16 bits goes by way of a gotol when far is true (the CPU level has
// it) and is a *FarError otherwise: cilium/ebpf and the kernel would take the
// distance modulo 2^16 without a word.
func (f *Func) Link(far bool) error {
	for {
		e := NewEdit(f)
		slots := f.Slots()
		for i := range f.Insns {
			in := &f.Insns[i]
			if !in.IsBranch() {
				continue
			}
			if in.Target < 0 || int(in.Target) >= len(f.Insns) {
				return fmt.Errorf("function %s: instruction %d: branch to instruction %d of %d", f.Name, i, in.Target, len(f.Insns))
			}
			d := slots[in.Target] - slots[i+1]
			switch {
			case in.IsLongGoto():
				in.Constant, in.Offset = int64(d), 0
			case d >= math.MinInt16 && d <= math.MaxInt16:
				in.Offset = int16(d)
			case !far:
				return &FarError{Func: f.Name, Insn: i, Line: f.LineAt(i), Distance: d}
			default:
				e.Replace(i, reachFar(*in)...)
			}
		}
		if e.Empty() {
			return nil
		}
		e.Apply()
	}
}

// reachFar is the code that does what branch in does, over any distance.
func reachFar(in Insn) []Insn {
	long := New(asm.Instruction{OpCode: asm.OpCode(asm.Jump32Class).SetJumpOp(asm.Ja)})
	long.Target, long.For = in.Target, in.For
	if in.IsGoto() {
		return []Insn{long}
	}
	in.Line = nil
	in.Target = Here(2)
	return []Insn{in, Goto(Here(3)), long}
}

// HasV4 tells whether the unit holds an instruction that only -mcpu=v4 has, and
// so may be given more of them.
func (u *Unit) HasV4() bool {
	for _, f := range u.Funcs {
		for i := range f.Insns {
			if f.Insns[i].IsV4() {
				return true
			}
		}
	}
	return false
}
