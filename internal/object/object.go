// Package object reads and writes BPF object files (ELF, as clang makes them
// and libbpf loads them). Everything that says where an instruction stands is
// taken off the file on reading, hung on the instruction, and put back on
// writing: branch distances, calls, relocations, source lines, CO-RE records,
// symbols.
//
// The ELF and BTF halves of the format: Documentation/bpf/btf.rst and
// llvm_reloc.rst (Linux 6.12). What loaders make of it: libbpf 1.1
// (src/libbpf.c) and cilium/ebpf 0.22 (elf_reader.go).
package object

import (
	"bytes"
	"cmp"
	"debug/elf"
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/code"
)

// File is a parsed object. It keeps the bytes it was parsed from, which must
// not be changed.
type File struct {
	raw       []byte
	elf       *container
	sections  []*codeSection // executable ones, in the file's order
	byIndex   map[elf.SectionIndex]*codeSection
	byName    map[string]*codeSection // the first of a name
	functions []*function             // functions[i] describes unit.Funcs[i]
	externs   []int                   // symbol of unit.Externs[i]
	unit      code.Unit               // as read, never handed out
	btf       int                     // section index of .BTF, 0: none
	ext       *extInfo                // nil: no .BTF.ext
}

// codeSection is an executable section and the functions in it.
type codeSection struct {
	index     int // section
	functions []int
	// insns names, for each slot, the instruction that starts there by its index
	// in its function: -1 for the second half of a wide load and for bytes that
	// are in no function.
	insns []int32
	last  int // where functionAt found one last: who asks goes from one to the next
}

// function is where a function stands in the file.
type function struct {
	section    *codeSection
	symbol     int
	start, end uint64          // bytes from the section's start
	relocs     map[int32]reloc // by instruction
	info       []byte          // its func_info record without the offset, nil: none
}

