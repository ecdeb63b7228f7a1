package rewrite

import (
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/flow"
	"github.com/hintjit/hintjit/layouts"
)

// plan is what is to be done to a function: which instructions go, what stands
// in for each load, which words of the descriptor are read where and kept in
// which register or stack slot.
type plan struct {
	*found
	t     *target
	u     *code.Unit
	main  *declaration // the struct that is built in memory
	decls []*declaration

	// By instruction: what is asked of each, over and over, and of functions that
	// have a million.
	callAt []bool  // calls of hintjit_rx
	gone   []bool  // instructions that are dropped
	reads  []*read // loads that are replaced
	tests  []*test // branches that test the descriptor directly

	copies bool // some call builds the struct in memory
	copyAt int  // where, from r10
	words  []word
	held   map[int][]layouts.Condition // conditions that have been seen to hold on every way to i
	there  map[int][]*layouts.Hint     // and hints that have been seen to be there
	first  []layouts.Condition         // ready conditions that are tested where words are fetched
	ready  []layouts.Condition         // and those that are tested with each hint
	entry  bool                        // words are fetched at the function's entry, not at the calls

	bits  *flow.Demand // nil: not solved yet
	roles []role       // by instruction: as it was solved

	// By instruction too.
	uses   []uint64    // words that i reads, by bit
	alive  []uint64    // words live after i
	sinks  []bool      // before i words are fetched, and not at the calls; nil: nowhere
	sunk   []uint64    // and the words; nil with it
	inUse  []registers // program registers that are live after i, or written by it once liveRegisters has come by
	before []registers // and before i

	fetch    map[int]uint64         // words that call i has to bring, -1: at the entry
	context  uint64                 // the bit of the word that keeps the context for sinks
	hints    map[*layouts.Hint]bool // that the function looks at
	crowded  bool                   // so many hints are read that each branch counts, see emitter.present
	results  registers              // those that hints are computed in
	borrowed int                    // slots for registers saved on the stack for a while, and the like
	short    bool                   // a piece of code found no register
	tables   *tables
	bottom   int     // bytes of stack in use, the program's and ours
	priced   float64 // what it costs, 0: not asked yet
}

// read is one load through the hint pointer and what is left to compute of it.
type read struct {
	load
	parts    []part
	how      []*decision // of each part, what tells that it is there
	demanded uint64      // bits of the result that something looks at
}

// maxWords is how many words a function may read: sets of them are 64 bits wide,
// and 64 of them would fill the stack.
const maxWords = 64

// makePlan decides everything about f but the instructions. The struct is built once,
// in memory, where the loads are so many that this pays.
func makePlan(u *code.Unit, x *found, t *target, ds *declarations, ts *tables) (*plan, error) {
	p := newPlan(u, x, t, ds, ts)
	if err := p.readLoads(); err != nil {
		return nil, err
	}
	d := p.demand()
	if p.fuse(d) {
		d = p.demand()
	}
	often := p.loadsAgain()
	if often == loadedOnce || !p.mayCopy() {
		return p.finish(d)
	}
	q := newPlan(u, x.inMemory(), t, ds, ts)
	copied, refused := q.finish(q.demand())
	if often == loadedOften && refused == nil {
		return copied, nil
	}
	inPlace, err := p.finish(d)
	if refused == nil && (err != nil || copied.price() < inPlace.price()) {
		return copied, nil
	}
	return inPlace, err
}

func newPlan(u *code.Unit, x *found, t *target, ds *declarations, ts *tables) *plan {
	n := len(x.f.Insns)
	p := &plan{found: x, t: t, u: u, main: ds.main, decls: ds.list, tables: ts,
		callAt: make([]bool, n), gone: make([]bool, n), reads: make([]*read, n), tests: make([]*test, n),
		held: map[int][]layouts.Condition{}, there: map[int][]*layouts.Hint{}, uses: make([]uint64, n),
		inUse: make([]registers, n), before: make([]registers, n)}
	for _, c := range p.calls {
		p.callAt[c.insn] = true
	}
	p.dropMoves()
	return p
}

