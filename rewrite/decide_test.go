package rewrite_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
)

// A decision comes to the alternative that is the first to hold, whatever is known
// beforehand, and asks nothing twice or that is known.
func TestDecision(t *testing.T) {
	rng := chance.Rand(t)
	asked, conditions := 0, 0
	for _, n := range nics(t) {
		d := n.descriptor
		for _, h := range d.Hints {
			for range 100 {
				a := h.Alternatives[rng.IntN(len(h.Alternatives))]
				desc := met(rng, d, a)
				if len(a.When) > 0 && rng.IntN(2) == 0 {
					meet(rng, d, desc, opposite(a.When[rng.IntN(len(a.When))]))
				}
				value := func(f *layouts.Field) uint64 { return f.Value(d, desc) }
				holds := func(c layouts.Condition) bool { return slices.Contains(c.Values, value(c.Field)) != c.Not }

				var want *layouts.Alternative
				var held []layouts.Condition
				for k := range h.Alternatives {
					a := &h.Alternatives[k]
					translated := a.Map == nil
					if !translated {
						_, translated = a.Map.Values[value(a.From)]
					}
					if want == nil && translated && !slices.ContainsFunc(a.When, func(c layouts.Condition) bool { return !holds(c) }) {
						want = a
					}
					for _, c := range a.When {
						if conditions++; holds(c) && rng.IntN(3) == 0 {
							held = append(held, c)
						}
					}
				}
				there := want != nil && rng.IntN(3) == 0

				is, _ := rewrite.Decided(h, false, held, there, value)
				require.Equal(t, want == nil, is == nil, "%s %s %x, known: %v, there: %v", n, h.Name, desc, held, there)
				is, questions := rewrite.Decided(h, true, held, there, value)
				require.Equal(t, want == nil, is == nil, "%s %s %x, known: %v, there: %v", n, h.Name, desc, held, there)
				require.True(t, is == nil || is.SameValue(*want), "%s %s %x, known: %v, there: %v", n, h.Name, desc, held, there)
				asked += len(questions)
				for k, q := range questions {
					known := append(slices.Clone(held), questions[:k]...)
					same := func(c layouts.Condition) bool { return c.Equal(q) || opposite(c).Equal(q) }
					require.False(t, slices.ContainsFunc(known, same), "%s %s %x, known: %v, there: %v: %v", n, h.Name, desc, held, there, q)
				}
			}
		}
	}
	require.Positive(t, asked)
	require.Less(t, asked, conditions, "questions that are asked, conditions that there are")
}
