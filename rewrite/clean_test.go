package rewrite_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/flow"
	"github.com/hintjit/hintjit/rewrite"
	"github.com/hintjit/hintjit/verifier"
)

// Clean makes no function longer, nor the longest and the shortest way through it:
// of all examples and of all shapes, for NICs and reaches taken by chance.
func TestCleanShortens(t *testing.T) {
	rng := chance.Rand(t)
	all := reaches(t)
	cleaned, detours, left := 0, 0, 0
	try := func(name string, object []byte) {
		opts := all[rng.IntN(len(all))].opts
		var lowered []length
		err := rewrite.EachPass(object, opts, func(pass string, u *code.Unit, _ verifier.Options) error {
			switch pass {
			case "lower":
				lowered = lengths(u)
				detours += detoursOf(u)
			case "clean":
				left += detoursOf(u)
				for i, now := range lengths(u) {
					was, f := lowered[i], u.Funcs[i].Name
					assert.LessOrEqual(t, now.all, was.all, "%s %s %s: instructions of %s", name, opts.Layout.NIC, opts.Reach, f)
					assert.LessOrEqual(t, now.longest, was.longest, "%s %s %s: longest way through %s", name, opts.Layout.NIC, opts.Reach, f)
					assert.LessOrEqual(t, now.shortest, was.shortest, "%s %s %s: shortest way through %s", name, opts.Layout.NIC, opts.Reach, f)
					cleaned += was.all - now.all
				}
			}
			return nil
		})
		if err != nil {
			t.Logf("%s: %v", name, err) // other tests know why
		}
	}
	examples, err := filepath.Glob("../bpf/examples/*.o")
	require.NoError(t, err)
	require.NotEmpty(t, examples)
	for _, path := range examples {
		for range 4 {
			try(filepath.Base(path), readFile(t, path))
		}
	}
	for _, path := range sources(t, "shapes") {
		try(shapeName(path), compile(t, path, runnable[rng.IntN(len(runnable))]))
	}
	require.Positive(t, cleaned)
	require.Positive(t, detours)
	require.LessOrEqual(t, 20*left, detours, "branches to a goto; the few to several of which the last leads far away may stay")
}

// detoursOf counts the inserted branches that lead to a goto which leads on, and not
// far away.
func detoursOf(u *code.Unit) (n int) {
	for _, f := range u.Funcs {
		for i := range f.Insns {
			in := &f.Insns[i]
			if in.Origin >= 0 || !in.IsBranch() || !f.Insns[in.Target].IsGoto() {
				continue
			}
			if to := int(f.Insns[in.Target].Target); max(i-to, to-i) <= 20 {
				n++
			}
		}
	}
	return n
}

// length is how many instructions a function has, and its ways that take no branch
// back.
type length struct{ all, longest, shortest int }

func lengths(u *code.Unit) (out []length) {
	for _, f := range u.Funcs {
		g := flow.NewGraph(f)
		rank := make(map[int32]int)
		for i, b := range g.Order {
			rank[b] = i
		}
		ways := make([]length, len(g.Blocks))
		for _, b := range slices.Backward(g.Order) {
			n, w := g.Blocks[b].End-g.Blocks[b].Start, length{shortest: -1}
			for _, s := range g.Blocks[b].Succ {
				if rank[s] <= rank[b] {
					continue
				}
				w.longest = max(w.longest, ways[s].longest)
				if w.shortest < 0 || ways[s].shortest < w.shortest {
					w.shortest = ways[s].shortest
				}
			}
			ways[b] = length{longest: w.longest + n, shortest: max(w.shortest, 0) + n}
		}
		ways[0].all = len(f.Insns)
		out = append(out, ways[0])
	}
	return out
}
