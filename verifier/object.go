package verifier

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ObjectFault is one broken rule in one place of an object file.
type ObjectFault struct {
	Invariant string
	Where     string // a section, and a byte or a symbol in it
	Detail    string
}

func (f ObjectFault) String() string { return f.Where + ": " + f.Invariant + ": " + f.Detail }

// ObjectFaults is everything that CheckObject found, section by section.
type ObjectFaults []ObjectFault

func (fs ObjectFaults) Error() string {
	var b strings.Builder
	for i, f := range fs {
		if i == shown {
			fmt.Fprintf(&b, "\nand %d more", len(fs)-shown)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(f.String())
	}
	return b.String()
}

// CheckObject holds a rewritten object file against the one it was made of: what
// in it says where an instruction is, or what it is about, says something true, and
// what a rewrite does not concern is as it was. gone lists externs that nothing may
// refer to. It returns nil or ObjectFaults, in time linear in the size of the files.
//
// It reads both with debug/elf and a reader of its own, and so shares nothing with
// the writer that it judges. What the formats want: Documentation/bpf/btf.rst and
// llvm_reloc.rst (Linux 6.12), libbpf 1.1 (src/libbpf.c, src/btf.c), check_btf_func
// and check_btf_line in kernel/bpf/verifier.c.
func CheckObject(before, after []byte, gone []string) error {
	old, err := readImage(before)
	if err != nil {
		return fmt.Errorf("the object before: %w", err)
	}
	c := &objectChecker{old: old, gone: gone}
	if c.image, err = readImage(after); err != nil {
		return ObjectFaults{{"ELF", "the file", err.Error()}}
	}
	for _, check := range []func(){
		c.checkSections, c.checkSymbols, c.checkCode, c.checkRelocations, c.checkTypes, c.checkRecords, c.checkRemoved,
	} {
		check()
	}
	if len(c.faults) == 0 {
		return nil
	}
	return c.faults
}

// objectChecker goes through the object after the rewrite.
type objectChecker struct {
	*image
	old    *image
	gone   []string
	table  *typeTable // .BTF, nil: none
	faults ObjectFaults
}

func (c *objectChecker) report(invariant, where, format string, args ...any) {
	c.faults = append(c.faults, ObjectFault{invariant, where, fmt.Sprintf(format, args...)})
}

// image is an object file taken apart.
type image struct {
	order    binary.ByteOrder
	sections []*elf.Section
	data     [][]byte // by section
	symbols  []elf.Symbol
	code     map[int]*codeImage // by section
	btf      []byte             // nil: none
	ext      []byte
}

// codeImage is an executable section.
type codeImage struct {
	name  string
	data  []byte
	start []bool        // by slot: an instruction starts here
	funcs []*symbolFunc // by where they start
}

// symbolFunc is a function by its symbol, in bytes from its section's start.
type symbolFunc struct {
	name       string
	start, end uint64
}

// slot is the size of an instruction; a wide load has two.
const slot = 8

func readImage(raw []byte) (*image, error) {
	f, err := elf.NewFile(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	m := &image{order: f.ByteOrder, sections: f.Sections, data: make([][]byte, len(f.Sections)), code: map[int]*codeImage{}}
	for i, s := range f.Sections {
		if s.Type == elf.SHT_NULL || s.Type == elf.SHT_NOBITS || describesCode(s.Name, s.Type) {
			continue
		}
		if m.data[i], err = dataOf(s, raw); err != nil {
			return nil, fmt.Errorf("section %s: %w", s.Name, err)
		}
		switch {
		case s.Type == elf.SHT_PROGBITS && s.Flags&elf.SHF_EXECINSTR != 0:
			m.code[i] = &codeImage{name: s.Name, data: m.data[i], start: make([]bool, len(m.data[i])/slot)}
		case s.Name == ".BTF":
			m.btf = m.data[i]
		case s.Name == ".BTF.ext":
			m.ext = m.data[i]
		}
	}
	if m.symbols, err = f.Symbols(); err != nil && !errors.Is(err, elf.ErrNoSymbols) {
		return nil, err
	}
	for _, s := range m.symbols {
		if area := m.code[int(s.Section)]; area != nil && elf.ST_TYPE(s.Info) == elf.STT_FUNC {
			area.funcs = append(area.funcs, &symbolFunc{s.Name, s.Value, s.Value + s.Size})
		}
	}
	for _, area := range m.code {
		slices.SortStableFunc(area.funcs, func(a, b *symbolFunc) int { return cmp.Compare(a.start, b.start) })
		area.decode()
	}
	return m, nil
}

// dataOf is what a section holds, in the file's own bytes wherever it lies there as
// it is.
func dataOf(s *elf.Section, raw []byte) ([]byte, error) {
	if all := uint64(len(raw)); s.Flags&elf.SHF_COMPRESSED == 0 && s.Offset <= all && s.Size <= all-s.Offset {
		return raw[s.Offset:][:s.Size:s.Size], nil
	}
	return s.Data()
}

// decode notes where instructions start. What lies between functions is taken slot
// by slot: it may be no code, or code of a function that was overridden.
func (a *codeImage) decode() {
	for i := range a.start {
		a.start[i] = true
	}
	for _, f := range a.funcs {
		for at := f.start / slot; at < f.end/slot && at+1 < uint64(len(a.start)); at++ {
			if a.data[at*slot] == wideLoad {
				at++
				a.start[at] = false
			}
		}
	}
}

// wideLoad is BPF_LD | BPF_IMM | BPF_DW.
const wideLoad = 0x18

// starts tells whether an instruction starts at an offset.
func (a *codeImage) starts(offset uint64) bool {
	return offset%slot == 0 && offset/slot < uint64(len(a.start)) && a.start[offset/slot]
}

// function returns the one that an offset is in, nil: none.
func (a *codeImage) function(offset uint64) *symbolFunc {
	i, exact := slices.BinarySearchFunc(a.funcs, offset, func(f *symbolFunc, at uint64) int { return cmp.Compare(f.start, at) })
	if !exact {
		i--
	}
	if i < 0 || offset >= a.funcs[i].end {
		return nil
	}
	return a.funcs[i]
}

// codeSections lists the executable sections in the file's order.
func (m *image) codeSections() (out []int) {
	for i := range m.sections {
		if m.code[i] != nil {
			out = append(out, i)
		}
	}
	return out
}

// symbol returns a symbol by the number that relocations have.
func (m *image) symbol(n uint32) *elf.Symbol {
	if n == 0 || int(n) > len(m.symbols) {
		return nil
	}
	return &m.symbols[n-1]
}

// sectionName is that of a symbol's section; special indexes have none.
func (m *image) sectionName(s *elf.Symbol) string {
	if s.Section == elf.SHN_UNDEF || int(s.Section) >= len(m.sections) {
		return s.Section.String()
	}
	return m.sections[s.Section].Name
}

// undefined lists the symbols that a loader is to find in the kernel.
func (m *image) undefined() map[string]bool {
	out := map[string]bool{}
	for i := range m.symbols {
		if s := &m.symbols[i]; s.Section == elf.SHN_UNDEF && s.Name != "" {
			out[s.Name] = true
		}
	}
	return out
}

// describesCode tells of sections that say where code is to a debugger or a
// linker. They are of no use to a loader, and gone after a rewrite.
func describesCode(name string, typ elf.SectionType) bool {
	const addrsig = elf.SectionType(0x6fff4c03) // SHT_LLVM_ADDRSIG
	for _, prefix := range []string{"", ".rel"} {
		if strings.HasPrefix(name, prefix+".debug_") || name == prefix+".eh_frame" {
			return true
		}
	}
	return typ == addrsig
}
