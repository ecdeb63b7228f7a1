package verifier

import (
	"bytes"
	"debug/elf"
	"fmt"
	"slices"
)

// tableSection is where a rewrite puts its tables.
const tableSection = ".rodata.hintjit"

// reloc is an entry of a SHT_REL section (struct Elf64_Rel).
type reloc struct {
	offset uint64
	kind   uint32
	symbol uint32
}

const relocSize = 16

func (m *image) relocs(i int) (out []reloc) {
	for b := m.data[i]; len(b) >= relocSize; b = b[relocSize:] {
		info := m.order.Uint64(b[8:])
		out = append(out, reloc{m.order.Uint64(b), uint32(info), uint32(info >> 32)})
	}
	return out
}

// rewritten tells whether a rewrite may change a section, or leave it out.
func (m *image) rewritten(i int) bool {
	s := m.sections[i]
	switch s.Type {
	case elf.SHT_NULL, elf.SHT_SYMTAB, elf.SHT_STRTAB:
		return true
	case elf.SHT_REL:
		target := int(s.Info)
		return target >= len(m.sections) || m.rewritten(target)
	}
	return m.code[i] != nil || s.Name == ".BTF" || s.Name == ".BTF.ext" || describesCode(s.Name, s.Type)
}

// checkSections: all sections that a rewrite does not concern are there, in their
// order and byte for byte, and no others than code of the same names and a table.
func (c *objectChecker) checkSections() {
	next := 0
	for i, s := range c.old.sections {
		if c.old.rewritten(i) {
			if c.old.code[i] != nil && c.named(s.Name) == nil {
				c.report("section", s.Name, "is gone")
			}
			continue
		}
		for next < len(c.sections) && c.rewritten(next) {
			next++
		}
		if next == len(c.sections) || c.sections[next].Name != s.Name {
			if s.Type != elf.SHT_REL || len(c.old.data[i]) > 0 { // an empty one may go
				c.report("section", s.Name, "is gone, or stands elsewhere")
			}
			continue
		}
		c.sameSection(i, next)
		next++
	}
	for ; next < len(c.sections); next++ {
		if s := c.sections[next]; !c.rewritten(next) && s.Name != tableSection {
			c.report("section", s.Name, "was not there before")
		}
	}
	for _, i := range c.codeSections() {
		if c.old.named(c.sections[i].Name) == nil {
			c.report("section", c.sections[i].Name, "code that was not there before")
		}
	}
}

