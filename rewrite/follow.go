package rewrite

import (
	"slices"

	"github.com/hintjit/hintjit/layouts"
)

// follower makes the code of one decision: comparisons, and behind them what is to be
// done where an alternative holds.
type follower struct {
	e       *emitter
	into    map[*decision]int                              // how many ways lead to each
	labels  map[*decision]int                              // where each begins, or is dealt with elsewhere
	outside map[*decision]bool                             // those that are dealt with elsewhere
	placed  map[*decision]bool                             // whose code is there
	queue   []*decision                                    // whose code is still to come
	end     int                                            // behind all
	body    func(a *layouts.Alternative, untranslated int) // where an alternative holds
}

// row is some questions in a row which have to be answered in one way each to get to one
// place, and of which every other answer leads to one other.
type row struct {
	conds        []layouts.Condition
	holds, fails *decision
}

// ways counts the ways that lead to each decision.
func (d *decision) ways() map[*decision]int {
	into := map[*decision]int{}
	d.visit(func(d *decision) {
		if d.question() {
			into[d.yes]++
		}
		into[d.no]++
	})
	return into
}

// row is the longer one of those that begin with question d.
func (d *decision) row(into map[*decision]int) row {
	opposite := d.ask
	opposite.Not = !d.ask.Not
	yes := row{[]layouts.Condition{d.ask}, d.yes, d.no}
	no := row{[]layouts.Condition{opposite}, d.no, d.yes}
	yes.extend(into)
	no.extend(into)
	if len(no.conds) > len(yes.conds) {
		return no
	}
	return yes
}

// extend adds questions to which nothing else leads, and those that cost nothing here.
func (r *row) extend(into map[*decision]int) {
	for d := r.holds; d.question(); d = r.holds {
		c, next := d.ask, d.yes
		if r.fails == d.yes {
			c.Not = !c.Not
			next = d.no
		} else if r.fails != d.no {
			return
		}
		if into[d] > 1 && !r.compares(&c) {
			return
		}
		r.conds, r.holds = append(r.conds, c), next
	}
}

// compares tells whether a comparison that is in the row can answer c as well.
func (r *row) compares(c *layouts.Condition) bool {
	if _, _, ok := masked(c); !ok {
		return false
	}
	words := need{}
	for i := range r.conds {
		if _, _, ok := masked(&r.conds[i]); ok {
			words.field(r.conds[i].Field)
		}
	}
	return !slices.ContainsFunc(c.Field.Bits, func(b layouts.BitRange) bool { return words[b.Word] == 0 })
}

// rows are all of a decision.
func (d *decision) rows() (out []row) {
	into, seen := d.ways(), map[*decision]bool{}
	todo := []*decision{d}
	for len(todo) > 0 {
		d := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if d == nil || seen[d] {
			continue
		}
		seen[d] = true
		if !d.question() {
			todo = append(todo, d.no)
			continue
		}
		r := d.row(into)
		out = append(out, r)
		todo = append(todo, r.holds, r.fails)
	}
	return out
}

// follow makes the code of a decision that goes to end, or on to yes when it says no
// more than that a test holds. body makes the code of an alternative that holds, which
// may go to untranslated.
func (e *emitter) follow(d *decision, yes, no, end int, body func(a *layouts.Alternative, untranslated int)) {
	f := &follower{e: e, into: d.ways(), end: end, body: body,
		labels:  map[*decision]int{holding: yes, none: no},
		outside: map[*decision]bool{holding: true, none: true},
		placed:  map[*decision]bool{}}
	for f.queue = append(f.queue, d); len(f.queue) > 0; {
		d := f.queue[0]
		f.queue = f.queue[1:]
		if !f.placed[d] {
			f.code(d)
		}
	}
	e.fallTo(end)
}

// code makes the code of d here, and of what comes behind it.
func (f *follower) code(d *decision) {
	for !f.outside[d] && !f.placed[d] {
		f.e.at(f.label(d))
		f.placed[d] = true
		if !d.question() {
			f.answer(d)
			return
		}
		r := d.row(f.into)
		if f.outside[r.holds] && (!f.outside[r.fails] || f.labels[r.holds] != f.end) {
			f.e.testsTo(r.conds, f.labels[r.holds])
			d = r.fails
		} else {
			f.e.tests(r.conds, f.later(r.fails))
			d = r.holds
		}
	}
	f.e.goTo(f.label(d))
}

func (f *follower) answer(d *decision) {
	untranslated := f.end
	if d.no != nil {
		untranslated = f.later(d.no)
	}
	f.body(d.is, untranslated)
	f.e.goTo(f.end)
}

func (f *follower) label(d *decision) int {
	if _, ok := f.labels[d]; !ok {
		f.labels[d] = f.e.label()
	}
	return f.labels[d]
}

// later is the label of a decision whose code comes behind what is being made.
func (f *follower) later(d *decision) int {
	if !f.outside[d] && !f.placed[d] {
		f.queue = append(f.queue, d)
	}
	return f.label(d)
}
