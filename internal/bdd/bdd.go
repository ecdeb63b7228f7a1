// Package bdd holds Boolean functions as reduced ordered binary decision
// diagrams, and vectors of 64 of them as numbers.
//
// Two functions over the same Manager are the same exactly when their Refs are,
// so that a question for all values of all variables is one comparison. Edges
// may be complemented, which makes Not free (Brace, Rudell, Bryant: Efficient
// Implementation of a BDD Package, DAC 1990).
package bdd

import (
	"math"
	"math/rand/v2"
)

// Ref is a Boolean function: the index of a node, and in the lowest bit whether
// it is complemented.
type Ref uint32

// The functions without variables.
const (
	False Ref = 0
	True  Ref = 1
)

// Not is the function that holds where f does not.
func (f Ref) Not() Ref { return f ^ 1 }

func (f Ref) index() uint32 { return uint32(f >> 1) }

// Bit is True or False.
func Bit(b bool) Ref {
	if b {
		return True
	}
	return False
}

// Var names a variable, in the order in which they were made.
type Var uint32

// node is "if v then hi else lo". hi is never complemented, so that a function
// and its opposite are one node.
type node struct {
	v      Var
	lo, hi Ref
}

// Manager holds the nodes of all functions. It never forgets one.
type Manager struct {
	nodes  []node
	order  []uint64 // by variable; that of the constant is the last of all
	unique []uint32 // open addressing, 0: empty
	cache  []entry
	limit  int
	full   bool
}

// entry is what If has found before.
type entry struct{ f, g, h, result Ref }

const (
	constant   = Var(0) // of the node that True and False are
	firstTable = 1 << 12
	maxCache   = 1 << 18
)

// New makes a Manager for at most so many nodes.
func New(limit int) *Manager {
	return &Manager{
		nodes:  []node{{v: constant}},
		order:  []uint64{math.MaxUint64},
		unique: make([]uint32, firstTable),
		cache:  make([]entry, firstTable),
		limit:  limit,
	}
}

// NewVar makes a variable. Diagrams ask variables with a lower place first, and
// of the same place in the order in which they were made: what is compared or
// added is small when it lies close together.
func (m *Manager) NewVar(place uint32) Var {
	v := Var(len(m.order))
	m.order = append(m.order, uint64(place)<<32|uint64(v))
	return v
}

// Of is the function that holds where the variable is set.
func (m *Manager) Of(v Var) Ref { return m.make(v, False, True) }

// Nodes is how many there are.
func (m *Manager) Nodes() int { return len(m.nodes) }

// Full tells whether the limit was reached. What was computed since then means
// nothing.
func (m *Manager) Full() bool { return m.full }

// Within computes something with at most so many new nodes and tells whether
// that was enough. Otherwise it is as if it had not been tried, but for the
// nodes, which stay.
func (m *Manager) Within(nodes int, compute func()) bool {
	if m.full {
		return false
	}
	limit := m.limit
	m.limit = min(limit, len(m.nodes)+nodes)
	compute()
	ok := !m.full
	m.full = m.full && m.limit == limit
	m.limit = limit
	return ok
}

// make returns the node, which is made only when there is none like it.
func (m *Manager) make(v Var, lo, hi Ref) Ref {
	if lo == hi {
		return lo
	}
	out := hi & 1
	lo, hi = lo^out, hi^out
	at := hash(uint32(v), uint32(lo), uint32(hi)) & uint32(len(m.unique)-1)
	for ; m.unique[at] != 0; at = (at + 1) & uint32(len(m.unique)-1) {
		if i := m.unique[at]; m.nodes[i] == (node{v, lo, hi}) {
			return Ref(i<<1) | out
		}
	}
	if len(m.nodes) >= m.limit {
		m.full = true
		return False
	}
	m.unique[at] = uint32(len(m.nodes))
	m.nodes = append(m.nodes, node{v, lo, hi})
	made := Ref(m.unique[at]<<1) | out
	if 2*len(m.nodes) > len(m.unique) {
		m.grow()
	}
	return made
}

func (m *Manager) grow() {
	m.unique = make([]uint32, 2*len(m.unique))
	for i := 1; i < len(m.nodes); i++ {
		n := &m.nodes[i]
		at := hash(uint32(n.v), uint32(n.lo), uint32(n.hi)) & uint32(len(m.unique)-1)
		for m.unique[at] != 0 {
			at = (at + 1) & uint32(len(m.unique)-1)
		}
		m.unique[at] = uint32(i)
	}
	if len(m.cache) < maxCache {
		m.cache = make([]entry, min(len(m.unique), maxCache))
	}
}

func hash(a, b, c uint32) uint32 {
	h := uint64(a)*0x9e3779b97f4a7c15 ^ uint64(b)*0xc2b2ae3d27d4eb4f ^ uint64(c)*0x165667b19e3779f9
	return uint32(h >> 32)
}

// If is the function that is g where f holds and h where it does not.
func (m *Manager) If(f, g, h Ref) Ref {
	if g == f {
		g = True
	} else if g == f.Not() {
		g = False
	}
	if h == f {
		h = False
	} else if h == f.Not() {
		h = True
	}
	switch {
	case f == True:
		return g
	case f == False:
		return h
	case g == h:
		return g
	case g == True && h == False:
		return f
	case g == False && h == True:
		return f.Not()
	case m.full:
		return False
	}
	f, g, h = m.standard(f, g, h)
	// Neither f nor g is complemented when it is looked up.
	if f&1 != 0 {
		f, g, h = f.Not(), h, g
	}
	out := g & 1
	g, h = g^out, h^out

	at := hash(uint32(f), uint32(g), uint32(h)) & uint32(len(m.cache)-1)
	if e := m.cache[at]; e.f == f && e.g == g && e.h == h {
		return e.result ^ out
	}
	v := m.top(f, g, h)
	f0, f1 := m.split(f, v)
	g0, g1 := m.split(g, v)
	h0, h1 := m.split(h, v)
	result := m.make(v, m.If(f0, g0, h0), m.If(f1, g1, h1))
	if m.full {
		return False
	}
	m.cache[hash(uint32(f), uint32(g), uint32(h))&uint32(len(m.cache)-1)] = entry{f, g, h, result}
	return result ^ out
}

