package layouts

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
)

// TestMutants makes every small mistake a layout can have, one at a time, and
// requires the oracle to contradict each, or the checks on loading to refuse it.
// The oracle is asked once, about the layout as it is. What is left has to decide
// alike whatever the fields are (same), or to be in testdata/equivalent.txt, with the
// reason why it is no mistake; how many there were of each is in testdata/mutants.txt.
func TestMutants(t *testing.T) {
	known := equivalents(t)
	var table strings.Builder
	for _, form := range forms(t) {
		name := form.nic + "/" + form.descriptor
		t.Run(name, func(t *testing.T) {
			l, d := loadForm(t, form.nic, form.descriptor)
			descs := samples(d, chance.Rand(t))
			want := askOracle(t, form.nic, d, descs)

			made := map[string]bool{}
			var seen, alike int
			var refused, survivors []string
			truth := frozen(d)
			for _, m := range mistakes(d) {
				require.False(t, made[m.name], "%s: twice", m.name)
				made[m.name] = true
				undo := m.make()
				switch {
				case contradicted(d, m.hints, descs, want):
					seen++
				case refuses(l):
					refused = append(refused, m.name)
				case m.decides && same(truth, d):
					alike++
				default:
					survivors = append(survivors, m.name)
				}
				undo()
			}
			t.Logf("refused: %q", refused)
			require.ElementsMatch(t, known[name], survivors, "mistakes nobody sees: testdata/equivalent.txt, these")
			require.Greater(t, seen, 2*len(d.Fields))
			fmt.Fprintf(&table, "%-24s %5d mistakes, %5d contradicted, %2d refused on loading, %2d that decide alike, %d listed\n",
				name, len(made), seen, len(refused), alike, len(survivors))
		})
	}
	if t.Failed() || strings.Count(table.String(), "\n") < len(forms(t)) {
		return // failed, or only some were asked for
	}
	golden := filepath.Join("testdata", "mutants.txt")
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(table.String()), 0o644))
	}
	committed, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(committed), table.String(), "go test ./layouts -run TestMutants -update writes it anew")
}

// equivalents reads the mistakes that make no difference, by form.
func equivalents(t *testing.T) map[string][]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "equivalent.txt"))
	require.NoError(t, err)
	known := map[string][]string{}
	form, reason := "", ""
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		switch mistake, indented := strings.CutPrefix(line, "  "); {
		case line == "":
			form, reason = "", ""
		case strings.HasPrefix(line, "# "):
			reason = line
		case indented:
			require.NotEmpty(t, form, "%s: of which form", line)
			require.NotEmpty(t, reason, "%s: why is it no mistake", line)
			known[form] = append(known[form], mistake)
		default:
			form = line
		}
	}
	return known
}

// refuses tells whether the layout would not have been loaded.
func refuses(l *Layout) bool {
	var errs Errors
	check(l, &errs)
	return errs.orNil() != nil
}

// contradicted tells whether the layout and the oracle differ in one of these
// hints of one of the descriptors.
func contradicted(d *Descriptor, hints []*Hint, descs [][]byte, want []map[string]uint64) bool {
	part := *d
	part.Hints = hints
	for i, desc := range descs {
		got := part.Decode(desc, binary.NativeEndian)
		for _, h := range hints {
			g, inGot := got[h.Name]
			w, inWant := want[i][h.Name]
			if g != w || inGot != inWant {
				return true
			}
		}
	}
	return false
}

// mistake is one change to a descriptor in memory and the hints it can show in.
type mistake struct {
	name  string
	hints []*Hint
	make  func() (undo func())
	// decides: it changes nothing but when alternatives hold and which is first.
	decides bool
}

// change is a mistake that sets one variable.
func change[T any](name string, hints []*Hint, at *T, to T) mistake {
	return mistake{name: name, hints: hints, make: func() func() {
		was := *at
		*at = to
		return func() { *at = was }
	}}
}

// decision is a mistake of that kind.
func decision[T any](name string, hints []*Hint, at *T, to T) mistake {
	m := change(name, hints, at, to)
	m.decides = true
	return m
}

