package equivalence

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/verifier"
	"github.com/hintjit/hintjit/verifier/prove"
)

// Options say how hard to look.
type Options struct {
	Runs     int    // of each program and walk; 0: DefaultRuns
	Seed     uint64 // of all chance
	Programs []string
	// Hints are those whose presence is counted; nil: all that a program has members
	// for.
	Hints []string
	// Prove says to try to prove after the runs, within Limits, that no input at all
	// makes a difference.
	Prove  bool
	Limits prove.Limits
}

// DefaultRuns are enough for what examples and tests have; docs/command.md has the
// time that they take.
const DefaultRuns = 3000

// Check runs the XDP programs of an object as it was and as it was rewritten. In
// after, an instruction's Origin may say which one of before it is, -1 for an
// inserted one; where none is said to be inserted, the two are aligned.
func Check(before, after *verifier.Subject, t *Target, opts Options) *Report {
	if opts.Runs == 0 {
		opts.Runs = DefaultRuns
	}
	scenes := t.scenes(before.Unit.Order)
	after = aligned(before, after)
	report := &Report{Seed: opts.Seed}
	for _, f := range before.Unit.Funcs {
		if !selected(f, opts.Programs) {
			continue
		}
		report.Programs = append(report.Programs, checkProgram(before, after, f, scenes, opts))
	}
	return report
}

// selected tells whether a function is a program to be run, by its name or section
// where some are named.
func selected(f *code.Func, names []string) bool {
	section := strings.TrimPrefix(f.Section, "?")
	base, _, _ := strings.Cut(section, "/")
	if f.Linkage != code.Program || base != "xdp" && base != "xdp.frags" {
		return false
	}
	return len(names) == 0 || slices.Contains(names, f.Name) || slices.Contains(names, section) || slices.Contains(names, f.Section)
}

// Runs to see a program refused: a few where it goes there whatever it does, and at
// most so many where few of its ways do.
const (
	refusedRuns     = 20
	refusedRunsMost = 1000
)

func checkProgram(before, after *verifier.Subject, f *code.Func, scenes []*scene, opts Options) *ProgramReport {
	p := &ProgramReport{Name: f.Name, Section: f.Section, Hints: map[string]Presence{}}
	g := find(after.Unit, f.Name)
	if g == nil {
		p.unverified("the rewritten object has no such program")
		return p
	}
	for _, why := range unmodelled(after, g) { // of the original, what the NIC decides is dead
		p.unverified(why)
	}
	own, cover := newCoverage(), newCoverage()
	for i, sc := range scenes {
		s, err := newSearch(before, after, f.Name, sc, rand.New(rand.NewPCG(opts.Seed, uint64(i))))
		if err != nil {
			p.unverified(err.Error())
			return p
		}
		s.report, s.own, s.cover, s.counted = p, own, cover, s.declared
		if opts.Hints != nil {
			s.counted = map[string]bool{}
			for _, name := range opts.Hints {
				s.counted[name] = true
			}
		}
		runs := opts.Runs
		if s.refused() {
			runs = min(runs, refusedRuns)
		} else if s.way != nil {
			p.Ways = append(p.Ways, s.name())
		}
		refused, hinted := p.Refused, s.hinted
		d, in := s.run(runs)
		if d == nil && s.refused() && p.Refused == refused {
			d, in = s.run(max(opts.Runs, refusedRunsMost)) // the descriptor may be fetched on few ways only
		}
		if d == nil && opts.Prove && !s.refused() {
			d, in = s.prove(before, opts.Limits)
		}
		if d != nil {
			p.Counterexample = s.explain(d, in)
			return p
		}
		if s.refused() && p.Refused == refused && s.hinted > hinted && canRefuse(after.Unit, g) {
			p.unverified(fmt.Sprintf("it is not refused on a kernel for which there is no sound way (%s)", s.name()))
		}
	}
	if p.Comparable == 0 {
		p.unverified(strings.TrimSuffix(fmt.Sprintf("no run could be compared: %s", p.Fault), ": "))
	}
	p.tally(after.Unit, g, cover)
	return p
}

