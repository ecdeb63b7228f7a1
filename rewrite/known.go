package rewrite

import (
	"slices"

	"github.com/hintjit/hintjit/layouts"
)

// know finds the hints that a test has shown present on every way to a load.
func (p *plan) know() {
	number := map[*layouts.Hint]uint{}
	for i := range p.f.Insns {
		t := p.tests[i]
		if t == nil {
			continue
		}
		for _, a := range t.asks {
			h := a.hint
			if _, ok := number[h]; !ok && len(h.Alternatives) == 1 && len(number) < 64 {
				number[h] = uint(len(number))
			}
		}
	}
	if len(number) == 0 {
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
				if now := in[s] & (in[b] | p.gained(number, blk.End-1, s)); now != in[s] {
					in[s], again = now, true
				}
			}
		}
	}
	for i := range p.f.Insns {
		if p.reads[i] == nil && p.tests[i] == nil {
			continue
		}
		for h, n := range number {
			if in[p.graph.Of[i]]>>n&1 != 0 {
				p.held[i] = append(p.held[i], p.t.desc.Ready...)
				p.held[i] = append(p.held[i], h.Alternatives[0].When...)
			}
		}
	}
}

// left is what of conds is not known to hold at instruction i.
func (p *plan) left(i int, conds []layouts.Condition) (out []layouts.Condition) {
	for _, c := range conds {
		if !slices.ContainsFunc(p.held[i], c.Equal) && !slices.ContainsFunc(out, c.Equal) {
			out = append(out, c)
		}
	}
	return out
}

// sure tells whether hint h is known to be there at instruction i.
func (p *plan) sure(i int, h *layouts.Hint) bool {
	return len(h.Alternatives) == 1 && plain(h) &&
		len(p.left(i, p.t.desc.Ready)) == 0 && len(p.left(i, h.Alternatives[0].When)) == 0
}

// partial tells whether an alternative may hold and still have no value: its map
// has no translation of some number.
func partial(a *layouts.Alternative) bool {
	return a.Map != nil && (a.From.Width() >= 64 || uint64(len(a.Map.Values)) < 1<<a.From.Width())
}

// plain tells whether a hint's presence is decided by conditions alone.
func plain(h *layouts.Hint) bool {
	return !slices.ContainsFunc(h.Alternatives, func(a layouts.Alternative) bool { return partial(&a) })
}

// gained is what the edge from the branch at i to block s shows present.
func (p *plan) gained(number map[*layouts.Hint]uint, i int, s int32) (bits uint64) {
	t := p.tests[i]
	if t == nil {
		return 0
	}
	taken, next := p.graph.Of[p.f.Insns[i].Target] == s, i+1 < len(p.f.Insns) && p.graph.Of[i+1] == s
	if taken == next || taken != t.present {
		return 0
	}
	for _, a := range t.asks {
		if n, ok := number[a.hint]; ok {
			bits |= 1 << n
		}
	}
	return bits
}