// frozen is a copy of what decides, that mistakes do not change.
func frozen(d *Descriptor) *Descriptor {
	conditions := func(from []Condition) []Condition {
		to := slices.Clone(from)
		for i := range to {
			to[i].Values = slices.Clone(to[i].Values)
		}
		return to
	}
	out := *d
	out.Ready = conditions(d.Ready)
	out.Hints = nil
	for _, h := range d.Hints {
		c := *h
		c.Alternatives = slices.Clone(h.Alternatives)
		for i := range c.Alternatives {
			c.Alternatives[i].When = conditions(c.Alternatives[i].When)
		}
		out.Hints = append(out.Hints, &c)
	}
	return &out
}

// same tells whether two descriptors come to the same alternative of each hint
// whatever their fields are: it goes through all of them, with one value for all
// those that no condition and no map tells apart. What it can not go through, it
// does not call the same.
func same(a, b *Descriptor) bool {
	for i := range a.Hints {
		if !sameHint(a, b, a.Hints[i], b.Hints[i]) {
			return false
		}
	}
	return true
}

func sameHint(a, b *Descriptor, x, y *Hint) bool {
	const most = 1 << 18
	conditions := slices.Concat(a.Ready, b.Ready)
	tables := map[*Field][]*ValueMap{}
	for _, alt := range slices.Concat(x.Alternatives, y.Alternatives) {
		conditions = append(conditions, alt.When...)
		if alt.Map != nil {
			tables[alt.From] = append(tables[alt.From], alt.Map)
		}
	}
	kinds := map[*Field][]uint64{} // of values
	for _, c := range conditions {
		kinds[c.Field] = append(kinds[c.Field], c.Values...)
	}
	for f, maps := range tables {
		for _, m := range maps {
			for key := range m.Values {
				kinds[f] = append(kinds[f], key)
			}
		}
	}
	var fields []*Field
	all := 1
	for f, values := range kinds {
		other := uint64(0)
		for slices.Contains(values, other) {
			other++
		}
		if other>>f.Width() == 0 {
			values = append(values, other)
		}
		known := map[string]bool{}
		kinds[f] = slices.DeleteFunc(values, func(v uint64) bool {
			var answers []bool
			for _, c := range conditions {
				answers = append(answers, c.Field == f && c.Holds(v))
			}
			for _, m := range tables[f] {
				_, ok := m.Values[v]
				answers = append(answers, ok)
			}
			kind := fmt.Sprint(answers)
			was := known[kind]
			known[kind] = true
			return was
		})
		fields = append(fields, f)
		if all *= len(kinds[f]); all > most {
			return false
		}
	}
	value := map[*Field]uint64{}
	for n := range all {
		for _, f := range fields {
			value[f] = kinds[f][n%len(kinds[f])]
			n /= len(kinds[f])
		}
		p, q := decided(a, x, value), decided(b, y, value)
		if p == nil || q == nil {
			if p != q {
				return false
			}
			continue
		}
		if p.From != q.From || p.Value != q.Value || p.Map != q.Map || !slices.Equal(p.Convert, q.Convert) {
			return false
		}
	}
	return true
}

// decided is the alternative that holds with these values of fields.
func decided(d *Descriptor, h *Hint, value map[*Field]uint64) *Alternative {
	hold := func(conditions []Condition) bool {
		return !slices.ContainsFunc(conditions, func(c Condition) bool { return !c.Holds(value[c.Field]) })
	}
	if !hold(d.Ready) {
		return nil
	}
	for i := range h.Alternatives {
		a := &h.Alternatives[i]
		known := a.Map == nil
		if !known {
			_, known = a.Map.Values[value[a.From]]
		}
		if known && hold(a.When) {
			return a
		}
	}
	return nil
}

