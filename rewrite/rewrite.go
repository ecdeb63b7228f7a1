// Package rewrite turns the symbolic hint loads of a BPF program into reads of
// one NIC's receive descriptor.
package rewrite

import (
	"errors"

	"github.com/cilium/ebpf"

	"github.com/hintjit/hintjit/layouts"
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
	Descriptor string          // one of the layout's descriptors; "": its first
	Reach      Reach           // "": Auto
	Programs   []string        // names of programs, or of sections; nil: all
	Strict     bool            // warnings are errors
}

// Report tells what a rewrite did.
type Report struct {
	NIC        string
	Descriptor string
	Reach      Reach
	Programs   []ProgramReport
	Warnings   []string
}

// ProgramReport tells what was done to one function.
type ProgramReport struct {
	Name, Section string
	Before, After int      // instructions
	Hints         []string // members that are read and that this NIC gives
	Absent        []Absent // members that are read and that it never gives

	change change // for Diff
}

// Absent is a hint that is never there, and why.
type Absent struct{ Hint, Why string }

// Object rewrites an ELF object and returns the new one. in is not changed. An
// object without hints comes back as it is.
func Object(in []byte, opts Options) (out []byte, report *Report, err error) {
	return nil, nil, errors.New("not written yet")
}

// Collection rewrites the programs of spec. Nothing in spec changes when it
// fails.
func Collection(spec *ebpf.CollectionSpec, opts Options) (*Report, error) {
	return nil, errors.New("not written yet")
}
