// Package prove shows that a rewritten program does what the original one does,
// for all descriptors, packets, lengths and contents of maps at once.
//
// Both programs are executed on symbols: a register is 64 Boolean functions of the
// descriptor's bits, and what the two do alike, but nobody needs to know how
// (bytes of the packet, values of maps, what helpers return, a division), are
// functions of which nothing is known but that the same arguments give the same
// result. In the original, hintjit_rx gives a struct whose bits are the layout's
// formulas over the descriptor; in the rewritten program there is nothing but
// loads. For every path of the original, each path of the rewritten program that
// can be taken under the same conditions has to end with the same return code, and
// with the same effects in the same order on the way.
//
// What it says of itself is one-sided. Proved holds for every input, as far as
// what is modelled here is what the kernel does. What is not proved may still be
// right: then a run on the counterexample decides, or there was not room enough.
//
// It reads layouts and programs on its own and knows nothing of package rewrite.
package prove

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hintjit/hintjit/internal/bdd"
	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/verifier"
	"github.com/hintjit/hintjit/verifier/driver"
)

// Meaning is what the hints of the original program are.
type Meaning struct {
	// Descriptor is what the reach gives of it. Without a Kernel it lies at data_meta,
	// and there are no hints when the metadata is shorter.
	Descriptor *layouts.Descriptor
	// Kernel is where the descriptor is walked to. The records of the rewritten
	// object are to be answered for it (driver.Kernel.Answer).
	Kernel *driver.Kernel
	// Guarded: packets that the driver did not hand over natively have no hints.
	Guarded bool
}

// Limits end an attempt. The zero value of each means the default.
type Limits struct {
	Nodes int // of decision diagrams
	Steps int // instructions executed, of all paths together
	Paths int // ends of the original, and of the rewritten program for each
}

var defaults = Limits{Nodes: 4 << 20, Steps: 1 << 20, Paths: 2000}

// Result is what became of one program.
type Result struct {
	Program string
	Proved  bool
	Paths   int    // ways through both programs that were compared
	Reason  string // why it is not proved: where, and what stood in the way
	// Counterexample is an input with which the two programs differ; nil when it is
	// proved, or when it could not be decided.
	Counterexample *Counterexample
}

func (r Result) String() string {
	switch {
	case r.Proved && r.Paths == 1:
		return r.Program + ": proved for all inputs (1 path)"
	case r.Proved:
		return fmt.Sprintf("%s: proved for all inputs (%d paths)", r.Program, r.Paths)
	}
	return fmt.Sprintf("%s: not proved: %s", r.Program, r.Reason)
}

// Counterexample is an input on which the programs do not do the same.
type Counterexample struct {
	Where string // the instruction of the original or rewritten program
	What  string // what is different there
	// Meta and Packet are what the driver hands over. Bytes that do not matter are 0.
	Meta, Packet []byte
	// Record is what a walk comes to, see layouts.Descriptor.RecordSize.
	Record []byte
	// Certain: the difference depends on nothing but these. Otherwise it is one for
	// some contents of maps or results of helpers, which perhaps no kernel gives.
	Certain bool
}

// Rewrite compares each program of before with the one of the same name in after.
func Rewrite(before, after *verifier.Subject, meaning Meaning, limits Limits) ([]Result, error) {
	var out []Result
	for _, f := range before.Unit.Funcs {
		if f.Linkage != code.Program {
			continue
		}
		r, err := Program(before, after, f.Name, meaning, limits)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// Program compares one program of before with the one of the same name in after.
func Program(before, after *verifier.Subject, name string, meaning Meaning, limits Limits) (Result, error) {
	if before.Unit.Order == nil || before.Unit.Order != after.Unit.Order {
		return Result{}, errors.New("the objects are not for machines of one byte order")
	}
	f, g := find(before.Unit, name), find(after.Unit, name)
	if f == nil || g == nil {
		return Result{}, fmt.Errorf("program %s is not in both objects", name)
	}
	return program(before, after, f, g, meaning, limits), nil
}

func find(u *code.Unit, name string) *code.Func {
	i := slices.IndexFunc(u.Funcs, func(f *code.Func) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return u.Funcs[i]
}

// program compares one program with what became of it.
func program(before, after *verifier.Subject, f, g *code.Func, meaning Meaning, limits Limits) Result {
	e := newEngine(before.Unit, meaning, limits)
	result := Result{Program: f.Name}
	fail := func(err error) Result {
		var differ *difference
		if errors.As(err, &differ) {
			result.Counterexample = e.counterexample(differ)
		}
		result.Reason = err.Error()
		return result
	}
	original, err := newSide(e, before, true)
	if err != nil {
		return fail(err)
	}
	changed, err := newSide(e, after, false)
	if err != nil {
		return fail(err)
	}
	if err := e.start(original.known, changed.known); err != nil {
		return fail(err)
	}
	ends, err := original.run(f, e.initial())
	if err != nil {
		return fail(fmt.Errorf("original: %w", err))
	}
	for _, end := range ends {
		from := e.initial()
		from.when = end.when
		others, err := changed.run(g, from)
		if err != nil {
			return fail(fmt.Errorf("rewritten: %w", err))
		}
		covered := bdd.False
		for _, other := range others {
			covered = e.m.Or(covered, other.when)
			if result.Paths++; result.Paths > e.limits.Paths {
				return fail(fmt.Errorf("more than %d paths", e.limits.Paths))
			}
			if err := e.compare(end, other); err != nil {
				return fail(err)
			}
		}
		if covered != end.when && !e.m.Full() {
			return fail(errors.New("the rewritten program does not end on every path"))
		}
	}
	if e.m.Full() {
		return fail(fmt.Errorf("its formulas have more than %d nodes", e.limits.Nodes))
	}
	result.Proved = true
	return result
}
