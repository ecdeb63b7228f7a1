package prove

import (
	"slices"

	"github.com/hintjit/hintjit/internal/bdd"
)

// application is one use of a function of which nothing is known.
type application struct {
	args   []bdd.Word
	result bdd.Word
}

// apply is the result of such a function. Where the arguments are the same as
// they were before, for all inputs with which the state is reached, so is the
// result; otherwise it is anything.
func (e *engine) apply(st *state, op string, bits int, place func(bit int) uint32, args ...bdd.Word) bdd.Word {
	list := e.applied[op]
	for i := range list {
		if slices.Equal(list[i].args, args) {
			return list[i].result
		}
	}
	for i := range list {
		if e.same(st, list[i].args, args) {
			return list[i].result
		}
	}
	a := application{args: args}
	for i := range bits {
		a.result[i] = e.variable(place(i), origin{})
	}
	e.applied[op] = append(list, a)
	return a.result
}

// same tells whether words are equal wherever the state's condition holds.
func (e *engine) same(st *state, a, b []bdd.Word) bool {
	if len(a) != len(b) {
		return false
	}
	if slices.Equal(a, b) {
		return true
	}
	for i := range a {
		if !e.sameWord(st.when, &a[i], &b[i]) {
			return false
		}
	}
	return true
}

func (e *engine) sameWord(when bdd.Ref, a, b *bdd.Word) bool {
	if e.differsSomewhere(when, a, b) {
		return false
	}
	for i := range a {
		if a[i] == b[i] {
			continue
		}
		same := false
		if !e.m.Within(e.tryNodes(), func() { same = e.m.Implies(when, e.m.Xor(a[i], b[i]).Not()) }) || !same {
			return false
		}
	}
	return true
}

// samples is how many inputs are tried before a question is asked of all of them.
const samples = 4

// differsSomewhere tries a few inputs on words that are most likely not equal,
// which saves the work of proving it.
func (e *engine) differsSomewhere(when bdd.Ref, a, b *bdd.Word) bool {
	if e.sampled != when || e.samples == nil {
		e.sampled, e.samples = when, nil
		for range samples {
			if values, ok := e.m.Sample(when, e.rng); ok {
				e.samples = append(e.samples, values)
			}
		}
	}
	for k, values := range e.samples {
		set := func(v bdd.Var) bool {
			if value, ok := values[v]; ok {
				return value
			}
			return (uint64(v)+uint64(k))*0x9e3779b97f4a7c15>>63 != 0
		}
		for i := range a {
			if a[i] != b[i] && e.m.Eval(a[i], set) != e.m.Eval(b[i], set) {
				return true
			}
		}
	}
	return false
}

// word is an operation on two words: what it really gives where that is small
// enough to know, otherwise a function of which nothing is known. What was dear is
// remembered, so that the rewritten program, which has the same operands under
// some condition only, comes to the same.
func (e *engine) word(st *state, op string, exact func(a, b *bdd.Word) bdd.Word, a, b bdd.Word) bdd.Word {
	if commutes[op] && slices.Compare(b[:], a[:]) < 0 {
		a, b = b, a
	}
	args := []bdd.Word{a, b}
	for _, known := range e.applied[op] {
		if e.same(st, known.args, args) || commutes[op] && e.same(st, known.args, []bdd.Word{b, a}) {
			return known.result
		}
	}
	var out bdd.Word
	before := e.m.Nodes()
	if exact == nil || !e.m.Within(e.room(&a, &b), func() { out = exact(&a, &b) }) && !e.m.Within(e.room(&a, &b), func() {
		// What is found for these holds for these, on every path.
		args = []bdd.Word{e.m.RestrictWord(&a, st.when), e.m.RestrictWord(&b, st.when)}
		out = exact(&args[0], &args[1])
	}) {
		return e.apply(st, op, 64, place, a, b)
	}
	if e.m.Nodes()-before > dear {
		e.applied[op] = append(e.applied[op], application{args, out})
	}
	return out
}

// room is how many nodes an operation may take: a constant can not make much of a
// word.
func (e *engine) room(a, b *bdd.Word) int {
	_, ok := a.Constant()
	if _, also := b.Constant(); ok || also {
		return e.tryNodes()
	}
	return opNodes
}

// An operation that takes more nodes than dear is remembered, and one that takes
// more than opNodes is given up: its result is a number of which nothing is known.
const (
	dear    = 500
	opNodes = 4000
)

// commutes are the operations whose operands can change places.
var commutes = map[string]bool{"add": true, "mul": true, "and": true, "or": true, "xor": true, "equal": true, "common": true}

// test is word for a question.
func (e *engine) test(st *state, op string, exact func(a, b *bdd.Word) bdd.Ref, a, b bdd.Word) bdd.Ref {
	asked := func(a, b *bdd.Word) (w bdd.Word) {
		w[0] = exact(a, b)
		return w
	}
	// A walk's checks compare addresses, and all that follows depends on how that
	// went: one variable is enough to know of it.
	_, ok := a.Constant()
	if _, also := b.Constant(); e.meaning.Kernel != nil && !ok && !also {
		asked = nil
	}
	return e.word(st, op, asked, a, b)[0]
}

// world is what a program has done to all that is not its own: a number for each
// history.
type world int

// effect is the last step of a history.
type effect struct {
	before world
	op     string
	args   []bdd.Word
	where  string
	depth  int
}

// act adds an effect to a state's history.
func (e *engine) act(st *state, where, op string, args ...bdd.Word) {
	for w := len(e.worlds) - 1; w > int(st.world); w-- {
		if k := &e.worlds[w]; k.before == st.world && k.op == op && e.same(st, k.args, args) {
			st.world = world(w)
			return
		}
	}
	e.worlds = append(e.worlds, effect{st.world, op, args, where, e.worlds[st.world].depth + 1})
	st.world = world(len(e.worlds) - 1)
}
