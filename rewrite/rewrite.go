// Package rewrite turns the symbolic hint loads of a BPF program into reads of
// one NIC's receive descriptor.
package rewrite

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/object"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/verifier"
	"github.com/hintjit/hintjit/verifier/equivalence"
)

// Reach is the way a program gets at the descriptor.
type Reach string

const (
	Auto  Reach = "auto"  // the best the NIC and the kernel allow
	Walk  Reach = "walk"  // through the driver's own structures, by bpf_rdonly_cast
	Meta  Reach = "meta"  // the raw descriptor lies at data_meta
	Kfunc Reach = "kfunc" // the kernel's metadata kfuncs
)

// Options says what to rewrite for. NIC or Layout is needed, all else has a
// default.
type Options struct {
	NIC        string          // driver name or alias: "i40e", "mlx5"
	Layout     *layouts.Layout // used instead of the NIC's own when set
	Descriptor string          // one of the layout's descriptors; "": its first, unless the device decides
	Reach      Reach           // "": Auto
	Programs   []string        // names of programs, or of sections; nil: all
	// Kernel is the one that the program is going to run on, for the walk. Object
	// without it makes an object that finds its way on every kernel the layout
	// covers, when it is loaded; Collection wants it.
	Kernel *Kernel
	Guard  Guard // of the walk, "": GuardOn
	// Verify runs every program as it was and as it was rewritten side by side, and
	// makes it an error (NotEquivalentError) when they differ or can not be run; nil:
	// leave it. Package equivalence says what is compared.
	Verify *equivalence.Options

	atOnce bool // no loader answers CO-RE records afterwards: the kernel has to be known
	Strict bool // warnings are errors
}

// Report tells what a rewrite did.
type Report struct {
	NIC        string
	Descriptor string
	Reach      Reach
	Walks      []string // names of the layout's walks that the programs take; several: the loader chooses
	Gives      []string // hints that the descriptor holds, whether a program reads them or not
	Never      []Absent // standard hints that it never holds
	Programs   []ProgramReport
	Warnings   []string
	Verified   *equivalence.Report // what Options.Verify found

	unit  *code.Unit       // all that was read, as it is now
	order map[string][]int // program -> its functions, as a collection has them; nil: the loader puts them together
	// untold: the object was rewritten before, and what was inserted is not known.
	untold bool
}

// ProgramReport tells what was done to one function.
type ProgramReport struct {
	Name, Section string
	Before, After int      // instructions
	Stack         int      // bytes of it that keeping hints takes
	Hints         []string // members that are read and that this NIC gives
	Absent        []Absent // members that are read and that it never gives

	change change // for Diff
}

// Untouched reports on an object that is not rewritten here, or was before: what
// Explain needs to know of it.
func Untouched(in []byte) (*Report, error) {
	file, err := object.Parse(in)
	if err != nil {
		return nil, &UsageError{err.Error()}
	}
	u := file.Unit()
	r := &Report{unit: u}
	if u.Types == nil || slices.ContainsFunc(u.Funcs, func(f *code.Func) bool { return hintCall(u, f) >= 0 }) {
		return r, nil
	}
	for t, err := range u.Types.All() {
		if s, ok := t.(*btf.Struct); err == nil && ok && isHintStruct(s.Name) {
			r.untold = true // it knows hints, and asks for none any more
		}
	}
	return r, nil
}

// Absent is a hint that is never there, and why.
type Absent struct{ Hint, Why string }

// Object rewrites an ELF object and returns the new one. in is not changed. An
// object without hints comes back as it is.
func Object(in []byte, opts Options) (out []byte, report *Report, err error) {
	out, report, u, err := rewriteObject(in, opts)
	if err != nil || opts.Verify == nil {
		return out, report, err
	}
	if report.Verified, err = verifyObject(in, out, u, report, opts, *opts.Verify); err != nil {
		return nil, nil, err
	}
	if !report.Verified.Equivalent() {
		return nil, nil, &NotEquivalentError{report.Verified}
	}
	return out, report, nil
}

// rewriteObject also returns the unit that the object was made of.
func rewriteObject(in []byte, opts Options) (out []byte, report *Report, u *code.Unit, err error) {
	file, err := object.Parse(in)
	if err != nil {
		return nil, nil, nil, &UsageError{err.Error()}
	}
	u = file.Shared() // see job.own
	report, changed, err := run(u, opts)
	if err != nil {
		return nil, nil, nil, err
	}
	if !changed {
		return in, report, u, nil
	}
	if out, err = file.Encode(u); err != nil {
		return nil, nil, nil, encodeError(err)
	}
	if err := verifier.CheckObject(in, out, removed(opts)); err != nil {
		return nil, nil, nil, fmt.Errorf("the rewritten object breaks a rule, which is a fault of hintjit: %w", err)
	}
	return out, report, u, nil
}

// encodeError tells what to do about a branch that became too long.
func encodeError(err error) error {
	var far *code.FarError
	if !errors.As(err, &far) {
		return err
	}
	e := &UnsupportedError{Program: far.Func, Insn: far.Insn,
		Msg:  fmt.Sprintf("the inserted code makes a branch %d slots long, and 16 bits of distance are all there is", far.Distance),
		Help: "compile with -mcpu=v4, which has gotol"}
	if far.Line != nil {
		e.File, e.Line = far.Line.File, far.Line.Number
	}
	return e
}
