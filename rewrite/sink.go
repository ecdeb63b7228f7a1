package rewrite

import (
	"math"
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
)

// A program asks for its hints at its top and looks at them where it needs them,
// often on one way of many. sink moves the fetch, test and all, from the calls of
// hintjit_rx down to where words come to be looked at whichever way the function
// goes on: nothing is read on a way that looks at nothing. A way has one fetch for
// each call at the most, and none comes into a loop, since a fetch is put off past
// a place only where it is on all ways to it.

// lasting says how long what a reach reads stays what it was at a call.
type lasting int

const (
	forAMoment lasting = iota // later nobody knows
	untouched                 // until the program may change its metadata area, see found.touches
	forever                   // as long as the function runs
)

// sinker finds where the fetches of one function can go.
type sinker struct {
	p       *plan
	touched []bool // instructions that may change what is read
	plain   []bool // by block: it neither fetches words nor looks at any, nor ends what was fetched
	held    []bool // by block: no fetch is put off past its last instruction
	pending []bool // by block, at its start: a call was passed, and words are to be fetched still
	live    []bool // by instruction, before it: some way looks at a word before the next call
	sure    []bool // by instruction, before it: every way does
}

// contextWord stands for the context among the words that are kept, behind all of
// the descriptor's.
const contextWord = math.MaxInt

// sink returns the instructions before which words are to be fetched, nil when all
// are best fetched at the calls.
func (p *plan) sink() []bool {
	until := p.t.reach.lasts(p)
	if p.entry || until == forAMoment || len(p.words) == maxWords {
		return nil // no bit is left for the context
	}
	s := &sinker{p: p, touched: make([]bool, len(p.f.Insns)), held: make([]bool, len(p.graph.Blocks)),
		live: make([]bool, len(p.f.Insns)+1), sure: make([]bool, len(p.f.Insns)+1)}
	if until == untouched {
		for _, i := range p.touches {
			s.touched[i] = true
		}
	}
	s.findPlain()
	s.look()
	for s.putOff() {
	}
	var at []bool
	for _, b := range p.graph.Order {
		s.block(b, func(i int) {
			if at == nil {
				at = make([]bool, len(p.f.Insns))
			}
			at[i] = true
		})
	}
	return at
}

// findPlain finds the blocks that are passed with what came to them: most are.
func (s *sinker) findPlain() {
	g := s.p.graph
	s.plain = make([]bool, len(g.Blocks))
	for b := range g.Blocks {
		s.plain[b] = true
		for i := g.Blocks[b].Start; i < g.Blocks[b].End && s.plain[b]; i++ {
			s.plain[b] = !s.p.isCall(i) && s.p.uses[i] == 0 && !s.touched[i] && !tailCall(&s.p.f.Insns[i])
		}
	}
}

func tailCall(in *code.Insn) bool {
	return in.IsBuiltinCall() && asm.BuiltinFunc(in.Constant) == asm.FnTailCall
}

// look fills live, and then sure, from the end of the function up.
func (s *sinker) look() {
	s.upward(s.live, func(i int, after bool) bool {
		return !s.p.isCall(i) && (after || s.p.uses[i] != 0)
	}, func(a, b bool) bool { return a || b })
	for i := range s.sure {
		s.sure[i] = true // until a way is seen that does not
	}
	s.upward(s.sure, s.surely, func(a, b bool) bool { return a && b })
}

// surely tells whether words are looked at on every way from before instruction i.
// What may change the memory that is read wants them before it, as a look at them
// does; a tail call may be the end.
func (s *sinker) surely(i int, after bool) bool {
	in := &s.p.f.Insns[i]
	switch {
	case s.p.isCall(i): // which fetches anew
		return false
	case s.p.uses[i] != 0, s.touched[i] && s.live[i]:
		return true
	case tailCall(in):
		return false
	}
	return after
}

// upward solves a question that goes up the function; at an exit the answer is no.
func (s *sinker) upward(answer []bool, before func(i int, after bool) bool, join func(a, b bool) bool) {
	g := s.p.graph
	for again := true; again; {
		again = false
		for _, b := range slices.Backward(g.Order) {
			blk := &g.Blocks[b]
			now := false
			for k, n := range blk.Succ {
				if to := answer[g.Blocks[n].Start]; k == 0 {
					now = to
				} else {
					now = join(now, to)
				}
			}
			was := answer[blk.Start]
			for i := blk.End - 1; i >= blk.Start; i-- {
				if !s.plain[b] {
					now = before(i, now)
				}
				answer[i] = now
			}
			again = again || was != now
		}
	}
}

// putOff finds where fetches are pending, and tells whether some block was found
// past whose end none can be put off: one that leads to where another way comes
// with the words, or without a call.
func (s *sinker) putOff() (again bool) {
	g := s.p.graph
	s.pending = make([]bool, len(g.Blocks))
	for b := range s.pending {
		s.pending[b] = b > 0
	}
	out := slices.Repeat([]bool{true}, len(g.Blocks))
	for changed := true; changed; {
		changed = false
		for _, b := range g.Order {
			for _, p := range g.Blocks[b].Pred {
				s.pending[b] = s.pending[b] && out[p]
			}
			if now := s.block(b, nil); now != out[b] {
				out[b], changed = now, true
			}
		}
	}
	for _, b := range g.Order {
		if s.pending[b] || !s.live[g.Blocks[b].Start] {
			continue
		}
		for _, p := range g.Blocks[b].Pred {
			if out[p] {
				s.held[p], again = true, true
			}
		}
	}
	return again
}

// block follows the instructions of a block, tells at which a fetch stands before
// it, and whether one is pending at the end.
func (s *sinker) block(b int32, fetch func(i int)) bool {
	blk := &s.p.graph.Blocks[b]
	pending := s.pending[b]
	for i := blk.Start; i < blk.End; i++ {
		last := i == blk.End-1
		if pending && s.live[i] && (s.sure[i] || last && s.held[b]) {
			if pending = false; fetch != nil {
				fetch(i)
			}
		}
		if s.p.isCall(i) {
			pending = s.p.uses[i] == 0 && s.live[i+1] && !s.sure[i+1] && (!last || !s.held[b])
		}
	}
	return pending
}