// finish decides what is left when it is clear which loads and tests are replaced.
func (p *plan) finish(d *flow.Demand) (*plan, error) {
	p.liveRegisters(d)
	p.hints = p.hintsInUse()
	p.crowded = len(p.hints) > manyHints
	p.know()
	p.decide()
	p.chooseWords()
	if len(p.words) > maxWords {
		return nil, refuse(p.f, p.calls[0].insn, "read fewer hints in this function",
			"the hints that are read here take %d words of the descriptor, and no more than %d can be kept", len(p.words), maxWords)
	}
	if err := p.t.reach.when(p); err != nil {
		return nil, err
	}
	return p.cheapest()
}

// cheapest decides where the words are fetched, by what the code costs.
func (p *plan) cheapest() (*plan, error) {
	top := p.settled(nil)
	sinks := p.sink()
	if sinks == nil {
		return top, top.checkStack(p.f)
	}
	sunk := p.settled(sinks)
	cheaper := sunk.price() < top.price()
	err := top.checkStack(p.f)
	if sunk.checkStack(p.f) == nil && (cheaper || err != nil) {
		return sunk, nil
	}
	return top, err
}

// settled is the plan with a place for every word, those being fetched before the
// instructions of sinks, or at the calls.
func (p *plan) settled(sinks []bool) *plan {
	q := *p
	q.words = slices.Clone(p.words)
	q.fetch, q.alive = map[int]uint64{}, make([]uint64, len(q.f.Insns))
	if q.sinks = sinks; sinks != nil {
		q.sunk = make([]uint64, len(q.f.Insns))
		q.context = 1 << len(q.words)
		q.words = append(q.words, word{index: contextWord, size: 8})
	}
	q.liveWords()
	q.place()
	return &q
}

// manyHints is how many different hints a function may read before it is
// crowded.
const manyHints = 8

// repeated says how often a function loads the same hints.
type repeated int

const (
	loadedOnce  repeated = iota
	loadedAgain          // some of them more than once
	loadedOften          // each so often that a kernel's verifier would have too many ways to follow
)

// A function that reads its hints more than readsPerHint times each on average,
// and more than fewReads times in all, copies the struct in small pieces:
// computing every piece from the descriptor would be long, and too much for the
// kernel's verifier, which follows both ways of every test.
const (
	readsPerHint = 3
	fewReads     = 12
)

// loadsAgain looks for hints that are read more than once. A branch on a presence bit
// is one more read; one on a value is as long as on the struct in memory, or shorter.
func (p *plan) loadsAgain() repeated {
	reads, loads, hints := 0, 0, map[*layouts.Hint]int{}
	for i := range p.f.Insns {
		if r := p.reads[i]; r != nil {
			for _, pt := range r.parts {
				reads++
				hints[pt.hint]++
				loads = max(loads, hints[pt.hint])
			}
		}
	}
	for i := range p.f.Insns {
		if t := p.tests[i]; t != nil {
			for _, a := range t.asks {
				if !a.value {
					reads++
					hints[a.hint]++
				}
			}
		}
	}
	switch {
	case reads > readsPerHint*len(hints) && reads > fewReads:
		return loadedOften
	case loads > 1:
		return loadedAgain
	}
	return loadedOnce
}

// mayCopy tells whether the struct can be built in memory.
func (p *plan) mayCopy() bool {
	return p.flavoured() == nil && p.depth+int(p.main.size)+8*len(p.hintsInUse()) <= maxStack
}

// dropMoves drops the instructions that only carry a pointer which no longer
// exists.
func (p *plan) dropMoves() {
	for _, m := range p.moves {
		if m.sites&p.escaped == 0 {
			p.gone[m.insn] = true
		}
	}
	p.copies = p.escaped != 0
}

func (p *plan) readLoads() error {
	for _, l := range p.loads {
		if l.off < 0 || l.off+int64(l.size) > int64(l.decl.size) {
			return refuse(p.f, l.insn, "read members by name", "reads bytes %d to %d of struct %s, which has %d",
				l.off, l.off+int64(l.size)-1, l.decl.typ.Name, l.decl.size)
		}
		if !l.tagged {
			if d := p.otherwise(l); d != nil {
				return refuse(p.f, l.insn, "read the members one by one, through a type with preserve_access_index",
					"reads bytes %d to %d through the hint pointer, which mean one thing in struct %s and another in struct %s",
					l.off, l.off+int64(l.size)-1, l.decl.typ.Name, d.typ.Name)
			}
		}
		p.reads[l.insn] = &read{load: l, demanded: ones(l.size * 8)}
	}
	if d := p.flavoured(); p.copies && d != nil {
		return refuse(p.f, p.calls[0].insn, "hand on single values, or use one struct only",
			"the struct has to be built in memory, and the program knows it as struct %s and as struct %s", p.main.typ.Name, d.typ.Name)
	}
	return nil
}

