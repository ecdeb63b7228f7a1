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

// Link sets the distance of every branch from its Target, see Stretch.
func (f *Func) Link(far bool) error {
	slots, err := f.Stretch(far)
	if err != nil {
		return err
	}
	for i := range f.Insns {
		f.Insns[i].SetDistance(slots, i)
	}
	return nil
}

// Stretch makes every branch reach its Target and returns the function's Slots. A
// branch that is too far for 16 bits goes by way of a gotol when far is true (the
// CPU level has it) and is a *FarError otherwise: cilium/ebpf and the kernel would
// take the distance modulo 2^16 without a word. The function gets instructions of
// its own when there is such a branch, and keeps those it has when not.
func (f *Func) Stretch(far bool) (slots []int, err error) {
	for {
		e := NewEdit(f)
		slots = f.Slots()
		for i := range f.Insns {
			in := &f.Insns[i]
			if !in.IsBranch() {
				continue
			}
			if in.Target < 0 || int(in.Target) >= len(f.Insns) {
				return nil, fmt.Errorf("function %s: instruction %d: branch to instruction %d of %d", f.Name, i, in.Target, len(f.Insns))
			}
			d := slots[in.Target] - slots[i+1]
			switch {
			case in.IsLongGoto(), d >= math.MinInt16 && d <= math.MaxInt16:
			case !far:
				return nil, &FarError{Func: f.Name, Insn: i, Line: f.LineAt(i), Distance: d}
			default:
				e.Replace(i, reachFar(*in)...)
			}
		}
		if e.Empty() {
			return slots, nil
		}
		e.Apply()
	}
}

// SetDistance sets the distance of a branch, which is instruction i of a function
// with such slots.
func (in *Insn) SetDistance(slots []int, i int) {
	if !in.IsBranch() {
		return
	}
	d := slots[in.Target] - slots[i+1]
	if in.IsLongGoto() {
		in.Constant, in.Offset = int64(d), 0
	} else {
		in.Offset = int16(d)
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
