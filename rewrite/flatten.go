package rewrite

import (
	"math/bits"
	"slices"

	"github.com/hintjit/hintjit/layouts"
)

// flatten gives hints with many alternatives one instead: a table of all that the
// few bits which they ask for can say. Six alternatives with a table each are 120
// instructions and up to a dozen branches that depend on the packet (ixgbe's
// ptype); the bits put side by side, one load and one comparison are 15.
func (t *target) flatten(d *layouts.Descriptor) *layouts.Descriptor {
	out := *d
	out.Hints = slices.Clone(d.Hints)
	for i, h := range out.Hints {
		flat := *h
		flat.Alternatives = slices.Clone(h.Alternatives)
		for k := range flat.Alternatives {
			t.constant(&flat.Alternatives[k])
		}
		if a, ok := t.flattened(d, &flat); ok {
			flat.Alternatives = []layouts.Alternative{a}
		}
		out.Hints[i] = &flat
	}
	return &out
}

// constant makes a condition and a constant of a map that has one value only for all
// that it translates.
func (t *target) constant(a *layouts.Alternative) {
	if a.Map == nil || !partial(a) {
		return
	}
	keys := layouts.Condition{Field: a.From, Values: keysOf(a.Map), Pos: a.Pos}
	var value uint64
	for k, key := range keys.Values {
		v, ok := t.converted(a.Map.Values[key], a.Convert)
		if !ok || k > 0 && v != value {
			return
		}
		value = v
	}
	if cheap(&keys) {
		*a = layouts.Alternative{When: append(slices.Clip(a.When), keys), Value: value, Pos: a.Pos}
	}
}

// maxIndex bounds a flat table: 2^10 entries, of which a packet touches one, and
// the traffic of a NIC a few cache lines.
const maxIndex = 10

// flattened is the one alternative that says what all of h's say, where there is
// one that is shorter.
func (t *target) flattened(d *layouts.Descriptor, h *layouts.Hint) (flat layouts.Alternative, ok bool) {
	common := inAll(whens(h))
	asked := need{}
	for i := range h.Alternatives {
		a := &h.Alternatives[i]
		asked.conditions(without(a.When, common))
		if a.From != nil {
			asked.field(a.From)
		}
		if _, ok := t.converted(0, a.Convert); !ok {
			return flat, false
		}
	}
	if len(h.Alternatives) == 1 || len(asked) != 1 {
		return flat, false
	}
	for index, mask := range asked {
		if d.StateOf(index) != nil || bits.OnesCount64(mask) > maxIndex {
			return flat, false
		}
		f := &layouts.Field{Name: h.Name, Bits: runs(index, mask)}
		if flatCost(f) >= costOf(h, common) {
			return flat, false
		}
		m := &layouts.ValueMap{Name: h.Name + "_at_once", Values: map[uint64]uint64{}}
		alternatives := slices.Clone(h.Alternatives)
		for i := range alternatives {
			alternatives[i].When = without(alternatives[i].When, common)
		}
		for key := range uint64(1) << f.Width() {
			if v, holds := t.firstOf(alternatives, deposit(key, mask)); holds {
				m.Values[key] = v
			}
		}
		flat = layouts.Alternative{When: common, From: f, Map: m, Pos: h.Pos}
	}
	return flat, true
}

// runs are the bits of mask as ranges of word index, most significant first.
func runs(index int, mask uint64) (out []layouts.BitRange) {
	for mask != 0 {
		msb := 63 - bits.LeadingZeros64(mask)
		n := bits.LeadingZeros64(^(mask << (63 - msb)))
		out = append(out, layouts.BitRange{Word: index, MSB: msb, LSB: msb - n + 1})
		mask &= ones(msb - n + 1)
	}
	return out
}

// deposit puts the bits of key where those of mask are.
func deposit(key, mask uint64) (word uint64) {
	for ; mask != 0; mask &= mask - 1 {
		word |= (key & 1) << bits.TrailingZeros64(mask)
		key >>= 1
	}
	return word
}

// firstOf is the value of the first alternative that holds in a word.
func (t *target) firstOf(as []layouts.Alternative, word uint64) (v uint64, ok bool) {
	for i := range as {
		a := &as[i]
		fails := func(c layouts.Condition) bool { return slices.Contains(c.Values, in(word, c.Field)) == c.Not }
		if slices.ContainsFunc(a.When, fails) {
			continue
		}
		v, ok = a.Value, true
		if a.From != nil {
			v = in(word, a.From)
		}
		if a.Map != nil {
			v, ok = a.Map.Values[v]
		}
		if !ok {
			continue
		}
		v, _ = t.converted(v, a.Convert)
		return v, true
	}
	return 0, false
}

// in is a field's value, all of it being in one word.
func in(word uint64, f *layouts.Field) (v uint64) {
	for _, r := range f.Bits {
		n := r.MSB - r.LSB + 1
		v = v<<n | word>>r.LSB&ones(n)
	}
	return v
}

// What code takes, roughly: a comparison is a copy, a mask and a branch; a piece
// of a field a copy, a shift and a mask, and another shift and an or where it is
// not the first; a table is lookupPrice.
const (
	comparisonCost = 3
	pieceCost      = 4
)

func flatCost(f *layouts.Field) int { return pieceCost*len(f.Bits) + lookupPrice }

// costOf is what it takes to tell which alternative of a hint holds, besides the
// conditions of all, and to compute its value.
func costOf(h *layouts.Hint, common []layouts.Condition) (cost int) {
	d := ofHint(h, true, common, false)
	for _, r := range d.rows() {
		words := need{}
		for i := range r.conds {
			if _, _, ok := masked(&r.conds[i]); ok {
				words.field(r.conds[i].Field) // all of these are one comparison
				continue
			}
			_, _, price := listed(&r.conds[i])
			cost += comparisonCost - 1 + price
		}
		cost += comparisonCost * len(words)
	}
	d.visit(func(d *decision) {
		if d.is != nil {
			cost += valueCost(d.is)
		}
	})
	return cost
}

// valueCost is what the value of an alternative takes, and to go on behind it.
func valueCost(a *layouts.Alternative) int {
	cost := 1 + len(a.Convert)
	if a.From != nil {
		cost += pieceCost * len(a.From.Bits)
	}
	if a.Map != nil {
		cost += lookupPrice
	}
	return cost
}