func mistakes(d *Descriptor) []mistake {
	var all []mistake
	if own := users(d, func(f *Field, _ *ValueMap) bool { return f != nil && f.Bits[0].Word < FirstState }); len(own) > 0 {
		all = append(all, change("words: the other byte order", own, &d.Word.BigEndian, !d.Word.BigEndian))
	}
	for _, f := range d.Fields {
		all = append(all, fieldMistakes(d, f)...)
	}
	all = append(all, conditionMistakes(d, "ready", d.Hints, &d.Ready)...)
	seen := map[*ValueMap]bool{}
	for _, h := range d.Hints {
		hints := []*Hint{h}
		if h.Decl.Bytes == 2 || h.Decl.Bytes == 4 {
			all = append(all, change(h.Name+": the other byte order", hints, &h.Decl.Network, !h.Decl.Network))
		}
		for i := range h.Alternatives {
			a := &h.Alternatives[i]
			name := fmt.Sprintf("%s, alternative %d", h.Name, i+1)
			all = append(all, conditionMistakes(d, name, hints, &a.When)...)
			all = append(all, valueMistakes(d, name, hints, a)...)
			if i > 0 {
				turned := slices.Clone(h.Alternatives)
				turned[i-1], turned[i] = turned[i], turned[i-1]
				all = append(all, decision(name+" before the one before it", hints, &h.Alternatives, turned))
			}
			all = append(all, decision(name+" left out", hints, &h.Alternatives,
				slices.Delete(slices.Clone(h.Alternatives), i, i+1)))
			if a.Map != nil && !seen[a.Map] {
				seen[a.Map] = true
				all = append(all, mapMistakes(d, a.Map)...)
			}
		}
	}
	return all
}

// fieldMistakes moves, widens and narrows each range of a field by one bit, and
// joins its ranges in another order.
func fieldMistakes(d *Descriptor, f *Field) []mistake {
	var all []mistake
	hints := users(d, func(x *Field, _ *ValueMap) bool { return x == f })
	if len(hints) == 0 {
		return nil // inherited, and of no use here
	}
	for i, r := range f.Bits {
		for _, by := range []BitRange{{0, 1, 1}, {0, -1, -1}, {0, 1, 0}, {0, 0, -1}, {0, -1, 0}, {0, 0, 1}} {
			to := BitRange{r.Word, r.MSB + by.MSB, r.LSB + by.LSB}
			width := d.Word.Bits
			if state := d.StateOf(r.Word); state != nil {
				width = state.At.Int.Bits
			}
			if to.LSB < 0 || to.MSB >= width || to.MSB < to.LSB {
				continue
			}
			name := fmt.Sprintf("field %s: %v instead of %v", f.Name, to, r)
			all = append(all, change(name, hints, &f.Bits[i], to))
		}
	}
	if len(f.Bits) > 1 {
		turned := slices.Clone(f.Bits)
		slices.Reverse(turned)
		all = append(all, change("field "+f.Name+": joined the other way", hints, &f.Bits, turned))
	}
	return all
}

// conditionMistakes leaves out each condition, turns it round, asks another field,
// and changes, leaves out and adds constants.
func conditionMistakes(d *Descriptor, name string, hints []*Hint, conditions *[]Condition) []mistake {
	var all []mistake
	for i := range *conditions {
		c := &(*conditions)[i]
		name := fmt.Sprintf("%s: %v", name, *c)
		all = append(all,
			decision(name+" left out", hints, conditions, slices.Delete(slices.Clone(*conditions), i, i+1)),
			decision(name+" turned round", hints, &c.Not, !c.Not))
		if other := neighbour(d, c.Field); other != nil {
			all = append(all, decision(fmt.Sprintf("%s: of field %s", name, other.Name), hints, &c.Field, other))
		}
		for k, v := range c.Values {
			for _, to := range []uint64{v + 1, v - 1} {
				if to>>c.Field.Width() == 0 && !slices.Contains(c.Values, to) {
					all = append(all,
						decision(fmt.Sprintf("%s: %d instead of %d", name, to, v), hints, &c.Values[k], to),
						decision(fmt.Sprintf("%s: %d beside %d", name, to, v), hints, &c.Values, append(slices.Clone(c.Values), to)))
				}
			}
			if len(c.Values) > 1 {
				all = append(all, decision(fmt.Sprintf("%s: without %d", name, v), hints, &c.Values,
					slices.Delete(slices.Clone(c.Values), k, k+1)))
			}
		}
	}
	return all
}

