package object

import (
	"bytes"
	"debug/elf"
	"fmt"
	"slices"

	"github.com/hintjit/hintjit/internal/code"
)

// TableSection holds the tables of a unit. Loaders make a read-only array map
// of every section whose name starts with .rodata; the kernel has 15 characters
// for the map's name, which this is.
const TableSection = ".rodata.hintjit"

// Encode returns the object with u's functions in the place of its own. u must
// come from f.Unit(); its functions may have other instructions, but there must
// be the same functions in the same order, and u.Externs and u.Tables may only
// have grown. u is not changed.
//
// When u says nothing new the result is the file, byte for byte. Otherwise it is
// a new one without what describes the code by addresses for the sake of a
// debugger or linker: DWARF, .eh_frame, .llvm_addrsig and the relocations of
// .BTF and .BTF.ext, which llvm-strip -g removes too. Source lines for the
// kernel are in .BTF.ext and stay. An extern that was referred to and no longer
// is goes, symbol and declaration: a loader would look for it.
func (f *File) Encode(u *code.Unit) ([]byte, error) {
	if err := f.check(u); err != nil {
		return nil, err
	}
	if f.unchanged(u) {
		return bytes.Clone(f.raw), nil
	}
	e := &encoder{f: f, unit: u, tableSymbol: -1}
	for _, step := range []func() error{
		e.start, e.link, e.addExterns, e.addTables, e.moveSymbols, e.writeCode,
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	e.dropUnused()
	e.writeTypes()
	if err := e.checkData(); err != nil {
		return nil, err
	}
	if err := e.elf.prune(e.drops, func(i int) bool { return e.unused[i] }); err != nil {
		return nil, err
	}
	return e.elf.encodeELF()
}

// check finds what Encode has no way to write.
func (f *File) check(u *code.Unit) error {
	if len(u.Funcs) != len(f.unit.Funcs) {
		return fmt.Errorf("unit has %d functions, the object %d", len(u.Funcs), len(f.unit.Funcs))
	}
	for i, fn := range u.Funcs {
		if old := f.unit.Funcs[i]; fn.Name != old.Name || fn.Section != old.Section {
			return fmt.Errorf("function %d is %s in %s, in the object %s in %s", i, fn.Name, fn.Section, old.Name, old.Section)
		}
		if len(fn.Insns) == 0 {
			return fmt.Errorf("function %s: no instructions", fn.Name)
		}
	}
	if len(u.Externs) < len(f.unit.Externs) || !slices.Equal(u.Externs[:len(f.unit.Externs)], f.unit.Externs) {
		return fmt.Errorf("unit's externs do not start with the object's %d", len(f.unit.Externs))
	}
	return nil
}

func (f *File) unchanged(u *code.Unit) bool {
	if len(u.Externs) != len(f.unit.Externs) || len(u.Tables) != 0 {
		return false
	}
	for i, fn := range u.Funcs {
		old := f.unit.Funcs[i].Insns
		if len(fn.Insns) != len(old) {
			return false
		}
		if &fn.Insns[0] == &old[0] {
			continue // they are shared
		}
		for k := range old {
			if !sameInsn(&fn.Insns[k], &old[k]) {
				return false
			}
		}
	}
	return true
}

// sameInsn compares all but what Link sets.
func sameInsn(a, b *code.Insn) bool {
	like := *a
	switch {
	case a.IsLongGoto():
		like.Constant = b.Constant
	case a.IsBranch():
		like.Offset = b.Offset
	}
	return like == *b
}

type encoder struct {
	f    *File
	unit *code.Unit
	elf  *container // the new file, its sections and symbols numbered as the old ones until prune
	btf  *btfEdit   // nil: no .BTF
	ext  *extBuilder

	linked []*code.Func // all branches reach
	slots  [][]int      // of each
	starts []uint64     // of each, bytes from its section's start
	ends   []uint64

	externs     []int // symbol of each of unit.Externs
	tables      []placedTable
	tableSymbol int          // of TableSection, -1: none
	unused      map[int]bool // symbols nobody refers to any more
}

type placedTable struct {
	code.Table
	offset uint64 // in TableSection
}

// start makes a copy of the file's parts that can be changed.
func (e *encoder) start() error {
	c := *e.f.elf
	c.sections = slices.Clone(c.sections)
	c.symbols = slices.Clone(c.symbols)
	for i := range c.sections {
		c.sections[i].relocs = slices.Clone(c.sections[i].relocs)
	}
	e.elf = &c
	if e.f.btf == 0 {
		return nil
	}
	var err error
	if e.btf, err = editBTF(c.sections[e.f.btf].data, c.order); err != nil {
		return fmt.Errorf("section .BTF: %w", err)
	}
	if ext := e.f.ext; ext != nil {
		if ext.hasUnknown(c.order) {
			return fmt.Errorf("section .BTF.ext: header of %d bytes names parts that are not known", len(ext.header))
		}
		e.ext = newExtBuilder(ext, c.order, e.btf)
	}
	return nil
}

// link makes branches reach, in functions beside those of the unit, and says where
// these start.
func (e *encoder) link() (err error) {
	e.linked, e.slots = make([]*code.Func, len(e.unit.Funcs)), make([][]int, len(e.unit.Funcs))
	for i, fn := range e.unit.Funcs {
		own := *fn
		if e.slots[i], err = own.Stretch(e.unit.V4); err != nil {
			return err
		}
		e.linked[i] = &own
	}
	e.layout()
	return nil
}

// layout says where functions start: one behind the other. Code between them,
// which belongs to none (see overridden), is left out: cilium/ebpf 0.22 counts the
// offsets in .BTF.ext without it (loadFunctions in elf_reader.go), libbpf with it.
func (e *encoder) layout() {
	e.starts = make([]uint64, len(e.linked))
	e.ends = make([]uint64, len(e.linked))
	for _, cs := range e.f.sections {
		var end uint64
		for _, fn := range cs.functions {
			e.starts[fn] = end
			slots := e.slots[fn]
			end += slotSize * uint64(slots[len(slots)-1])
			e.ends[fn] = end
		}
	}
}

// addSymbol appends a symbol and returns its number.
func (e *encoder) addSymbol(s symbol) int {
	if len(e.elf.symbols) == 0 {
		e.elf.symbols = []symbol{{}}
	}
	e.elf.symbols = append(e.elf.symbols, s)
	return len(e.elf.symbols) - 1
}

// addExterns declares the externs that passes added.
func (e *encoder) addExterns() error {
	e.externs = slices.Clone(e.f.externs)
	for _, x := range e.unit.Externs[len(e.f.externs):] {
		if x.Type == nil || e.btf == nil {
			return fmt.Errorf("extern %s: can not be declared without a type and the object's .BTF; compile with -g", x.Name)
		}
		if err := e.btf.addExtern(x.Type, e.f.unit.Types); err != nil {
			return fmt.Errorf("extern %s: %w", x.Name, err)
		}
		binding := elf.STB_GLOBAL
		if x.Weak {
			binding = elf.STB_WEAK
		}
		e.externs = append(e.externs, e.addSymbol(symbol{
			name: x.Name, info: elf.ST_INFO(binding, elf.STT_NOTYPE), section: elf.SHN_UNDEF,
		}))
	}
	return nil
}

// addTables makes the section of the unit's tables. Its symbols and variables
// are static: loaders then go by offsets alone, and bpftool gen skeleton does
// not show them to users.
func (e *encoder) addTables() error {
	if len(e.unit.Tables) == 0 {
		return nil
	}
	if e.section(TableSection) >= 0 {
		return fmt.Errorf("section %s: the object has one already; rewrite the object as the compiler made it", TableSection)
	}
	var data []byte
	number := elf.SectionIndex(len(e.elf.sections))
	for _, t := range e.unit.Tables {
		if len(t.Data) == 0 {
			return fmt.Errorf("table %s: empty", t.Name)
		}
		data = pad(data, 8)
		e.tables = append(e.tables, placedTable{t, uint64(len(data))})
		e.addSymbol(symbol{
			name: t.Name, info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_OBJECT), section: number,
			value: uint64(len(data)), size: uint64(len(t.Data)),
		})
		data = append(data, t.Data...)
	}
	e.elf.sections = append(e.elf.sections, section{
		name: TableSection, data: data,
		Section64: elf.Section64{Type: uint32(elf.SHT_PROGBITS), Flags: uint64(elf.SHF_ALLOC), Size: uint64(len(data)), Addralign: 8},
	})
	e.tableSymbol = e.sectionSymbol(number)
	if e.btf != nil {
		e.btf.addTables(TableSection, e.tables, uint64(len(data)))
	}
	return nil
}

