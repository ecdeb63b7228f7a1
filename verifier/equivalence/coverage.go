package equivalence

import (
	"errors"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/verifier"
)

// coverage is what of a unit was executed.
type coverage struct {
	funcs map[string]*funcCoverage // by name: scenes have units of their own
	grew  bool                     // since it was last asked
	last  *code.Func
	cover *funcCoverage
}

type funcCoverage struct {
	insns []bool
	taken [][2]bool // of conditional branches: fallen through, taken
}

func newCoverage() *coverage { return &coverage{funcs: map[string]*funcCoverage{}} }

func (c *coverage) of(f *code.Func) *funcCoverage {
	if c.last == f {
		return c.cover
	}
	fc := c.funcs[f.Name]
	if fc == nil {
		fc = &funcCoverage{make([]bool, len(f.Insns)), make([][2]bool, len(f.Insns))}
		c.funcs[f.Name] = fc
	}
	c.last, c.cover = f, fc
	return fc
}

func (c *coverage) step(f *code.Func, insn int) {
	if fc := c.of(f); !fc.insns[insn] {
		fc.insns[insn], c.grew = true, true
	}
}

func (c *coverage) branch(f *code.Func, insn int, taken bool) {
	if side := &c.of(f).taken[insn][way(taken)]; !*side {
		*side, c.grew = true, true
	}
}

func way(taken bool) int {
	if taken {
		return 1
	}
	return 0
}

// half tells whether the other side of a branch is still to be seen.
func (c *coverage) half(f *code.Func, insn int, taken bool) bool {
	return !c.of(f).taken[insn][1-way(taken)]
}

// conditional tells whether an instruction is a branch with two sides.
func conditional(in *code.Insn) bool { return in.IsBranch() && !in.IsGoto() && !in.IsMayGoto() }

// reachable lists the functions that run when f does, f first.
func reachable(u *code.Unit, f *code.Func) []*code.Func {
	out := []*code.Func{f}
	seen := map[*code.Func]bool{f: true}
	for i := 0; i < len(out); i++ {
		for k := range out[i].Insns {
			r := out[i].Insns[k].Ref
			if r.Kind != code.RefFunc || r.Index < 0 || int(r.Index) >= len(u.Funcs) || seen[u.Funcs[r.Index]] {
				continue
			}
			seen[u.Funcs[r.Index]] = true
			out = append(out, u.Funcs[r.Index])
		}
	}
	return out
}

// faultAt is the instruction that an error of a run is about.
func faultAt(err error) *place {
	var f *verifier.Fault
	if errors.As(err, &f) {
		return &place{f.Func, f.Insn}
	}
	return nil
}
