package verifier

import "github.com/hintjit/hintjit/internal/code"

// facts are what is known before an instruction on every path to it. merge joins
// what holds on another path into them and tells whether they changed; each part
// of them may change a few times only, which is what makes following all paths
// linear.
type facts[S any] interface {
	*S
	merge(other *S) bool
}

// rules are what a data flow makes of instructions.
type rules[S any] struct {
	step  func(s *S, i int)             // from the facts before instruction i to those after it
	edge  func(s *S, i int, taken bool) // what a branch proves on one of its ways
	asks  func(i int) bool              // branches that prove something, nil: none
	visit func(i int, s *S)             // shows every instruction that is reached, in order, with the facts before it
}

// walk holds the facts of a function. States are kept where control can arrive
// by a branch and recomputed in between.
type walk[S any, P facts[S]] struct {
	f       *code.Func
	rules   rules[S]
	leader  []int32 // by instruction: index in states, -1: reached from above only
	starts  []int   // by index in states: the instruction
	states  []*S    // nil: nothing came there, or no more will
	idle    []*S    // that were states
	pending []bool  // by index in states: it changed since it was followed
	reached []bool  // by instruction
	loops   bool    // some branch leads back
	now     S       // where run is, and what holds where the branch there is taken
	taken   S
}

// follow runs over all paths of f, whose targets are all in range, and tells which
// instructions are reached.
func follow[S any, P facts[S]](f *code.Func, first S, r rules[S]) (reached []bool) {
	w := &walk[S, P]{f: f, rules: r, leader: make([]int32, len(f.Insns)), reached: make([]bool, len(f.Insns))}
	w.leader[0] = 1
	for i := range f.Insns {
		if t := f.Insns[i].Target; t != code.NoTarget {
			w.leader[t] = 1
			w.loops = w.loops || int(t) <= i
		}
	}
	for i := range w.leader {
		if w.leader[i]--; w.leader[i] == 0 {
			w.leader[i] = int32(len(w.starts))
			w.starts = append(w.starts, i)
		}
	}
	w.states, w.pending = make([]*S, len(w.starts)), make([]bool, len(w.starts))
	w.states[0], w.pending[0] = &first, true
	// In the order of the code, sweep after sweep: most branches lead forward.
	for again := true; again; {
		again = false
		for l := range w.starts {
			if w.pending[l] {
				w.pending[l] = false
				again = w.run(l) || again
			}
		}
	}
	if w.loops {
		w.show()
	}
	return w.reached
}

// run follows the straight line from leader l up to the next, and tells whether
// what came before it changed. Where no branch leads back the facts are the last
// word already: they are shown, and those at the leader not kept.
func (w *walk[S, P]) run(l int) (back bool) {
	i, s := w.starts[l], &w.now
	*s = *w.states[l]
	if !w.loops {
		w.idle, w.states[l] = append(w.idle, w.states[l]), nil
	}
	for {
		in := &w.f.Insns[i]
		w.reached[i] = true
		if !w.loops {
			w.rules.visit(i, s)
		}
		w.rules.step(s, i)
		if in.Target != code.NoTarget {
			to := w.leader[in.Target]
			if w.rules.asks == nil || !w.rules.asks(i) {
				back = w.arrive(to, s) && int(to) <= l || back
			} else {
				w.taken = *s
				w.rules.edge(&w.taken, i, true)
				back = w.arrive(to, &w.taken) && int(to) <= l || back
				w.rules.edge(s, i, false)
			}
		}
		if !in.FallsThrough() {
			return back
		}
		if i++; w.leader[i] >= 0 {
			w.arrive(w.leader[i], s)
			return back
		}
	}
}

// arrive merges s into a leader's state and tells whether that changed it.
func (w *walk[S, P]) arrive(l int32, s *S) bool {
	if w.states[l] != nil {
		changed := P(w.states[l]).merge(s)
		w.pending[l] = w.pending[l] || changed
		return changed
	}
	if last := len(w.idle) - 1; last >= 0 {
		w.states[l], w.idle = w.idle[last], w.idle[:last]
	} else {
		w.states[l] = new(S)
	}
	*w.states[l], w.pending[l] = *s, true
	return true
}

// show visits the instructions once the facts at all leaders are known.
func (w *walk[S, P]) show() {
	s := &w.now
	for i := range w.f.Insns {
		if !w.reached[i] {
			continue
		}
		if l := w.leader[i]; l >= 0 {
			*s = *w.states[l]
		}
		w.rules.visit(i, s)
		w.rules.step(s, i)
		if w.f.Insns[i].Target != code.NoTarget && w.rules.asks != nil && w.rules.asks(i) {
			w.rules.edge(s, i, false)
		}
	}
}
