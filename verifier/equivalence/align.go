package equivalence

import (
	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/verifier"
)

// aligned returns after with Origins that name instructions of before. Where it has
// them already, it is returned as it is.
func aligned(before, after *verifier.Subject) *verifier.Subject {
	for _, f := range after.Unit.Funcs {
		for i := range f.Insns {
			if f.Insns[i].Origin < 0 {
				return after
			}
		}
	}
	after = after.Clone()
	for _, f := range after.Unit.Funcs {
		if g := find(before.Unit, f.Name); g != nil {
			align(g, f)
		}
	}
	return after
}

// mostCells bounds the table by which functions are aligned; what lies between
// their common ends is taken to be inserted where it would be larger.
const mostCells = 16 << 20

// align finds a longest common subsequence of two functions' instructions, branch
// targets left aside.
func align(before, after *code.Func) {
	b, a := before.Insns, after.Insns
	for i := range a {
		a[i].Origin = -1
	}
	start, tail := 0, 0
	for start < min(len(b), len(a)) && alike(&b[start], &a[start]) {
		a[start].Origin = int32(start)
		start++
	}
	for tail < min(len(b), len(a))-start && alike(&b[len(b)-1-tail], &a[len(a)-1-tail]) {
		a[len(a)-1-tail].Origin = int32(len(b) - 1 - tail)
		tail++
	}
	b, a = b[start:len(b)-tail], a[start:len(a)-tail]
	if len(a) == 0 || len(b) > mostCells/len(a) {
		return
	}
	length := make([][]uint32, len(b)+1) // of what is common from there on
	for i := range length {
		length[i] = make([]uint32, len(a)+1)
	}
	for i := len(b) - 1; i >= 0; i-- {
		for k := len(a) - 1; k >= 0; k-- {
			length[i][k] = max(length[i+1][k], length[i][k+1])
			if alike(&b[i], &a[k]) {
				length[i][k] = length[i+1][k+1] + 1
			}
		}
	}
	for i, k := 0, 0; i < len(b) && k < len(a); {
		switch {
		case alike(&b[i], &a[k]):
			a[k].Origin = int32(start + i)
			i++
			k++
		case length[i+1][k] >= length[i][k+1]:
			i++
		default:
			k++
		}
	}
}

func alike(a, b *code.Insn) bool {
	return a.OpCode == b.OpCode && a.Dst == b.Dst && a.Src == b.Src && a.Ref.Kind == b.Ref.Kind && a.Reference() == b.Reference() &&
		(a.IsBranch() || a.Offset == b.Offset) && (a.IsBranch() && a.IsLongGoto() || a.IsCall() || a.Constant == b.Constant)
}
