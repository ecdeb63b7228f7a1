package equivalence

import (
	"errors"
	"math/rand/v2"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/verifier"
)

// search looks for an input on which two programs differ, in one scene.
type search struct {
	*scene
	rng           *rand.Rand
	program       string
	before, after *side
	// own and cover are what was executed of the original and of the rewritten program.
	own, cover *coverage
	declared   map[string]bool // hints that the program has members for
	counted    map[string]bool // those to be counted
	report     *ProgramReport

	queue  []*Input // to be tried next
	corpus []*Input // that came to something new
	missed []lookedUp
	tried  map[branchSite]int // inputs that a branch was given
	hinted int                // runs of the original that called hintjit_rx
}

// branchSite is a branch, or with insn -1 a map of that name.
type branchSite struct {
	name string
	insn int
}

// run tries inputs until the budget is spent or a difference is found, which it
// returns with its input.
func (s *search) run(budget int) (*Difference, *Input) {
	seeds := s.seeds(s.rng, s.before.subject)
	for budget > 0 {
		var in *Input
		switch {
		case len(s.corpus) > 0 && s.rng.IntN(5) == 0:
			in = s.mutated()
		case len(s.queue) > 0 && (len(seeds) == 0 || s.rng.IntN(2) == 0):
			in, s.queue = s.queue[0], s.queue[1:]
		case len(seeds) > 0:
			in, seeds = seeds[0], seeds[1:]
		default:
			in = s.mutated()
		}
		if !s.canHave(in) {
			budget-- // so that it ends
			continue
		}
		budget--
		if d := s.try(in); d != nil {
			return d, in
		}
	}
	return nil, nil
}

// try runs both programs on an input.
func (s *search) try(in *Input) *Difference {
	var halves []comparison
	var seen []lookedUp
	compared := func(c *coverage) func(f *code.Func, insn int, a, b uint64, taken bool) {
		return func(f *code.Func, insn int, a, b uint64, taken bool) {
			c.branch(f, insn, taken)
			const most = 64
			if len(halves) < most && c.half(f, insn, taken) {
				halves = append(halves, comparison{place{f, insn}, a, b})
			}
		}
	}
	s.own.grew, s.cover.grew = false, false
	before := s.before.run(s.program, in, watch{branch: compared(s.own), found: noted(&seen),
		step: func(f *code.Func, insn int, _ *verifier.Registers) { s.own.step(f, insn) }})
	s.report.Runs++
	if !s.comparable(before) {
		return nil
	}
	after := s.after.run(s.program, in, watch{branch: compared(s.cover),
		step: func(f *code.Func, insn int, _ *verifier.Registers) { s.cover.step(f, insn) }})
	if errors.Is(after.err, verifier.ErrUnsupported) {
		s.report.unverified(after.err.Error())
		return nil
	}
	if s.refused() {
		s.report.Refusals++
	}
	s.report.Comparable++
	if before.hinted {
		s.hinted++
	}
	s.count(in)
	grew := s.own.grew || s.cover.grew
	if grew {
		s.corpus = append(s.corpus, in)
	}
	s.miss(seen)
	s.follow(in, halves, seen, grew)
	return s.verdict(before, after)
}

// comparable tells whether the original's run means something: it does not when
// the kernel would not have let the program do what it did.
func (s *search) comparable(o *outcome) bool {
	switch {
	case o.err == nil:
		return true
	case errors.Is(o.err, verifier.ErrUnsupported):
		s.report.unverified(o.err.Error())
	default:
		s.report.Faults++
		s.report.Fault = o.err.Error()
	}
	return false
}

// verdict compares two runs. Where the program must not load it is to be refused,
// or to have done all that can be done without hints.
func (s *search) verdict(before, after *outcome) *Difference {
	if s.refused() && errors.Is(after.err, errRefused) {
		s.report.Refused++
		return nil
	}
	return differ(before, after)
}

func (s *search) count(in *Input) {
	hints := s.hints(in)
	for _, h := range s.descriptor.Hints {
		if !s.counted[h.Name] {
			continue
		}
		n := s.report.Hints[h.Name]
		if _, ok := hints[h.Name]; ok {
			n.Present++
		} else {
			n.Absent++
		}
		s.report.Hints[h.Name] = n
	}
}

