package bdd_test

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/bdd"
	"github.com/hintjit/hintjit/internal/chance"
)

// A function with its truth table: bit i is its value where the variables are the
// bits of i.
type function struct {
	f     bdd.Ref
	table uint64
}

const variables = 6

// places are what variables say in a table.
func places(m *bdd.Manager, rng *rand.Rand) ([]bdd.Var, []function) {
	vars, fs := make([]bdd.Var, variables), []function{{bdd.True, ^uint64(0)}, {bdd.False, 0}}
	for v := range vars {
		vars[v] = m.NewVar(rng.Uint32N(4))
		var table uint64
		for i := range 64 {
			table |= uint64(i>>v&1) << i
		}
		fs = append(fs, function{m.Of(vars[v]), table})
	}
	return vars, fs
}

func assignment(vars []bdd.Var, i int) func(bdd.Var) bool {
	return func(v bdd.Var) bool { return i>>slices.Index(vars, v)&1 != 0 }
}

func in(values map[bdd.Var]bool) func(bdd.Var) bool { return func(v bdd.Var) bool { return values[v] } }

// Random functions of six variables against their truth tables, and: the same
// table, the same Ref.
func TestFunctions(t *testing.T) {
	rng := chance.Rand(t)
	for range 50 {
		m := bdd.New(1 << 20)
		vars, fs := places(m, rng)
		byTable := make(map[uint64]bdd.Ref)
		for range 300 {
			f, g, h := fs[rng.IntN(len(fs))], fs[rng.IntN(len(fs))], fs[rng.IntN(len(fs))]
			n := function{m.If(f.f, g.f, h.f), f.table&g.table | ^f.table&h.table}
			switch rng.IntN(5) {
			case 0:
				n = function{m.And(f.f, g.f), f.table & g.table}
			case 1:
				n = function{m.Or(f.f, g.f), f.table | g.table}
			case 2:
				n = function{m.Xor(f.f, g.f), f.table ^ g.table}
			case 3:
				n = function{f.f.Not(), ^f.table}
			}
			if known, ok := byTable[n.table]; ok {
				require.Equal(t, known, n.f, "%064b", n.table)
			}
			byTable[n.table] = n.f
			require.Equal(t, f.table&^g.table == 0, m.Implies(f.f, g.f))
			require.Equal(t, m.And(f.f, g.f), m.And(m.Restrict(f.f, g.f), g.f))
			fs = append(fs, n)
		}
		require.Len(t, distinct(byTable), len(byTable), "two tables, one Ref")
		for table, f := range byTable {
			for i := range 64 {
				require.Equal(t, table>>i&1 != 0, m.Eval(f, assignment(vars, i)))
			}
			solution, ok := m.Solve(f)
			require.Equal(t, table != 0, ok)
			require.Equal(t, ok, ok && m.Eval(f, in(solution)))
			solution, ok = m.Sample(f, rng)
			require.Equal(t, table != 0, ok)
			require.Equal(t, ok, ok && m.Eval(f, in(solution)))
			support := make(map[bdd.Var]bool)
			m.Support(f, support)
			for v := range vars {
				require.Equal(t, dependsOn(table, v), support[vars[v]])
			}
		}
	}
}

func distinct(refs map[uint64]bdd.Ref) map[bdd.Ref]bool {
	out := make(map[bdd.Ref]bool)
	for _, f := range refs {
		out[f] = true
	}
	return out
}

func dependsOn(table uint64, v int) bool {
	for i := range 64 {
		if table>>i&1 != table>>(i^1<<v)&1 {
			return true
		}
	}
	return false
}