func (e *encoder) section(name string) int {
	return slices.IndexFunc(e.elf.sections, func(s section) bool { return s.name == name })
}

// sectionSymbol finds or makes the symbol of a section.
func (e *encoder) sectionSymbol(number elf.SectionIndex) int {
	for i := range e.elf.symbols {
		if s := &e.elf.symbols[i]; s.kind() == elf.STT_SECTION && s.section == number {
			return i
		}
	}
	return e.addSymbol(symbol{info: elf.ST_INFO(elf.STB_LOCAL, elf.STT_SECTION), section: number})
}

// moveSymbols gives the symbols of functions their new places. Labels, which
// older compilers leave in code and nobody reads, go.
func (e *encoder) moveSymbols() error {
	e.unused = make(map[int]bool)
	functions := make(map[int]int)
	for i, fn := range e.f.functions {
		functions[fn.symbol] = i
	}
	for i := range e.elf.symbols {
		s := &e.elf.symbols[i]
		if s.section == elf.SHN_UNDEF || s.section >= elf.SHN_LORESERVE || !e.elf.sections[s.section].isCode() {
			continue
		}
		fn, isFunction := functions[i]
		switch {
		case isFunction:
			s.value, s.size = e.starts[fn], e.ends[fn]-e.starts[fn]
		case s.kind() == elf.STT_SECTION:
		case s.bind() == elf.STB_LOCAL && s.kind() == elf.STT_NOTYPE:
			e.unused[i] = true
		default:
			return fmt.Errorf("symbol %s: %v in code that moves, want functions and labels only", s.name, s.kind())
		}
	}
	return nil
}

