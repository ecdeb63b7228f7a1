package rewrite_test

import (
	"errors"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/rewrite"
	"github.com/hintjit/hintjit/verifier"
)

// mutations are the ways to spoil one inserted instruction; false: not this one.
// floor is how many of a hundred mutants the check finds at the least. It asks
// where values come from and go to, not what is computed: a mask or a shift that is
// wrong is for the proofs of what is computed, and some mutants are no worse than
// the original.
var mutations = []struct {
	name   string
	mutate func(rng *rand.Rand, f *code.Func, i int) bool
	floor  int
}{
	{"written register", func(rng *rand.Rand, f *code.Func, i int) bool {
		in := &f.Insns[i]
		if class := in.OpCode.Class(); !class.IsALU() && class != asm.LdXClass {
			return false
		}
		return another(rng, &in.Dst)
	}, 50},
	{"read register", func(rng *rand.Rand, f *code.Func, i int) bool {
		in := &f.Insns[i]
		switch class := in.OpCode.Class(); {
		case class == asm.LdXClass, class == asm.StXClass, class.IsALU() && in.OpCode.Source() == asm.RegSource && in.OpCode.ALUOp() != asm.Swap:
			return another(rng, &in.Src)
		case class.IsJump() && in.IsBranch() && !in.IsGoto():
			return another(rng, &in.Dst)
		}
		return false
	}, 60},
	{"offset", func(rng *rand.Rand, f *code.Func, i int) bool {
		in := &f.Insns[i]
		if class := in.OpCode.Class(); !class.IsLoad() && !class.IsStore() || in.CORE != nil {
			return false
		}
		in.Offset += int16([]int{-64, -16, -8, -4, -1, 1, 4, 8, 16, 64}[rng.IntN(10)])
		return true
	}, 35},
	{"constant", func(rng *rand.Rand, f *code.Func, i int) bool {
		in := &f.Insns[i]
		if in.CORE != nil || in.OpCode.Source() != asm.ImmSource || in.IsGoto() || !in.OpCode.Class().IsALU() && !in.IsBranch() {
			return false
		}
		in.Constant ^= 1 << rng.IntN(8)
		return true
	}, 0},
	{"dropped", func(_ *rand.Rand, f *code.Func, i int) bool {
		e := code.NewEdit(f)
		e.Replace(i)
		e.Apply()
		return true
	}, 20},
	{"swapped with the next", func(_ *rand.Rand, f *code.Func, i int) bool {
		if i+1 == len(f.Insns) || f.Insns[i+1].Origin >= 0 || f.Insns[i].IsBranch() || f.Insns[i+1].IsBranch() {
			return false
		}
		f.Insns[i], f.Insns[i+1] = f.Insns[i+1], f.Insns[i]
		return true
	}, 12},
	{"branch target", func(rng *rand.Rand, f *code.Func, i int) bool {
		if !f.Insns[i].IsBranch() {
			return false
		}
		was := f.Insns[i].Target
		f.Insns[i].Target = int32(rng.IntN(len(f.Insns)))
		return f.Insns[i].Target != was
	}, 45},
}

// another puts a different register in the place of r.
func another(rng *rand.Rand, r *asm.Register) bool {
	*r = (*r + 1 + asm.Register(rng.IntN(9))) % 10
	return true
}

const mutantsPerRewrite = 60

// How many single faults in inserted code the check finds by itself. The table is
// in the log (-v).
func TestCheckFindsMutants(t *testing.T) {
	rng := chance.Rand(t)
	objects, err := filepath.Glob("../bpf/examples/*.el.o")
	require.NoError(t, err)
	tried, found := make([]int, len(mutations)), make([]int, len(mutations))
	broken := map[string]int{}
	for _, path := range objects {
		for _, opts := range []rewrite.Options{
			{NIC: "i40e", Reach: rewrite.Meta}, {NIC: "ice", Reach: rewrite.Walk}, {NIC: "mlx5_core", Reach: rewrite.Walk}, {NIC: "mlx5_core", Reach: rewrite.Meta},
		} {
			u, rules := stripped(t, readFile(t, path), opts)
			for m := range mutations {
				for range mutantsPerRewrite {
					mutant := clone(u)
					f := mutant.Funcs[rng.IntN(len(mutant.Funcs))]
					i := rng.IntN(len(f.Insns))
					if f.Insns[i].Origin >= 0 || !mutations[m].mutate(rng, f, i) {
						continue
					}
					tried[m]++
					var vs verifier.Violations
					if errors.As(verifier.Check(mutant, rules), &vs) {
						found[m]++
						broken[vs[0].Invariant]++
					}
				}
			}
		}
	}
	for m := range mutations {
		require.Positive(t, tried[m], mutations[m].name)
		share := 100 * found[m] / tried[m]
		t.Logf("%-22s %4d of %4d found, %3d %%", mutations[m].name, found[m], tried[m], share)
		require.GreaterOrEqual(t, share, mutations[m].floor, mutations[m].name)
	}
	t.Logf("first by: %v", broken)
}

// stripped is the unit as the check gets it, and what it is held against.
func stripped(t testing.TB, object []byte, opts rewrite.Options) (unit *code.Unit, rules verifier.Options) {
	t.Helper()
	require.NoError(t, rewrite.EachPass(object, opts, func(_ string, u *code.Unit, r verifier.Options) error {
		unit, rules = u, r
		return nil
	}))
	require.NoError(t, verifier.Check(unit, rules))
	return unit, rules
}

func clone(u *code.Unit) *code.Unit {
	c := *u
	c.Funcs = nil
	for _, f := range u.Funcs {
		g := *f
		g.Insns = slices.Clone(f.Insns)
		c.Funcs = append(c.Funcs, &g)
	}
	return &c
}
