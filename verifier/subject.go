package verifier

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/object"
)

// Subject is an object whose programs are to be executed or reasoned about: its
// functions, and the maps that they refer to.
type Subject struct {
	Unit *code.Unit
	// Maps are the object's own, by name; global data has the name of its section.
	Maps map[string]*ebpf.MapSpec
	refs map[*code.Func][]reference // by instruction
}

// reference is what a wide load refers to.
type reference struct {
	name  string // of a map; "": none
	value bool   // its first value, as global data is used
}

// ReadObject reads a BPF object file.
func ReadObject(raw []byte) (*Subject, error) {
	file, err := object.Parse(raw)
	if err != nil {
		return nil, err
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("maps: %w", err)
	}
	s := &Subject{Unit: file.Unit(), Maps: spec.Maps, refs: make(map[*code.Func][]reference)}
	for i, f := range s.Unit.Funcs {
		refs := make([]reference, len(f.Insns))
		for k := range f.Insns {
			d, ok := file.DataAt(i, k)
			switch {
			case !ok:
			case d.Section == ".maps":
				refs[k].name = d.Symbol
			default: // libbpf and cilium/ebpf make an array with one value of the section
				refs[k] = reference{d.Section, true}
				f.Insns[k].Constant = int64(d.Offset)
			}
		}
		s.refs[f] = refs
	}
	return s, nil
}

// NewSubject is about the programs of a CollectionSpec, whose wide loads name their
// maps by themselves.
func NewSubject(u *code.Unit, maps map[string]*ebpf.MapSpec) *Subject {
	s := &Subject{Unit: u, Maps: maps, refs: make(map[*code.Func][]reference)}
	for _, f := range u.Funcs {
		refs := make([]reference, len(f.Insns))
		for i := range f.Insns {
			in := &f.Insns[i]
			if name := in.Reference(); in.OpCode.IsDWordLoad() && maps[name] != nil {
				refs[i] = reference{name, in.Src == asm.PseudoMapValue}
			}
		}
		s.refs[f] = refs
	}
	return s
}

// MapAt tells which map the wide load at instruction i of f refers to, "" when
// it refers to none. With value set, it is the address of that map's first value,
// to which the instruction's constant is added.
func (s *Subject) MapAt(f *code.Func, i int) (name string, value bool) {
	refs := s.refs[f]
	if i >= len(refs) {
		return "", false
	}
	return refs[i].name, refs[i].value
}

// Clone returns a subject with instructions of its own; the maps' descriptions are
// shared.
func (s *Subject) Clone() *Subject {
	unit := *s.Unit
	c := &Subject{Unit: &unit, Maps: s.Maps, refs: make(map[*code.Func][]reference)}
	unit.Funcs = make([]*code.Func, len(s.Unit.Funcs))
	for i, f := range s.Unit.Funcs {
		own := *f
		own.Insns = slices.Clone(f.Insns)
		unit.Funcs[i] = &own
		c.refs[&own] = s.refs[f]
	}
	return c
}