func (e *encoder) writeCode() error {
	bySection := make(map[uint32][]reloc)
	for _, cs := range e.f.sections {
		if len(cs.functions) == 0 {
			continue
		}
		out := make([]byte, 0, e.ends[cs.functions[len(cs.functions)-1]])
		var relocs []reloc
		for _, fn := range cs.functions {
			var err error
			if out, relocs, err = e.writeFunction(cs, fn, out, relocs); err != nil {
				return fmt.Errorf("function %s: %w", e.linked[fn].Name, err)
			}
		}
		e.elf.sections[cs.index].data = out
		bySection[uint32(cs.index)] = relocs
	}
	e.setRelocs(bySection)
	return nil
}

// setRelocs replaces the relocations of code, which are given by section.
func (e *encoder) setRelocs(relocs map[uint32][]reloc) {
	for i := range e.elf.sections {
		if s := &e.elf.sections[i]; s.kind() == elf.SHT_REL && e.elf.sections[s.Info].isCode() {
			s.relocs = relocs[s.Info]
			delete(relocs, s.Info) // more than one section of them: all in the first
		}
	}
	for _, cs := range e.f.sections {
		own := relocs[uint32(cs.index)]
		if len(own) == 0 {
			continue
		}
		e.elf.sections = append(e.elf.sections, section{
			name: ".rel" + e.elf.sections[cs.index].name, relocs: own,
			Section64: elf.Section64{
				Type: uint32(elf.SHT_REL), Flags: uint64(elf.SHF_INFO_LINK), Addralign: 8, Entsize: relocSize,
				Link: uint32(e.elf.symtab), Info: uint32(cs.index),
			},
		})
	}
}