// neighbour is the next field as wide as f, or the one before: what one writes by
// mistake. nil when there is none.
func neighbour(d *Descriptor, f *Field) *Field {
	at := slices.Index(d.Fields, f)
	for _, other := range slices.Concat(d.Fields[at+1:], d.Fields[:at]) {
		if other.Width() == f.Width() {
			return other
		}
	}
	return nil
}

// others are the conversions that one could have meant.
var others = map[ConvOp]ConvOp{Add: Sub, Sub: Add, Mul: Add, Shl: Shr, Shr: Shl, Net16: Net32, Net32: Net16}

// valueMistakes changes what an alternative's value is made of: its constant, its
// field, its map as a whole and its conversions.
func valueMistakes(d *Descriptor, name string, hints []*Hint, a *Alternative) []mistake {
	var all []mistake
	if a.From == nil {
		all = append(all, change(name+": another constant", hints, &a.Value, a.Value+1))
	} else if other := neighbour(d, a.From); other != nil {
		all = append(all, change(fmt.Sprintf("%s: from field %s", name, other.Name), hints, &a.From, other))
	}
	if a.Map != nil {
		all = append(all, change(name+": without its map", hints, &a.Map, nil))
	}
	for i := range a.Convert {
		c := &a.Convert[i]
		name := fmt.Sprintf("%s: conversion %d", name, i+1)
		if c.Op.hasArg() && c.With == nil {
			all = append(all, change(fmt.Sprintf("%s: one more than %v", name, *c), hints, &c.Arg, c.Arg+1))
		}
		if other, ok := others[c.Op]; ok && c.With == nil {
			all = append(all, change(fmt.Sprintf("%s: not %v, the other way", name, *c), hints, &c.Op, other))
		}
		if c.With != nil {
			if other := neighbour(d, c.With); other != nil {
				all = append(all, change(fmt.Sprintf("%s: %v, but by field %s", name, *c, other.Name), hints, &c.With, other))
			}
		}
		all = append(all, change(fmt.Sprintf("%s: without %v", name, *c), hints, &a.Convert,
			slices.Delete(slices.Clone(a.Convert), i, i+1)))
		if i > 0 {
			turned := slices.Clone(a.Convert)
			turned[i-1], turned[i] = turned[i], turned[i-1]
			all = append(all, change(name+" before the one before it", hints, &a.Convert, turned))
		}
	}
	return all
}

// mapMistakes changes and leaves out each entry of a map, and gives its value to
// the next key as well.
func mapMistakes(d *Descriptor, m *ValueMap) []mistake {
	var all []mistake
	hints := users(d, func(_ *Field, x *ValueMap) bool { return x == m })
	entry := func(what string, key uint64, edit func(map[uint64]uint64)) {
		edited := maps.Clone(m.Values)
		edit(edited)
		all = append(all, change(fmt.Sprintf("map %s: %d %s", m.Name, key, what), hints, &m.Values, edited))
	}
	for _, k := range slices.Sorted(maps.Keys(m.Values)) {
		entry("changed", k, func(v map[uint64]uint64) { v[k]++ })
		entry("left out", k, func(v map[uint64]uint64) { delete(v, k) })
		if _, taken := m.Values[k+1]; !taken {
			entry("added", k+1, func(v map[uint64]uint64) { v[k+1] = v[k] })
		}
	}
	return all
}

// users are the hints that depend on what uses picks, all of them when Ready
// does.
func users(d *Descriptor, uses func(*Field, *ValueMap) bool) []*Hint {
	reads := func(c Condition) bool { return uses(c.Field, nil) }
	if slices.ContainsFunc(d.Ready, reads) {
		return d.Hints
	}
	var hints []*Hint
	for _, h := range d.Hints {
		if slices.ContainsFunc(h.Alternatives, func(a Alternative) bool {
			return uses(a.From, a.Map) || slices.ContainsFunc(a.When, reads)
		}) {
			hints = append(hints, h)
		}
	}
	return hints
}
