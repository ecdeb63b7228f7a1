package rewrite

import (
	"math/bits"
	"slices"

	"github.com/hintjit/hintjit/layouts"
)

// facts are what tests may show: a condition each, or that a hint is there.
type facts struct {
	conds []layouts.Condition
	hints []*layouts.Hint
}

// maxFacts is how many of a kind are followed: sets of both are 64 bits wide.
const maxFacts = 32

// add gives the set of what a test shows where it holds.
func (k *facts) add(t *test, ready []layouts.Condition) (set uint64) {
	conds := ready
	for _, a := range t.asks {
		conds = append(conds[:len(conds):len(conds)], a.certain()...)
		if n := index(&k.hints, func(h *layouts.Hint) bool { return h == a.hint }, a.hint); n < maxFacts {
			set |= 1 << (n + maxFacts)
		}
	}
	for _, c := range conds {
		if n := index(&k.conds, c.Equal, c); n < maxFacts {
			set |= 1 << n
		}
	}
	return set
}

// index is where in list the one is that same says, or x, behind all others.
func index[T any](list *[]T, same func(T) bool, x T) int {
	n := slices.IndexFunc(*list, same)
	if n < 0 {
		n = len(*list)
		*list = append(*list, x)
	}
	return n
}

// certain is what holds in any case where an ask is answered with yes.
func (a *ask) certain() []layouts.Condition {
	var whens [][]layouts.Condition
	for _, w := range a.answers {
		if w.holds {
			whens = append(whens, w.when)
		}
	}
	if len(whens) == 0 {
		return nil
	}
	return inAll(whens)
}

// know finds what tests have shown on every way to a load or another test.
func (p *plan) know() {
	var k facts
	shows := map[int]uint64{} // by test
	for i := range p.f.Insns {
		if t := p.tests[i]; t != nil {
			shows[i] = k.add(t, p.t.desc.Ready)
		}
	}
	if len(shows) == 0 {
		return
	}
	in := make([]uint64, len(p.graph.Blocks))
	for i := range in {
		in[i] = ^uint64(0)
	}
	in[0] = 0
	for again := true; again; {
		again = false
		for _, b := range p.graph.Order {
			blk := &p.graph.Blocks[b]
			for _, s := range blk.Succ {
				if now := in[s] & (in[b] | p.gained(shows, blk.End-1, s)); now != in[s] {
					in[s], again = now, true
				}
			}
		}
	}
	for i := range p.f.Insns {
		if p.reads[i] == nil && p.tests[i] == nil {
			continue
		}
		for set := in[p.graph.Of[i]]; set != 0; set &= set - 1 {
			n := bits.TrailingZeros64(set)
			if n < len(k.conds) && n < maxFacts {
				p.held[i] = append(p.held[i], k.conds[n])
			} else if n -= maxFacts; n >= 0 && n < len(k.hints) {
				p.there[i] = append(p.there[i], k.hints[n])
			}
		}
	}
}

// decide decides how each load and test comes by its hints.
func (p *plan) decide() {
	for i := range p.f.Insns {
		if t := p.tests[i]; t != nil {
			asks := make([][]answer, len(t.asks))
			for k := range t.asks {
				asks[k] = t.asks[k].answers
			}
			t.how = decisionOf(asks, p.held[i], false)
		}
		if r := p.reads[i]; r != nil {
			r.how = nil
			for _, pt := range r.parts {
				r.how = append(r.how, ofHint(pt.hint, !pt.has, p.held[i], slices.Contains(p.there[i], pt.hint)))
			}
		}
	}
}

// behindReady is a decision at instruction i, -1: where nothing is known, behind what
// has to hold of the descriptor.
func (p *plan) behindReady(i int, d *decision) *decision { return first(p.left(i, p.ready), d) }

// left is what of conds is not known to hold at instruction i.
func (p *plan) left(i int, conds []layouts.Condition) (out []layouts.Condition) {
	var known []layouts.Condition
	for _, c := range p.held[i] {
		known = learn(known, c)
	}
	for _, c := range conds {
		implied := func(k layouts.Condition) bool { return k.Field == c.Field && implies(&k, &c) }
		if !slices.ContainsFunc(known, implied) && !slices.ContainsFunc(out, c.Equal) {
			out = append(out, c)
		}
	}
	return out
}

// sure is the alternative that a hint is known to be at instruction i.
func (p *plan) sure(i int, d *decision) (a *layouts.Alternative, ok bool) {
	return d.is, d.is != nil && !partial(d.is) && len(p.left(i, p.t.desc.Ready)) == 0
}

// partial tells whether an alternative may hold and still have no value: its map
// has no translation of some number.
func partial(a *layouts.Alternative) bool {
	return a.Map != nil && (a.From.Width() >= 64 || uint64(len(a.Map.Values)) < 1<<a.From.Width())
}

// gained is what the edge from the branch at i to block s shows present.
func (p *plan) gained(shows map[int]uint64, i int, s int32) uint64 {
	t := p.tests[i]
	if t == nil {
		return 0
	}
	taken, next := p.graph.Of[p.f.Insns[i].Target] == s, i+1 < len(p.f.Insns) && p.graph.Of[i+1] == s
	if taken == next || taken != t.present {
		return 0
	}
	return shows[i]
}
