package rewrite

import (
	"encoding/binary"
	"slices"

	"github.com/hintjit/hintjit/layouts"
)

// A decision tells what a hint is, or whether a test holds: a question of the
// descriptor, which leads on to one of two decisions, or an answer. What several
// alternatives ask is asked once, and what follows from the answers so far is not
// asked at all.
type decision struct {
	ask     layouts.Condition
	yes, no *decision // nil: an answer

	// is the alternative that holds, and no is what to do where its map has no
	// translation.
	is *layouts.Alternative
}

// What a decision comes to where that is not an alternative: none holds, or the test
// does.
var (
	none    = &decision{}
	holding = &decision{}
)

func (d *decision) question() bool { return d.yes != nil }

// first is a decision behind conditions which have to hold, or it comes to none.
func first(conds []layouts.Condition, d *decision) *decision {
	if d == none {
		return d
	}
	for _, c := range slices.Backward(conds) {
		d = &decision{ask: c, yes: d, no: none}
	}
	return d
}

// visit shows each decision that d may lead to, once, and d first.
func (d *decision) visit(show func(d *decision)) {
	seen := map[*decision]bool{nil: true}
	var visit func(d *decision)
	visit = func(d *decision) {
		if !seen[d] {
			seen[d] = true
			show(d)
			visit(d.yes)
			visit(d.no)
		}
	}
	visit(d)
}

// decider makes a decision.
type decider struct {
	there     bool // the hint is known to be there: its last alternative holds where no other does
	made      map[string]*decision
	last      map[*layouts.Alternative]*decision // alternatives behind which nothing comes
	number    map[any]int                        // of fields and alternatives
	questions int
	plain     bool // nothing is made of what is known: as many questions as there are conditions
}

// maxQuestions bounds a decision. Alternatives which share some of their conditions
// and not others could lead to as many as there are combinations.
const maxQuestions = 32

// decisionOf makes the decision of asks that all have to hold.
func decisionOf(asks [][]answer, held []layouts.Condition, there bool) *decision {
	if d := inARow(asks); len(held) == 0 && !there && d != nil {
		return d
	}
	b := newDecider(there, false)
	given, known := asks, []layouts.Condition(nil)
	for _, c := range held {
		known = learn(known, c)
		given = b.given(given, known, c.Field)
	}
	d := b.decide(given, known)
	if b.questions > maxQuestions {
		b = newDecider(there, true)
		d = b.decide(asks, nil)
	}
	return d
}

// inARow is the decision of asks with one answer each, which are one conjunction of
// conditions on a field each; nil: they are not.
func inARow(asks [][]answer) *decision {
	var when []layouts.Condition
	d := holding
	for _, as := range asks {
		if len(as) != 1 || !as[0].holds {
			return nil
		}
		for _, c := range as[0].when {
			if slices.ContainsFunc(when, func(o layouts.Condition) bool { return o.Field == c.Field }) {
				return nil
			}
			when = append(when, c)
		}
		if a := as[0].is; a != nil && partial(a) {
			d = &decision{is: a, no: none}
		} else if a != nil {
			d = &decision{is: a}
		}
	}
	return first(when, d)
}

func newDecider(there, plain bool) *decider {
	return &decider{there: there, plain: plain, made: map[string]*decision{}, number: map[any]int{},
		last: map[*layouts.Alternative]*decision{}}
}

// ofHint decides which of a hint's alternatives holds or, without value, whether one
// does.
func ofHint(h *layouts.Hint, value bool, held []layouts.Condition, there bool) *decision {
	if there && !value {
		return &decision{is: some}
	}
	answers := make([]answer, len(h.Alternatives))
	for k := range h.Alternatives {
		a := &h.Alternatives[k]
		answers[k] = answer{when: a.When, holds: true, is: &h.Alternatives[slices.IndexFunc(h.Alternatives, a.SameValue)]}
		if !value && !partial(a) {
			answers[k].is = some
		}
	}
	return decisionOf([][]answer{answers}, held, there)
}