// miss remembers keys that were looked up in vain.
func (s *search) miss(seen []lookedUp) {
	const most = 256
	for _, l := range seen {
		if l.value == nil && len(s.missed) < most {
			s.missed = append(s.missed, l)
		}
	}
}

// follow queues inputs that may take the sides of branches not seen yet: those made
// of an input that came to something new at once, for it may be the first to come
// that far; of others a branch gets so many, and then has to hope for chance.
func (s *search) follow(in *Input, halves []comparison, seen []lookedUp, grew bool) {
	const most, long = 400, 400
	var next []*Input
	for _, c := range halves {
		key := branchSite{c.at.f.Name, c.at.insn}
		if !grew && (s.tried[key] >= most || len(s.queue) > long) {
			continue
		}
		made := s.steer(in, c, seen)
		s.tried[key] += len(made)
		next = append(next, made...)
	}
	if grew && s.way == nil {
		next = append(next, cutShort(in, 1), cutShort(in, 2))
	}
	if grew {
		s.queue = append(next, s.queue[:min(len(s.queue), long)]...)
	} else {
		s.queue = append(s.queue, next...)
	}
	for _, l := range seen { // what was not there is put there
		if l.value != nil || s.before.subject.Maps[l.mp] == nil {
			continue
		}
		key := branchSite{l.mp, -1}
		if s.tried[key] >= most/8 {
			continue
		}
		s.tried[key]++
		e := Entry{l.mp, l.key, someValue(s.rng, s.before.subject, int(s.before.subject.Maps[l.mp].ValueSize))}
		if fits(s.before.subject, e) {
			n := in.clone()
			n.set(e)
			s.queue = append(s.queue, n)
		}
	}
}

// mutated is an input like one that came to something new, or a fresh one.
func (s *search) mutated() *Input {
	if len(s.corpus) == 0 || s.rng.IntN(4) == 0 {
		in := s.fresh(s.rng, s.before.subject)
		s.place(in, s.someRecord())
		return in
	}
	in := s.corpus[s.rng.IntN(len(s.corpus))].clone()
	for range 1 + s.rng.IntN(3) {
		switch s.rng.IntN(9) {
		case 0:
			in.Packet = someFrame(s.rng)
		case 1:
			scramble(s.rng, in.Packet)
		case 2:
			if record := s.record(in); record != nil {
				scramble(s.rng, record)
				s.settle(in)
			}
		case 3, 4:
			s.place(in, s.someRecord())
		case 5:
			in.Entries = append(in.Entries, randomEntries(s.rng, s.before.subject)...)
		case 6:
			if len(s.missed) > 0 {
				l := s.missed[s.rng.IntN(len(s.missed))]
				e := Entry{l.mp, l.key, someValue(s.rng, s.before.subject, int(s.before.subject.Maps[l.mp].ValueSize))}
				if fits(s.before.subject, e) {
					in.set(e)
				}
			}
		case 7:
			if s.way == nil {
				in = s.oddMeta(s.rng, in)
			}
		case 8:
			in.Seed, in.Queue, in.Ifindex = s.rng.Uint64(), s.rng.Uint32N(8), 1+s.rng.Uint32N(8)
		}
	}
	return in
}

// someRecord is one that a hint is in, or chance's.
func (s *search) someRecord() []byte {
	record := randomRecord(s.rng, s.descriptor)
	if len(s.descriptor.Hints) > 0 && s.rng.IntN(6) > 0 {
		for range 1 + s.rng.IntN(3) {
			h := s.descriptor.Hints[s.rng.IntN(len(s.descriptor.Hints))]
			met(s.rng, s.descriptor, record, &h.Alternatives[s.rng.IntN(len(h.Alternatives))], -1)
		}
	}
	return record
}

// scramble changes a few bytes or bits.
func scramble(rng *rand.Rand, b []byte) {
	for range 1 + rng.IntN(4) {
		if len(b) == 0 {
			return
		}
		switch i := rng.IntN(len(b)); rng.IntN(3) {
		case 0:
			b[i] = byte(rng.Uint32())
		case 1:
			b[i] ^= 1 << rng.IntN(8)
		case 2:
			b[i] = []byte{0, 0xff, 1, 0x80, 0x7f}[rng.IntN(5)]
		}
	}
}