// Arithmetic on words against Go's, on numbers of which some bits are variables.
func TestWords(t *testing.T) {
	rng := chance.Rand(t)
	for range 300 {
		m := bdd.New(1 << 20)
		var vars []bdd.Var
		number := func() bdd.Word {
			w := bdd.Number(rng.Uint64() >> rng.IntN(64))
			for range 5 {
				i := rng.IntN(64)
				v := m.NewVar(uint32(63 - i))
				vars, w[i] = append(vars, v), m.Of(v)
			}
			return w
		}
		a, b := number(), number()
		k, n := rng.IntN(64), 1+rng.IntN(8)
		carry := bdd.Bit(rng.IntN(2) == 0)
		factor := rng.Uint64() >> rng.IntN(64)
		add, sub, times := m.Add(&a, &b, carry), m.Sub(&a, &b), m.Times(&a, factor)
		below, equal := m.Below(&a, &b), m.Equal(&a, &b)
		left := m.Shift(&a, &b, bdd.Word.Shl)
		mixed := m.IfWord(a[k], &a, &b)
		for range 20 {
			values := assignment(vars, rng.IntN(1<<len(vars)))
			x, y := m.Value(&a, values), m.Value(&b, values)
			is := func(want uint64, w bdd.Word) { t.Helper(); require.Equal(t, want, m.Value(&w, values)) }
			c := uint64(0)
			if carry == bdd.True {
				c = 1
			}
			is(x+y+c, add)
			is(x-y, sub)
			is(x*factor, times)
			is(x<<(y&63), left)
			is(x<<k, a.Shl(k))
			is(x>>k, a.Shr(k, bdd.False))
			is(uint64(int64(x)>>k), a.Shr(k, a[63]))
			is(0, a.Shl(64))
			is(x<<(64-k)>>(64-k), a.Low(k))
			is(uint64(int64(x)<<(64-8*n)>>(64-8*n)), a.Extend(8*n))
			is(bits.ReverseBytes64(x)>>(64-8*n), a.Swap(n))
			is(^x, a.Not())
			require.Equal(t, x < y, m.Eval(below, values))
			require.Equal(t, x == y, m.Eval(equal, values))
			if x>>k&1 != 0 {
				is(x, mixed)
			} else {
				is(y, mixed)
			}
		}
		again := m.Sub(&add, &b)
		require.Equal(t, m.Add(&a, new(bdd.Word), carry), again, "what was added and taken away again")
	}
}

// Words that are compared and added bit by bit stay small, whatever they are.
func TestInterleaved(t *testing.T) {
	m := bdd.New(1 << 16)
	var a, b bdd.Word
	for i := range a {
		a[i] = m.Of(m.NewVar(uint32(63 - i)))
	}
	for i := range b {
		b[i] = m.Of(m.NewVar(uint32(63 - i)))
	}
	sum := m.Add(&a, &b, bdd.False)
	require.Equal(t, a, m.Sub(&sum, &b))
	require.Equal(t, m.Below(&a, &b).Not(), m.Or(m.Below(&b, &a), m.Equal(&a, &b)))
	require.False(t, m.Full())
	require.Less(t, m.Nodes(), 10000)
}

// What does not fit is said so, and what was there before still holds.
func TestLimit(t *testing.T) {
	m := bdd.New(1 << 12)
	var a, b bdd.Word
	for i := range a { // the worst of orders
		a[i], b[63-i] = m.Of(m.NewVar(uint32(i))), m.Of(m.NewVar(uint32(100+i)))
	}
	low := m.And(a[0], b[0])
	require.False(t, m.Within(1000, func() { m.Equal(&a, &b) }))
	require.False(t, m.Full(), "only the attempt was too large")
	require.Equal(t, low, m.And(b[0], a[0]))
	require.True(t, m.Within(1000, func() { low = m.Or(a[1], b[1]) }))
	require.True(t, m.Implies(a[1], low))
	require.False(t, m.Within(1<<20, func() { m.Equal(&a, &b) }))
	require.True(t, m.Full())
	require.False(t, m.Implies(bdd.True, bdd.True), "nothing is known any more")
	require.LessOrEqual(t, m.Nodes(), 1<<12)
}

// The same calls make the same nodes.
func TestSameAgain(t *testing.T) {
	build := func() (int, bdd.Ref) {
		m := bdd.New(1 << 20)
		rng := rand.New(rand.NewPCG(1, 2))
		_, fs := places(m, rng)
		f := fs[2].f
		for range 1000 {
			f = m.If(fs[rng.IntN(len(fs))].f, f, m.Xor(f, fs[rng.IntN(len(fs))].f))
		}
		return m.Nodes(), f
	}
	n, f := build()
	n2, f2 := build()
	require.Equal(t, n, n2)
	require.Equal(t, f, f2)
}