// standard chooses among the ways to say the same, so that the cache knows them
// all: and, or and exclusive or commute.
func (m *Manager) standard(f, g, h Ref) (Ref, Ref, Ref) {
	switch {
	case g == True && h.index() < f.index(): // f or h
		return h, True, f
	case h == False && g.index() < f.index(): // f and g
		return g, f, False
	case g == False && h.index() < f.index(): // not f, and h
		return h.Not(), False, f.Not()
	case h == True && g.index() < f.index(): // not f, or g
		return g.Not(), f.Not(), True
	case g == h.Not() && g.index() < f.index(): // f equals g
		return g, f, f.Not()
	}
	return f, g, h
}

// top is the first variable that one of the functions asks.
func (m *Manager) top(f, g, h Ref) Var {
	v := m.nodes[f.index()].v
	for _, r := range [2]Ref{g, h} {
		if w := m.nodes[r.index()].v; m.order[w] < m.order[v] {
			v = w
		}
	}
	return v
}

// split is the function with v unset and with v set; v is not after its first
// variable.
func (m *Manager) split(f Ref, v Var) (lo, hi Ref) {
	n := &m.nodes[f.index()]
	if n.v != v {
		return f, f
	}
	out := f & 1
	return n.lo ^ out, n.hi ^ out
}

// And holds where both hold.
func (m *Manager) And(f, g Ref) Ref { return m.If(f, g, False) }

// Or holds where one of them does.
func (m *Manager) Or(f, g Ref) Ref { return m.If(f, True, g) }

// Xor holds where exactly one of them does.
func (m *Manager) Xor(f, g Ref) Ref { return m.If(f, g.Not(), g) }

// Restrict is a function that is f wherever care holds, and elsewhere whatever
// makes it small (Coudert, Madre: A Unified Framework for the Formal Verification
// of Sequential Circuits, ICCAD 1990). It gives up where that is much work.
func (m *Manager) Restrict(f, care Ref) Ref {
	return m.RestrictWord(&Word{f}, care)[0]
}

// RestrictWord is Restrict for each bit.
func (m *Manager) RestrictWord(w *Word, care Ref) (out Word) {
	if care == False {
		return out
	}
	known := make(map[[2]Ref]Ref)
	for i, f := range w {
		out[i] = m.restrict(f, care, known)
	}
	return out
}

// maxRestrict is how many pairs of functions Restrict looks at.
const maxRestrict = 5000

func (m *Manager) restrict(f, care Ref, known map[[2]Ref]Ref) Ref {
	if care == True || f.index() == 0 || m.full || len(known) > maxRestrict {
		return f
	}
	key := [2]Ref{f, care}
	if r, ok := known[key]; ok {
		return r
	}
	v := m.top(f, care, care)
	f0, f1 := m.split(f, v)
	c0, c1 := m.split(care, v)
	var r Ref
	switch {
	case c0 == False:
		r = m.restrict(f1, c1, known)
	case c1 == False:
		r = m.restrict(f0, c0, known)
	case f0 == f1: // f does not ask v, nor does what comes of it
		r = m.restrict(f, m.Or(c0, c1), known)
	default:
		r = m.make(v, m.restrict(f0, c0, known), m.restrict(f1, c1, known))
	}
	known[key] = r
	return r
}

// Implies tells whether g holds wherever f does.
func (m *Manager) Implies(f, g Ref) bool { return m.And(f, g.Not()) == False && !m.full }

// Solve returns values of variables with which f holds, those that matter; all
// others are free. A variable is set only where it has to be. ok is unset when f
// never holds.
func (m *Manager) Solve(f Ref) (values map[Var]bool, ok bool) {
	if f == False {
		return nil, false
	}
	values = make(map[Var]bool)
	for f != True {
		v := m.nodes[f.index()].v
		lo, hi := m.split(f, v)
		if lo != False {
			values[v], f = false, lo
		} else {
			values[v], f = true, hi
		}
	}
	return values, true
}

// Sample is Solve with a variable set by chance wherever it may be either.
func (m *Manager) Sample(f Ref, rng *rand.Rand) (values map[Var]bool, ok bool) {
	if f == False {
		return nil, false
	}
	values = make(map[Var]bool)
	for f != True {
		v := m.nodes[f.index()].v
		lo, hi := m.split(f, v)
		if hi == False || lo != False && rng.IntN(2) == 0 {
			values[v], f = false, lo
		} else {
			values[v], f = true, hi
		}
	}
	return values, true
}

// Eval is the function's value where the variables are what set says.
func (m *Manager) Eval(f Ref, set func(Var) bool) bool {
	for f.index() != 0 {
		v := m.nodes[f.index()].v
		lo, hi := m.split(f, v)
		if set(v) {
			f = hi
		} else {
			f = lo
		}
	}
	return f == True
}

// Support adds the variables that f depends on to a set.
func (m *Manager) Support(f Ref, into map[Var]bool) {
	seen := make(map[uint32]bool)
	var visit func(i uint32)
	visit = func(i uint32) {
		if i == 0 || seen[i] {
			return
		}
		seen[i] = true
		into[m.nodes[i].v] = true
		visit(m.nodes[i].lo.index())
		visit(m.nodes[i].hi.index())
	}
	visit(f.index())
}
