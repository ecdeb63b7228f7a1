package corpus

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/object"
)

// noop jumps to the next instruction. The verifier takes it anywhere: it reads
// and writes no register.
func noop() code.Insn { return code.Goto(code.Here(1)) }

// variant is an object with instructions inserted that do nothing.
type variant struct {
	name   string
	insert func(f *code.Func, e *code.Edit, rng *rand.Rand)
}

var variants = []variant{
	{"no-op in front", func(_ *code.Func, e *code.Edit, _ *rand.Rand) { e.Insert(0, noop()) }},
	{"no-ops anywhere", func(f *code.Func, e *code.Edit, rng *rand.Rand) {
		e.Insert(rng.IntN(len(f.Insns)), noop())
		for i := range f.Insns {
			if rng.IntN(4) == 0 {
				e.Insert(i, noop())
			}
		}
	}},
}

// make returns the variant of an object, nil for one without code.
func (v variant) make(t *testing.T, f *object.File, rng *rand.Rand) []byte {
	t.Helper()
	u := f.Unit()
	if len(u.Funcs) == 0 {
		return nil
	}
	for _, fn := range u.Funcs {
		e := code.NewEdit(fn)
		v.insert(fn, e, rng)
		e.Apply()
	}
	out, err := f.Encode(u)
	require.NoError(t, err)
	return out
}

// What was inserted is there, and when it is taken out of what cilium/ebpf reads,
// the object is left: instructions, branches, references, records, lines.
func TestNoops(t *testing.T) {
	rng := chance.Rand(t)
	each(t, func(t *testing.T, s subject) {
		f := parse(t, s)
		functions, insns := 0, 0
		for _, fn := range f.Unit().Funcs {
			functions++
			insns += len(fn.Insns)
		}
		result(s, "functions", fmt.Sprint(functions))
		result(s, "instructions", fmt.Sprint(insns))
		for _, v := range variants {
			out := v.make(t, f, rng)
			if out == nil {
				return
			}
			require.GreaterOrEqual(t, slots(t, out), slots(t, s.raw)+functions, v.name)
			sameListing(t, s, out)
		}
		result(s, "with no-ops", "same otherwise")
	})
}

// slots counts the instructions of an object's functions.
func slots(t *testing.T, raw []byte) int {
	t.Helper()
	f, err := object.Parse(raw)
	require.NoError(t, err)
	n := 0
	for _, fn := range f.Unit().Funcs {
		n += len(fn.Insns)
	}
	return n
}