// some stands for any alternative, where it is not asked which.
var some = &layouts.Alternative{}

func (b *decider) decide(asks [][]answer, known []layouts.Condition) *decision {
	if len(asks) == 0 {
		return holding
	}
	head := asks[0]
	for len(head) > 0 && !head[len(head)-1].holds {
		head = head[:len(head)-1]
	}
	switch {
	case len(head) == 0:
		return none
	case len(head[0].when) > 0 && !b.surely(head):
		return b.ask(append([][]answer{head}, asks[1:]...), known)
	case head[0].is != nil:
		return b.is(head, known)
	case head[0].holds:
		return b.decide(asks[1:], known)
	}
	return none
}

// surely tells whether the first answer holds whatever its conditions, being the last.
func (b *decider) surely(head []answer) bool { return b.there && len(head) == 1 }

// is comes to the first answer's alternative.
func (b *decider) is(head []answer, known []layouts.Condition) *decision {
	a := head[0].is
	if partial(a) && !b.surely(head) {
		return &decision{is: a, no: b.decide([][]answer{head[1:]}, known)}
	}
	d := b.last[a]
	if d == nil {
		d = &decision{is: a}
		b.last[a] = d
	}
	return d
}

// ask makes the question of the first answer that most others wait for as well.
func (b *decider) ask(asks [][]answer, known []layouts.Condition) *decision {
	key := b.key(asks, known)
	if d := b.made[key]; d != nil {
		return d
	}
	if b.questions++; b.questions > maxQuestions && !b.plain {
		return none // what is made now is not used
	}
	d := &decision{ask: b.best(asks)}
	opposite := d.ask
	opposite.Not = !d.ask.Not
	d.yes = b.after(asks, known, d.ask)
	d.no = b.after(asks, known, opposite)
	d = d.shorter()
	b.made[key] = d
	return d
}

// shorter is a decision without a question that makes no difference, and with one in
// the place of two on one field that lead to the same.
func (d *decision) shorter() *decision {
	if d.yes == d.no {
		return d.yes
	}
	for _, way := range []struct{ next, other *decision }{{d.no, d.yes}, {d.yes, d.no}} {
		next := way.next
		if !next.question() || next.ask.Field != d.ask.Field || next.yes != way.other && next.no != way.other {
			continue
		}
		// What leads on through both questions, and the rest to other.
		through, second := d.ask, next.ask
		through.Not = through.Not != (next == d.no)
		second.Not = second.Not != (next.yes == way.other)
		on := next.yes
		if next.yes == way.other {
			on = next.no
		}
		if c := both(&through, &second); cheap(&c) {
			return &decision{ask: c, yes: on, no: way.other}
		}
	}
	return d
}

func (b *decider) best(asks [][]answer) (best layouts.Condition) {
	if b.plain {
		return asks[0][0].when[0]
	}
	most := 0
	for _, c := range asks[0][0].when {
		n := 0
		for _, as := range asks {
			for _, a := range as {
				if slices.ContainsFunc(a.when, func(o layouts.Condition) bool { o.Not = c.Not; return o.Equal(c) }) {
					n++
				}
			}
		}
		if n > most {
			most, best = n, c
		}
	}
	return best
}

// after is the decision once c is known as well.
func (b *decider) after(asks [][]answer, known []layouts.Condition, c layouts.Condition) *decision {
	if b.plain {
		return b.decide(b.onlyFirst(asks, c), nil)
	}
	known = learn(known, c)
	return b.decide(b.given(asks, known, c.Field), known)
}

// onlyFirst is what is left to ask when the first condition of the first answer came
// out as c.
func (b *decider) onlyFirst(asks [][]answer, c layouts.Condition) [][]answer {
	out := slices.Clone(asks)
	out[0] = slices.Clone(asks[0])
	if when := out[0][0].when; when[0].Equal(c) {
		out[0][0].when = when[1:]
	} else {
		out[0] = out[0][1:]
	}
	return out
}