// canRefuse tells whether a program asks a loader anywhere to refuse it; one that
// reads no descriptor has no reason to.
func canRefuse(u *code.Unit, f *code.Func) bool {
	for _, f := range reachable(u, f) {
		for i := range f.Insns {
			if r := f.Insns[i].Ref; r.Kind == code.RefExtern && int(r.Index) < len(u.Externs) && refusal(u.Externs[r.Index].Name) {
				return true
			}
		}
	}
	return false
}

func find(u *code.Unit, name string) *code.Func {
	for _, f := range u.Funcs {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// newSearch prepares both programs for a scene.
func newSearch(before, after *verifier.Subject, program string, sc *scene, rng *rand.Rand) (*search, error) {
	b, a := before.Clone(), after.Clone()
	m, err := newMeaning(b.Unit, sc.descriptor)
	if err == nil {
		err = m.check(b.Unit)
	}
	if err == nil && sc.way != nil {
		err = sc.way.Answer(a.Unit)
	}
	if err != nil {
		return nil, err
	}
	return &search{scene: sc, rng: rng, program: program, declared: m.declares(), tried: map[branchSite]int{},
		before: &side{scene: sc, subject: b, meaning: m, steps: maxSteps},
		after:  &side{scene: sc, subject: a, steps: extraSteps}}, nil
}

// unmodelled lists what a program uses that can not be executed here, wherever it
// stands: what is never run is never shown to be the same.
func unmodelled(s *verifier.Subject, f *code.Func) (out []string) {
	note := func(why string) {
		if !slices.Contains(out, why) {
			out = append(out, why)
		}
	}
	for _, f := range reachable(s.Unit, f) {
		for i := range f.Insns {
			in := &f.Insns[i]
			switch r := in.Ref; {
			case r.Kind == code.RefExtern && int(r.Index) < len(s.Unit.Externs):
				if name := s.Unit.Externs[r.Index].Name; !slices.Contains(functions, name) && !refusal(name) && !verifier.ModelsKernel(name) {
					note("uses the kernel's " + name + ", which is not modelled")
				}
			case in.IsCall() && r.Kind == code.RefNone && in.IsBuiltinCall():
				if fn := asm.BuiltinFunc(in.Constant); fn != asm.FnTailCall && !verifier.Models(fn) {
					note(fmt.Sprintf("calls helper %s, which is not modelled", helperName(fn)))
				}
			}
			name, value := s.MapAt(f, i)
			if m := s.Maps[name]; m != nil && !value && !modelled(m) {
				note(fmt.Sprintf("uses map %s, and maps of type %v are not modelled", name, m.Type))
			}
		}
	}
	return out
}

// functions are those of the kernel's that a machine is given.
var functions = []string{"bpf_cast_to_kern_ctx", "bpf_rdonly_cast"}

// tally counts what was executed of the rewritten program, and names what was not
// of what was inserted.
func (p *ProgramReport) tally(u *code.Unit, g *code.Func, c *coverage) {
	for _, f := range reachable(u, g) {
		fc := c.of(f)
		slots := f.Slots()
		for i := range f.Insns {
			in := &f.Insns[i]
			n := &p.Own
			if in.Origin < 0 {
				n = &p.Inserted
			}
			n.OfInsns++
			what := ""
			if fc.insns[i] {
				n.Insns++
			} else {
				what = "never run"
			}
			if conditional(in) {
				n.OfSides += 2
				for side, name := range []string{"always taken", "never taken"} {
					if fc.taken[i][side] {
						n.Sides++
					} else if what == "" {
						what = name
					}
				}
			}
			if what != "" && in.Origin < 0 {
				p.Uncovered = append(p.Uncovered, gap(u, f, i, slots, what))
			}
		}
	}
}
