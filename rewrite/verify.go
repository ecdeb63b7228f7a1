package rewrite

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/verifier"
	"github.com/hintjit/hintjit/verifier/driver"
	"github.com/hintjit/hintjit/verifier/equivalence"
)

// Verify runs the programs of an object and of what it was rewritten to side by
// side (package equivalence) and reports what came of it. out is the rewritten
// object; nil: what Object makes of in. That the programs differ is no error.
func Verify(in, out []byte, opts Options, how equivalence.Options) (*equivalence.Report, error) {
	opts.Verify = nil
	made, report, after, err := rewriteObject(in, opts)
	if err != nil {
		return nil, err
	}
	if out == nil {
		out = made
	} else {
		after = nil // it may be another's
	}
	return verifyObject(in, out, after, report, opts, how)
}

// NotEquivalentError says that a rewritten program does not do what the original
// does, or that it could not be found out.
type NotEquivalentError struct{ Report *equivalence.Report }

func (e *NotEquivalentError) Error() string {
	var says []string
	for _, p := range e.Report.Programs {
		switch {
		case p.Counterexample != nil:
			says = append(says, fmt.Sprintf("program %s: the rewritten program does something else, which is a fault of hintjit: %v",
				p.Name, p.Counterexample.Difference))
		case len(p.NotVerified) > 0:
			says = append(says, fmt.Sprintf("program %s: not verified: %s", p.Name, strings.Join(p.NotVerified, "; ")))
		}
	}
	return strings.Join(says, "\n")
}

// verifyObject compares two objects. after is the unit that out was made of, nil
// if it is not known.
func verifyObject(in, out []byte, after *code.Unit, report *Report, opts Options, how equivalence.Options) (*equivalence.Report, error) {
	was, err := verifier.ReadObject(in)
	if err != nil {
		return nil, usagef("the original: %v", err)
	}
	is, err := verifier.ReadObject(out)
	if err != nil {
		return nil, usagef("the rewritten object: %v", err)
	}
	takeOrigins(is.Unit, after)
	return verify(was, is, report, opts, how)
}

// verifySpec compares the programs of a collection; a difference is an error.
func verifySpec(spec *ebpf.CollectionSpec, before, after *code.Unit, report *Report, opts Options) (err error) {
	if report.Reach == Walk && opts.Kernel == nil {
		if opts.Kernel, err = RunningKernel(); err != nil {
			return err
		}
	}
	report.Verified, err = verify(verifier.NewSubject(before, spec.Maps), verifier.NewSubject(clone(after), spec.Maps), report, opts, *opts.Verify)
	if err == nil && !report.Verified.Equivalent() {
		err = &NotEquivalentError{report.Verified}
	}
	return err
}

func verify(before, after *verifier.Subject, report *Report, opts Options, how equivalence.Options) (*equivalence.Report, error) {
	t, err := targetOf(report, opts, how.Seed)
	if err != nil {
		return nil, err
	}
	how.Programs, how.Hints = opts.Programs, []string{}
	for _, p := range report.Programs {
		how.Hints = append(how.Hints, p.Hints...)
	}
	return equivalence.Check(before, after, t, how), nil
}

// takeOrigins tells which instructions of an object were inserted, as the passes
// know it.
func takeOrigins(read, made *code.Unit) {
	if made == nil {
		return
	}
	for _, f := range read.Funcs {
		for _, g := range made.Funcs {
			if g.Name != f.Name || len(g.Insns) != len(f.Insns) {
				continue
			}
			for i := range f.Insns {
				f.Insns[i].Origin = g.Insns[i].Origin
			}
		}
	}
}

// targetOf says what a rewrite was for. The kernels to walk on are read from the
// same BTF, or made by chance for each of the layout's walks: package driver finds
// its way by itself.
func targetOf(report *Report, opts Options, seed uint64) (*equivalence.Target, error) {
	l, err := layoutOf(opts)
	if err != nil {
		return nil, err
	}
	d, err := l.Descriptor(report.Descriptor)
	if err != nil {
		return nil, err
	}
	t := &equivalence.Target{Descriptor: d, Gives: report.Gives, Unguarded: !opts.Guard.asks(), Strict: opts.Guard == GuardStrict}
	switch {
	case report.Reach != Walk:
	case opts.Kernel != nil:
		k, err := driver.FromTypes(opts.Kernel, l, d)
		if err != nil {
			return nil, err
		}
		t.Ways = append(t.Ways, k)
	default:
		rng := rand.New(rand.NewPCG(seed, 1))
		for _, w := range l.WalksTo(d) {
			t.Ways = append(t.Ways, driver.Random(rng, d, w))
		}
		t.Ways = append(t.Ways, driver.Unknown(rng, l, d)...)
	}
	return t, nil
}
