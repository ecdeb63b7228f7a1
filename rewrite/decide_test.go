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

// So it is of alternatives made by chance: few fields and few numbers, so that their
// conditions overlap, exclude and follow from each other; for all that the fields can be.
func TestDecisionOfAny(t *testing.T) {
	rng := chance.Rand(t)
	fields := make([]*layouts.Field, 3)
	for k := range fields {
		fields[k] = &layouts.Field{Bits: []layouts.BitRange{{Word: k, MSB: 1}}}
	}
	for range 3_000 {
		h := &layouts.Hint{}
		for k := range 1 + rng.IntN(6) {
			a := layouts.Alternative{Value: uint64(k % 3)}
			for range rng.IntN(4) {
				c := layouts.Condition{Field: fields[rng.IntN(len(fields))], Not: rng.IntN(2) == 0}
				for v := range uint64(4) {
					if rng.IntN(2) == 0 {
						c.Values = append(c.Values, v)
					}
				}
				if len(c.Values) > 0 {
					a.When = append(a.When, c)
				}
			}
			h.Alternatives = append(h.Alternatives, a)
		}
		for n := range uint64(1) << 6 {
			value := func(f *layouts.Field) uint64 { return n >> (2 * f.Bits[0].Word) & 3 }
			fails := func(c layouts.Condition) bool { return slices.Contains(c.Values, value(c.Field)) == c.Not }
			k := slices.IndexFunc(h.Alternatives, func(a layouts.Alternative) bool { return !slices.ContainsFunc(a.When, fails) })
			is, _ := rewrite.Decided(h, true, nil, false, value)
			require.Equal(t, k < 0, is == nil, "%v at %06b", h.Alternatives, n)
			require.True(t, is == nil || is.Value == h.Alternatives[k].Value, "%v at %06b", h.Alternatives, n)
		}
	}
}