func (e *encoder) writeFunction(cs *codeSection, fn int, out []byte, relocs []reloc) ([]byte, []reloc, error) {
	insns := e.linked[fn].Insns
	if e.ext != nil {
		e.ext.function(cs, uint64(len(out)), e.f.functions[fn])
	}
	var copied code.Insn // the unit's stay as they are
	in := &copied
	for i := range insns {
		copied = insns[i]
		in.SetDistance(e.slots[fn], i)
		if i == 0 && in.Line == nil {
			// The kernel wants a line at the start of every function (check_btf_line).
			in.Line = firstLine(insns)
		}
		offset := uint64(len(out))
		r, err := e.refer(fn, in, offset)
		if err != nil {
			return nil, nil, fmt.Errorf("instruction %d (%v): %w", i, in.OpCode, err)
		}
		if r.kind != 0 {
			relocs = append(relocs, r)
		}
		if e.ext != nil && in.Line != nil {
			e.ext.line(cs, offset, in.Line)
		}
		if in.CORE != nil {
			if e.ext == nil {
				return nil, nil, fmt.Errorf("instruction %d: CO-RE record in an object without .BTF.ext; compile with -g", i)
			}
			id, err := e.ext.core(cs, offset, in.CORE)
			if err != nil {
				return nil, nil, fmt.Errorf("instruction %d: %w", i, err)
			}
			if in.CORE.TypeID == 0 && in.CORE.Kind == code.TypeIDTarget {
				in.Constant = int64(id) // cilium/ebpf holds the two against each other
			}
		}
		if out, err = encode(out, in, e.elf.order); err != nil {
			return nil, nil, fmt.Errorf("instruction %d: %w", i, err)
		}
	}
	return out, relocs, nil
}

func firstLine(insns []code.Insn) *code.Line {
	for i := range insns {
		if insns[i].Line != nil {
			return insns[i].Line
		}
	}
	return nil
}

// dropUnused finds the undefined symbols that lost their last reference.
func (e *encoder) dropUnused() {
	before, after := e.references(e.f.elf), e.references(e.elf)
	names := make(map[string]bool)
	for i := range e.elf.symbols {
		if s := &e.elf.symbols[i]; s.undefined() && !after[i] && (before[i] || i >= len(e.f.elf.symbols)) {
			e.unused[i] = true
			names[s.name] = true
		}
	}
	if e.btf != nil && len(names) > 0 {
		e.btf.dropExterns(names)
	}
}

// references lists the symbols that relocations of a loader's concern name.
func (e *encoder) references(c *container) map[int]bool {
	used := make(map[int]bool)
	for i := range c.sections {
		if e.drops(i) {
			continue
		}
		for _, r := range c.sections[i].relocs {
			used[r.symbol] = true
		}
	}
	return used
}

// drops tells whether Encode leaves a section out.
func (e *encoder) drops(i int) bool {
	s := &e.elf.sections[i]
	if s.kind() != elf.SHT_REL {
		return s.aboutCode()
	}
	target := int(s.Info)
	return e.elf.sections[target].aboutCode() || target == e.f.btf || e.f.ext != nil && target == e.f.ext.section
}

func (e *encoder) writeTypes() {
	if e.ext != nil { // first: it adds to the strings of .BTF
		e.elf.sections[e.f.ext.section].data = e.ext.bytes(e.f)
	}
	if e.btf != nil {
		e.elf.sections[e.f.btf].data = e.btf.bytes()
	}
}

// checkData refuses data that holds addresses of code as numbers: no loader
// relocates it, and it would name the wrong instruction.
func (e *encoder) checkData() error {
	for i := range e.elf.sections {
		s := &e.elf.sections[i]
		if s.kind() != elf.SHT_REL || e.drops(i) || e.elf.sections[s.Info].isCode() {
			continue
		}
		for _, r := range s.relocs {
			sym := &e.elf.symbols[r.symbol]
			if sym.kind() == elf.STT_SECTION && e.elf.sections[sym.section].isCode() {
				return fmt.Errorf("section %s: refers into section %s by address at offset %d; make the function global",
					e.elf.sections[s.Info].name, e.elf.sections[sym.section].name, r.offset)
			}
		}
	}
	return nil
}
