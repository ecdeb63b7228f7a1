package object

import (
	"debug/elf"

	"github.com/hintjit/hintjit/internal/code"
)

// Data is a place outside of the code: a byte of a data section, or a map.
type Data struct {
	Section string // ".maps", ".bss", ".rodata.str"
	Symbol  string // that covers the place; "" where only the section is known
	Offset  uint64 // bytes from the section's start
}

// DataAt tells what the wide load at instruction insn of function fn, as they
// were read, refers to outside of the code. What is extern (a kernel's variable
// or setting) is no data of the object.
func (f *File) DataAt(fn, insn int) (Data, bool) {
	if fn < 0 || fn >= len(f.functions) {
		return Data{}, false
	}
	r, relocated := f.functions[fn].relocs[int32(insn)]
	in := &f.unit.Funcs[fn].Insns[insn]
	if !relocated || !in.OpCode.IsDWordLoad() || in.Ref.Kind != code.RefNone {
		return Data{}, false
	}
	sym := &f.elf.symbols[r.symbol]
	if int(sym.section) >= len(f.elf.sections) || sym.undefined() {
		return Data{}, false
	}
	d := Data{
		Section: f.elf.sections[sym.section].name,
		Symbol:  sym.name,
		Offset:  sym.value + uint64(in.Constant),
	}
	if sym.kind() == elf.STT_SECTION {
		d.Symbol = f.symbolAt(sym.section, d.Offset)
	}
	return d, true
}

// symbolAt names the symbol that stands at an offset of a section, "" when there
// is none.
func (f *File) symbolAt(section elf.SectionIndex, offset uint64) string {
	for i := range f.elf.symbols {
		s := &f.elf.symbols[i]
		if s.section == section && s.value == offset && s.kind() != elf.STT_SECTION {
			return s.name
		}
	}
	return ""
}