// given is what is left to ask when so much is known of a field.
func (b *decider) given(asks [][]answer, known []layouts.Condition, f *layouts.Field) [][]answer {
	k := known[slices.IndexFunc(known, func(k layouts.Condition) bool { return k.Field == f })]
	out := make([][]answer, len(asks))
	for i, as := range asks {
		for _, a := range as {
			when, possible := remaining(a.when, &k)
			if possible {
				a.when = when
				out[i] = append(out[i], a)
			}
		}
	}
	return out
}

// remaining is what a conjunction still asks; false: it can not hold.
func remaining(when []layouts.Condition, known *layouts.Condition) (out []layouts.Condition, possible bool) {
	about := func(c layouts.Condition) bool { return c.Field == known.Field }
	if !slices.ContainsFunc(when, about) {
		return when, true
	}
	out = make([]layouts.Condition, 0, len(when)-1)
	for i := range when {
		c := when[i]
		opposite := c
		opposite.Not = !c.Not
		switch {
		case about(c) && implies(known, &opposite):
			return nil, false
		case !about(c) || !implies(known, &c):
			out = append(out, c)
		}
	}
	return out, true
}

// learn adds a condition to what is known, which is one condition for a field.
func learn(known []layouts.Condition, c layouts.Condition) []layouts.Condition {
	out := slices.Clone(known)
	i := slices.IndexFunc(known, func(k layouts.Condition) bool { return k.Field == c.Field })
	if i < 0 {
		return append(out, c)
	}
	out[i] = both(&known[i], &c)
	return out
}

// both is what two conditions on a field say together.
func both(a, b *layouts.Condition) layouts.Condition {
	if a.Not && b.Not {
		return layouts.Condition{Field: a.Field, Not: true, Values: append(slices.Clone(a.Values), b.Values...)}
	}
	if a.Not {
		a, b = b, a
	}
	out := layouts.Condition{Field: a.Field}
	for _, v := range a.Values {
		if b.Holds(v) {
			out.Values = append(out.Values, v)
		}
	}
	return out
}

// implies tells whether one condition on a field makes another one true.
func implies(known, c *layouts.Condition) bool {
	values := known.Values
	switch width := known.Field.Width(); {
	case known.Not && c.Not && !slices.ContainsFunc(c.Values, known.Holds):
		return true
	case known.Not && width > listable:
		return false
	case known.Not:
		values = others(slices.Compact(slices.Sorted(slices.Values(values))), width)
	}
	return !slices.ContainsFunc(values, func(v uint64) bool { return !c.Holds(v) })
}

// key tells apart the states in which different decisions are to be made: by what is
// left to ask, and what is known of the fields of that.
func (b *decider) key(asks [][]answer, known []layouts.Condition) string {
	k := unasked{number: b.number}
	asked := map[*layouts.Field]bool{}
	for _, as := range asks {
		k.add(len(as))
		for _, a := range as {
			k.of(a.is)
			k.add(len(a.when))
			for i := range a.when {
				asked[a.when[i].Field] = true
				k.condition(&a.when[i])
			}
			if a.holds {
				k.add(1)
			}
		}
	}
	for i := range known {
		if asked[known[i].Field] {
			k.condition(&known[i])
		}
	}
	return string(k.bytes)
}

type unasked struct {
	bytes  []byte
	number map[any]int
}

func (k *unasked) add(n int) { k.bytes = binary.AppendUvarint(k.bytes, uint64(n)) }

func (k *unasked) of(x any) {
	n, ok := k.number[x]
	if !ok {
		n = len(k.number)
		k.number[x] = n
	}
	k.add(n)
}

func (k *unasked) condition(c *layouts.Condition) {
	k.of(c.Field)
	k.add(len(c.Values))
	k.of(c.Not)
	for _, v := range c.Values {
		k.bytes = binary.AppendUvarint(k.bytes, v)
	}
}