func (m *image) named(name string) *elf.Section {
	for _, s := range m.sections {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// sameSection holds section i of before against section k of after.
func (c *objectChecker) sameSection(i, k int) {
	was, is := c.old.sections[i], c.sections[k]
	switch {
	case was.Type != is.Type || was.Flags != is.Flags || was.Addralign != is.Addralign || was.Entsize != is.Entsize || was.Size != is.Size:
		c.report("section", is.Name, "was %v of %d bytes with flags %v, and is %v of %d with %v",
			was.Type, was.Size, was.Flags, is.Type, is.Size, is.Flags)
	case is.Type != elf.SHT_REL:
		if !bytes.Equal(c.old.data[i], c.data[k]) {
			c.report("section", is.Name, "has other bytes than before")
		}
	default:
		now := c.relocs(k)
		for n, r := range c.old.relocs(i) {
			if now[n].offset != r.offset || now[n].kind != r.kind || c.old.meaning(r.symbol) != c.meaning(now[n].symbol) {
				c.report("section", is.Name, "relocation %d is not what it was", n)
			}
		}
	}
}

// meaning says what a symbol stands for, whatever its number is.
func (m *image) meaning(n uint32) string {
	s := m.symbol(n)
	if s == nil {
		return fmt.Sprint(n)
	}
	return fmt.Sprint(s.Name, elf.ST_TYPE(s.Info), m.sectionName(s))
}

// checkSymbols: what was defined is defined, once, and as it was; functions are
// where code is.
func (c *objectChecker) checkSymbols() {
	const rule = "symbol"
	global := map[string]bool{}
	local := true
	for i := range c.symbols {
		s := &c.symbols[i]
		where := fmt.Sprintf("symbol %d %q", i+1, s.Name)
		if elf.ST_BIND(s.Info) == elf.STB_LOCAL {
			if !local {
				c.report(rule, where, "is local, and stands behind global ones")
			}
			continue
		}
		local = false
		if global[s.Name] {
			c.report(rule, where, "is there twice")
		}
		global[s.Name] = true
	}
	for i, s := range c.sections {
		if s.Type == elf.SHT_SYMTAB && int(s.Info) != c.locals()+1 {
			c.report(rule, s.Name, "says that %d symbols are local, %d are", s.Info, c.locals()+1)
		} else if s.Type == elf.SHT_REL && (int(s.Link) >= len(c.sections) || c.sections[s.Link].Type != elf.SHT_SYMTAB) {
			c.report(rule, s.Name, "section %d: has no symbol table", i)
		}
	}
	c.sameSymbols()
	for _, i := range c.codeSections() {
		c.checkFunctions(c.code[i])
	}
}

func (m *image) locals() (n int) {
	for i := range m.symbols {
		if elf.ST_BIND(m.symbols[i].Info) == elf.STB_LOCAL {
			n++
		}
	}
	return n
}

// sameSymbols: symbols of data and of functions are what they were. Labels in code
// may go, and so do symbols of sections that are gone.
func (c *objectChecker) sameSymbols() {
	type identity struct {
		name, section string
		info, other   uint8
		value, size   uint64
	}
	of := func(m *image, s *elf.Symbol) identity {
		id := identity{s.Name, m.sectionName(s), s.Info, s.Other, s.Value, s.Size}
		if m.code[int(s.Section)] != nil { // where it is, checkFunctions says
			id.value, id.size = 0, 0
		}
		return id
	}
	now := map[identity]int{}
	for i := range c.symbols {
		now[of(c.image, &c.symbols[i])]++
	}
	for i := range c.old.symbols {
		s := &c.old.symbols[i]
		section := int(s.Section)
		kind := elf.ST_TYPE(s.Info)
		if s.Section == elf.SHN_UNDEF || kind == elf.STT_SECTION || kind == elf.STT_FILE || section >= len(c.old.sections) ||
			describesCode(c.old.sections[section].Name, c.old.sections[section].Type) ||
			c.old.code[section] != nil && kind == elf.STT_NOTYPE {
			continue
		}
		id := of(c.old, s)
		if now[id]--; now[id] < 0 {
			c.report("symbol", fmt.Sprintf("symbol %q", s.Name), "is not what it was in section %s", id.section)
		}
	}
}

// checkFunctions: functions of a section start and end with an instruction and do
// not overlap.
func (c *objectChecker) checkFunctions(a *codeImage) {
	end := uint64(0)
	for _, f := range a.funcs {
		where := fmt.Sprintf("section %s: function %s", a.name, f.name)
		switch {
		case !a.starts(f.start):
			c.report("symbol", where, "starts at byte %d, where no instruction does", f.start)
		case f.end <= f.start || f.end > uint64(len(a.data)) || f.end < uint64(len(a.data)) && !a.starts(f.end):
			c.report("symbol", where, "ends at byte %d, where no instruction does", f.end)
		case f.start < end:
			c.report("symbol", where, "starts at byte %d, where the one before has not ended", f.start)
		}
		end = max(end, f.end)
	}
}

// checkRemoved: what a loader would not find is named nowhere. A symbol that nothing
// referred to before is the program's own affair.
func (c *objectChecker) checkRemoved() {
	was, is := c.old.referred(), c.referred()
	for _, name := range c.gone {
		if is[name] {
			c.report("removed extern", "a relocation", "refers to %s", name)
		}
		if !was[name] {
			continue
		}
		if c.undefined()[name] {
			c.report("removed extern", "a symbol", "is %s", name)
		}
		if t := c.table; t != nil && slices.Contains(t.declared(".ksyms"), name) {
			c.report("removed extern", ".BTF", ".ksyms declares %s", name)
		}
	}
}

// referred lists what relocations of code name.
func (m *image) referred() map[string]bool {
	out := map[string]bool{}
	for i, s := range m.sections {
		if s.Type != elf.SHT_REL || m.code[int(s.Info)] == nil {
			continue
		}
		for _, r := range m.relocs(i) {
			if sym := m.symbol(r.symbol); sym != nil && sym.Section == elf.SHN_UNDEF {
				out[sym.Name] = true
			}
		}
	}
	return out
}