// Parse reads an object. What it can not make sense of is an error that names
// the part of the file.
func Parse(raw []byte) (*File, error) {
	c, err := readELF(raw)
	if err != nil {
		return nil, err
	}
	f := &File{raw: raw, elf: c}
	f.unit.Order = c.order
	f.unit.License = c.license()
	for _, step := range []func() error{
		f.readFunctions, f.readTypes, f.readRelocs, f.readCalls, f.readExt,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// license is the string in the section that loaders take it from.
func (c *container) license() string {
	for i := range c.sections {
		if c.sections[i].name == "license" {
			text, _, _ := bytes.Cut(c.sections[i].data, []byte{0})
			return string(text)
		}
	}
	return ""
}

// Unit returns the object's functions for rewriting. The functions and their
// instructions are the caller's own. The records that hang on them (Line, CORE)
// and Types are shared with f: put another in the place of one, do not change
// it.
func (f *File) Unit() *code.Unit {
	u := f.Shared()
	for _, fn := range u.Funcs {
		fn.Insns = slices.Clone(fn.Insns)
	}
	return u
}

// Shared is Unit with instructions that are shared with f too, for who gives a
// function others before changing any.
func (f *File) Shared() *code.Unit {
	u := f.unit
	u.Externs = slices.Clone(u.Externs)
	u.Funcs = make([]*code.Func, len(f.unit.Funcs))
	for i, fn := range f.unit.Funcs {
		own := *fn
		u.Funcs[i] = &own
	}
	u.V4 = u.HasV4()
	return &u
}

// readFunctions finds the functions by their symbols and decodes them.
func (f *File) readFunctions() error {
	f.byIndex, f.byName = make(map[elf.SectionIndex]*codeSection), make(map[string]*codeSection)
	for i := range f.elf.sections {
		s := &f.elf.sections[i]
		if !s.isCode() {
			continue
		}
		cs := &codeSection{index: i}
		f.sections = append(f.sections, cs)
		f.byIndex[elf.SectionIndex(i)] = cs
		if f.byName[s.name] == nil {
			f.byName[s.name] = cs
		}
	}
	found := make(map[*codeSection][]*function)
	for i := range f.elf.symbols {
		sym := &f.elf.symbols[i]
		cs := f.byIndex[sym.section]
		if cs == nil || sym.kind() != elf.STT_FUNC {
			continue
		}
		size := f.elf.sections[cs.index].Size
		switch {
		case sym.size == 0:
			return fmt.Errorf("function %s: no instructions; does it end in unreachable code?", sym.name)
		case sym.value > size || sym.size > size-sym.value:
			return fmt.Errorf("function %s: bytes %d to %d of section %s, which has %d", sym.name, sym.value, sym.value+sym.size, f.elf.sections[cs.index].name, size)
		case sym.value%slotSize != 0:
			return fmt.Errorf("function %s: at offset %d, want a multiple of %d", sym.name, sym.value, slotSize)
		}
		found[cs] = append(found[cs], &function{
			section: cs, symbol: i, start: sym.value, end: sym.value + sym.size,
			relocs: make(map[int32]reloc),
		})
	}
	for _, cs := range f.sections {
		if err := f.decodeSection(cs, found[cs]); err != nil {
			return fmt.Errorf("section %s: %w", f.elf.sections[cs.index].name, err)
		}
	}
	return nil
}

func (f *File) decodeSection(cs *codeSection, fns []*function) error {
	slices.SortStableFunc(fns, func(a, b *function) int { return cmp.Compare(a.start, b.start) })
	s := &f.elf.sections[cs.index]
	cs.insns = make([]int32, s.Size/slotSize)
	for i := range cs.insns {
		cs.insns[i] = -1
	}
	for i, fn := range fns {
		sym := &f.elf.symbols[fn.symbol]
		if i > 0 && fns[i-1].end > fn.start {
			return fmt.Errorf("functions %s and %s overlap", f.elf.symbols[fns[i-1].symbol].name, sym.name)
		}
		insns, err := decode(s.data[fn.start:fn.end], f.elf.order)
		if err != nil {
			return fmt.Errorf("function %s: %w", sym.name, err)
		}
		slot := fn.start / slotSize
		for i := range insns {
			cs.insns[slot] = int32(i)
			slot += uint64(insns[i].Slots())
		}
		if err := setTargets(insns, cs.insns[fn.start/slotSize:fn.end/slotSize]); err != nil {
			return fmt.Errorf("function %s: %w", sym.name, err)
		}
		cs.functions = append(cs.functions, len(f.functions))
		f.functions = append(f.functions, fn)
		f.unit.Funcs = append(f.unit.Funcs, &code.Func{
			Name: sym.name, Section: s.name, Linkage: linkage(s.name, sym), Insns: insns,
		})
	}
	return nil
}

// linkage follows libbpf 1.1 (bpf_object__add_programs): what is not in .text is
// an entry point; a hidden function is verified with its callers, as a static
// one is.
func linkage(section string, sym *symbol) code.Linkage {
	switch vis := elf.ST_VISIBILITY(sym.other); {
	case sym.bind() == elf.STB_LOCAL:
		return code.Static
	case section != ".text":
		return code.Program
	case vis == elf.STV_HIDDEN || vis == elf.STV_INTERNAL:
		return code.Static
	}
	return code.Global
}

// setTargets turns the distances of branches into indexes. starts is the
// function's part of codeSection.insns.
func setTargets(insns []code.Insn, starts []int32) error {
	slot := 0
	for i := range insns {
		in := &insns[i]
		slot += in.Slots()
		if !in.IsBranch() {
			continue
		}
		distance := int64(in.Offset)
		if in.IsLongGoto() {
			distance = in.Constant
		}
		to := int64(slot) + distance
		if to < 0 || to >= int64(len(starts)) {
			return fmt.Errorf("instruction %d: branch out of the function, to slot %d of %d", i, to, len(starts))
		}
		if starts[to] < 0 {
			return fmt.Errorf("instruction %d: branch into the middle of a wide load, slot %d", i, to)
		}
		in.Target = starts[to]
	}
	return nil
}

// readTypes loads .BTF. Without it Unit.Types is nil, and an extern is an error
// where it is used.
func (f *File) readTypes() error {
	for i := range f.elf.sections {
		if f.elf.sections[i].name != ".BTF" || f.elf.sections[i].data == nil {
			continue
		}
		if f.btf != 0 {
			return errors.New("section .BTF: there are two")
		}
		f.btf = i
	}
	if f.btf == 0 {
		return nil
	}
	spec, err := btf.LoadSpecFromReader(bytes.NewReader(f.elf.sections[f.btf].data))
	if err != nil {
		return fmt.Errorf("section .BTF: %w", err)
	}
	f.unit.Types = spec
	return nil
}

// readRelocs gives each relocation of code to its instruction.
func (f *File) readRelocs() error {
	for i := range f.elf.sections {
		s := &f.elf.sections[i]
		cs := f.byIndex[elf.SectionIndex(s.Info)]
		if s.kind() != elf.SHT_REL || cs == nil {
			continue
		}
		for n, r := range s.relocs {
			if err := f.giveReloc(cs, r); err != nil {
				return fmt.Errorf("section %s: relocation %d: %w", s.name, n, err)
			}
		}
	}
	return nil
}

func (f *File) giveReloc(cs *codeSection, r reloc) error {
	if len(cs.functions) == 0 {
		return errors.New("in a section without functions: no symbol of type FUNC, as clang 8 and later make them")
	}
	if f.overridden(cs, r.offset) {
		return nil
	}
	fn, insn := f.at(cs, r.offset)
	if insn < 0 {
		return fmt.Errorf("offset %d is not the start of an instruction of a function", r.offset)
	}
	in := &f.unit.Funcs[fn].Insns[insn]
	switch {
	case r.kind == relWide && in.OpCode.IsDWordLoad():
	case r.kind == relCall && in.IsCall():
	default:
		return fmt.Errorf("type %d on instruction %d of function %s (%v), want 1 on a wide load or 10 on a call", r.kind, insn, f.unit.Funcs[fn].Name, in.OpCode)
	}
	relocs := f.functions[fn].relocs
	if _, twice := relocs[insn]; twice {
		return fmt.Errorf("second one for instruction %d of function %s", insn, f.unit.Funcs[fn].Name)
	}
	relocs[insn] = r
	return nil
}

// at returns the function and the instruction at an offset of a section; insn is
// -1 when no instruction starts there.
func (f *File) at(cs *codeSection, offset uint64) (fn int, insn int32) {
	fn = f.functionAt(cs, offset)
	if fn < 0 || offset%slotSize != 0 {
		return 0, -1
	}
	return fn, cs.insns[offset/slotSize]
}

// functionAt returns the function that an offset of a section is in, -1: none.
func (f *File) functionAt(cs *codeSection, offset uint64) int {
	if cs.last < len(cs.functions) {
		if fn := f.functions[cs.functions[cs.last]]; offset >= fn.start && offset < fn.end {
			return cs.functions[cs.last]
		}
	}
	i, exact := slices.BinarySearchFunc(cs.functions, offset, func(fn int, offset uint64) int {
		return cmp.Compare(f.functions[fn].start, offset)
	})
	if !exact {
		i--
	}
	if i < 0 || offset >= f.functions[cs.functions[i]].end {
		return -1
	}
	cs.last = i
	return cs.functions[i]
}

// overridden tells whether an instruction belongs to no function: bpftool gen
// object leaves the code of a weak function where another object has a strong
// one, and what describes it. Loaders pass over both
// (bpf_object__collect_prog_relos in libbpf 1.1).
func (f *File) overridden(cs *codeSection, offset uint64) bool {
	return offset%slotSize == 0 && offset/slotSize < uint64(len(cs.insns)) && f.functionAt(cs, offset) < 0
}

// readCalls finds out what calls and wide loads refer to.
func (f *File) readCalls() error {
	externs := f.externFuncs()
	numbers := make(map[int]int32) // of externs, by symbol
	for i, fn := range f.unit.Funcs {
		slot := f.functions[i].start / slotSize
		for j := range fn.Insns {
			in := &fn.Insns[j]
			if !refers(in) {
				slot++
				continue
			}
			r, relocated := f.functions[i].relocs[int32(j)]
			var err error
			switch {
			case relocated && f.elf.symbols[r.symbol].undefined():
				err = f.refExtern(in, r.symbol, externs, numbers)
			case relocated:
				err = f.refSymbol(in, &f.elf.symbols[r.symbol])
			case in.IsFunctionCall():
				err = f.refFunc(in, f.functions[i].section, int64(slot+1)+in.Constant)
			}
			if err != nil {
				return fmt.Errorf("function %s: instruction %d: %w", fn.Name, j, err)
			}
			slot += uint64(in.Slots())
		}
	}
	return nil
}

// externFuncs returns the functions that .ksyms in BTF declares.
func (f *File) externFuncs() map[string]*btf.Func {
	externs := make(map[string]*btf.Func)
	var sec *btf.Datasec
	if f.unit.Types == nil || f.unit.Types.TypeByName(".ksyms", &sec) != nil {
		return externs
	}
	for _, v := range sec.Vars {
		if fn, ok := v.Type.(*btf.Func); ok {
			externs[fn.Name] = fn
		}
	}
	return externs
}

// refExtern notes a reference to an undefined symbol. What is no function (a
// kernel variable, a kernel configuration value) stays with its relocation.
func (f *File) refExtern(in *code.Insn, sym int, declared map[string]*btf.Func, numbers map[int]int32) error {
	name := f.elf.symbols[sym].name
	fn := declared[name]
	if fn == nil && !in.IsCall() {
		return nil
	}
	if f.unit.Types == nil {
		return fmt.Errorf("%s is extern and the object has no .BTF to declare it; compile with -g", name)
	}
	n, known := numbers[sym]
	if !known {
		n = int32(len(f.unit.Externs))
		numbers[sym] = n
		f.unit.Externs = append(f.unit.Externs, code.Extern{Name: name, Type: fn})
		f.externs = append(f.externs, sym)
	}
	in.Ref = code.Ref{Kind: code.RefExtern, Index: n}
	return nil
}

// refSymbol notes a reference to a function in the file. Calls count in slots
// from the one after the call (-1 is the symbol itself), addresses in bytes.
func (f *File) refSymbol(in *code.Insn, sym *symbol) error {
	cs := f.byIndex[sym.section]
	switch {
	case cs == nil && in.IsCall():
		return fmt.Errorf("call of %q, which is no code", sym.name)
	case cs == nil:
		return nil
	case in.IsCall():
		return f.refFunc(in, cs, int64(sym.value/slotSize)+in.Constant+1)
	}
	addend := int64(uint32(in.Constant))
	if sym.value%slotSize != 0 || addend%slotSize != 0 {
		return fmt.Errorf("address of byte %d of %s, which is no instruction", addend, f.elf.sections[cs.index].name)
	}
	return f.refFunc(in, cs, int64(sym.value/slotSize)+addend/slotSize)
}

// refFunc notes a reference to the function that starts at a slot.
func (f *File) refFunc(in *code.Insn, cs *codeSection, slot int64) error {
	if slot >= 0 && slot < int64(len(cs.insns)) {
		fn, insn := f.at(cs, uint64(slot)*slotSize)
		if insn == 0 {
			in.Ref = code.Ref{Kind: code.RefFunc, Index: int32(fn)}
			return nil
		}
	}
	return fmt.Errorf("refers to slot %d of section %s, where no function starts", slot, f.elf.sections[cs.index].name)
}