// otherwise finds a declaration by which the bytes of a load are other members
// than by the one assumed: which of them the program means is not to be known
// without a CO-RE record.
func (p *plan) otherwise(l load) *declaration {
	mine := p.t.parts(l.decl, l.off, l.size, ^uint64(0))
	for _, d := range p.decls {
		if !slices.Equal(mine, p.t.parts(d, l.off, l.size, ^uint64(0))) {
			return d
		}
	}
	return nil
}

// flavoured finds a declaration that has members elsewhere than the main one, of
// which there is none where nothing calls hintjit_rx.
func (p *plan) flavoured() *declaration {
	if p.main == nil {
		return nil
	}
	for _, d := range p.decls {
		for off := int64(0); off < int64(max(d.size, p.main.size)); off += 8 {
			if !slices.Equal(p.t.parts(d, off, 8, ^uint64(0)), p.t.parts(p.main, off, 8, ^uint64(0))) {
				return d
			}
		}
	}
	return nil
}

// demand solves which bits are looked at as the function will be, and narrows the
// loads to those. Constants go that only a folded branch had looked at: then what
// these were made of may be of no use either.
func (p *plan) demand() *flow.Demand {
	for {
		again := false
		visit := func(i int, after *flow.Bits) {
			p.inUse[i] = liveSet(after)
			in := &p.f.Insns[i]
			if r := p.reads[i]; r != nil {
				p.narrow(r, after[in.Dst])
			}
			if in.CORE == nil || after[in.Dst] != 0 || p.gone[i] {
				return
			}
			if _, ok := p.answers[i]; ok {
				p.gone[i], again = true, true
			}
		}
		if p.bits == nil {
			p.roles = make([]role, len(p.f.Insns))
			for b := range p.graph.Blocks {
				p.changed(int32(b))
			}
			p.bits = flow.NewDemand(p.graph, p.effect, func(in *code.Insn) int { return arity(p.u, in) }, visit)
		} else {
			p.bits.Again(p.changed, visit)
		}
		if !again {
			return p.bits
		}
	}
}

// role is what is to become of an instruction, as far as effect has something to say.
type role uint8

const (
	kept     role = iota
	dropped       // it goes
	tested        // a branch that becomes a test of the descriptor
	replaced      // a load for which what it loads is computed
	fetches       // a call of hintjit_rx
)

// changed notes the roles of the instructions of a block, and tells whether some had
// another.
func (p *plan) changed(b int32) (changed bool) {
	for i := p.graph.Blocks[b].Start; i < p.graph.Blocks[b].End; i++ {
		if now := p.role(i); now != p.roles[i] {
			p.roles[i], changed = now, true
		}
	}
	return changed
}

func (p *plan) role(i int) role {
	switch {
	case p.gone[i]:
		return dropped
	case p.tests[i] != nil:
		return tested
	case p.reads[i] != nil:
		return replaced
	case p.isCall(i):
		return fetches
	}
	return kept
}

// narrow drops the parts of a load that nobody looks at.
func (p *plan) narrow(r *read, demanded uint64) {
	r.demanded = demanded
	if r.signed {
		if demanded &= ones(r.size * 8); r.demanded>>(r.size*8-1) != 0 {
			demanded |= 1 << (r.size*8 - 1)
		}
	}
	r.parts = p.t.parts(r.decl, r.off, r.size, demanded)
}

// effect is what the instructions that change will do to the demanded bits.
func (p *plan) effect(i int, d *flow.Bits) bool {
	switch p.role(i) {
	case dropped, tested:
		return true
	case replaced:
		d[p.f.Insns[i].Dst] = 0
		return true
	case fetches:
		for r := asm.R0; r <= asm.R5; r++ {
			d[r] = 0
		}
		d[asm.R1] = ^uint64(0)
		return true
	}
	return false
}

func (p *plan) isCall(i int) bool { return p.callAt[i] }
