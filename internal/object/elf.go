package object

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// byteOrder reads and appends.
type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

const (
	headerSize  = 64 // of a 64-bit ELF file
	sectionSize = 64 // of a section header
	symbolSize  = elf.Sym64Size
	relocSize   = 16 // of a SHT_REL entry

	shtLLVMAddrsig = elf.SectionType(0x6fff4c03)
)

// container is a relocatable ELF file taken apart: nothing of BPF yet.
type container struct {
	order    byteOrder
	header   elf.Header64
	sections []section
	symtab   int // index of the symbol table's section, 0: none
	symbols  []symbol
}

type section struct {
	elf.Section64
	name   string
	data   []byte  // nil for SHT_NOBITS
	relocs []reloc // in place of data for SHT_REL
}

func (s *section) kind() elf.SectionType { return elf.SectionType(s.Type) }

// isCode tells whether loaders look for programs here, as libbpf does.
func (s *section) isCode() bool {
	return s.kind() == elf.SHT_PROGBITS && s.Flags&uint64(elf.SHF_EXECINSTR) != 0
}

// aboutCode tells whether the section describes code by address and is of no
// use to a loader: what llvm-strip -g removes, the unwinder's tables, and the
// linker's list of symbols.
func (s *section) aboutCode() bool {
	return strings.HasPrefix(s.name, ".debug_") || s.name == ".eh_frame" || s.kind() == shtLLVMAddrsig
}

type symbol struct {
	name        string
	info, other uint8
	section     elf.SectionIndex
	value, size uint64
}

func (s *symbol) bind() elf.SymBind { return elf.ST_BIND(s.info) }
func (s *symbol) kind() elf.SymType { return elf.ST_TYPE(s.info) }

// undefined tells whether a loader is to find the symbol elsewhere. The table's
// first entry is undefined by definition and no symbol.
func (s *symbol) undefined() bool { return s.section == elf.SHN_UNDEF && s.name != "" }

// Relocation types (Documentation/bpf/llvm_reloc.rst, v6.12).
const (
	relWide = 1  // R_BPF_64_64: the constant of a wide load
	relCall = 10 // R_BPF_64_32: the constant of a call
)

type reloc struct {
	offset uint64 // in bytes from the section's start
	kind   uint32
	symbol int
}

func readELF(raw []byte) (*container, error) {
	c := new(container)
	if err := c.readHeader(raw); err != nil {
		return nil, err
	}
	if err := c.readSections(raw); err != nil {
		return nil, err
	}
	if err := c.readSymbols(); err != nil {
		return nil, err
	}
	for i := range c.sections {
		if err := c.readRelocs(&c.sections[i]); err != nil {
			return nil, fmt.Errorf("section %s: %w", c.sections[i].name, err)
		}
	}
	return c, nil
}

func (c *container) readHeader(raw []byte) error {
	switch {
	case len(raw) == 0:
		return errors.New("empty file, want a BPF object")
	case !bytes.HasPrefix(raw, []byte(elf.ELFMAG)):
		return errors.New("not an ELF file, want a BPF object (clang -target bpf -c)")
	case len(raw) < headerSize:
		return fmt.Errorf("ELF header: truncated, %d bytes of %d", len(raw), headerSize)
	}
	if class := elf.Class(raw[elf.EI_CLASS]); class != elf.ELFCLASS64 {
		return fmt.Errorf("ELF header: class %v, want 64-bit", class)
	}
	switch data := elf.Data(raw[elf.EI_DATA]); data {
	case elf.ELFDATA2LSB:
		c.order = binary.LittleEndian
	case elf.ELFDATA2MSB:
		c.order = binary.BigEndian
	default:
		return fmt.Errorf("ELF header: byte order %v, want little or big endian", data)
	}
	if _, err := binary.Decode(raw[:headerSize], c.order, &c.header); err != nil {
		return fmt.Errorf("ELF header: %w", err)
	}
	h := &c.header
	switch {
	case elf.Machine(h.Machine) != elf.EM_BPF:
		return fmt.Errorf("ELF header: made for %v, want BPF (clang -target bpf)", elf.Machine(h.Machine))
	case elf.Type(h.Type) != elf.ET_REL || h.Phnum != 0:
		return fmt.Errorf("ELF header: %v with %d program headers, want a relocatable object (clang -c)", elf.Type(h.Type), h.Phnum)
	case h.Shentsize != sectionSize:
		return fmt.Errorf("ELF header: section headers of %d bytes, want %d", h.Shentsize, sectionSize)
	case h.Shnum == 0:
		return noSections(raw, h, c.order)
	case h.Shoff > uint64(len(raw)) || uint64(h.Shnum)*sectionSize > uint64(len(raw))-h.Shoff:
		return fmt.Errorf("section headers: truncated, %d at offset %d of %d bytes", h.Shnum, h.Shoff, len(raw))
	case h.Shstrndx >= h.Shnum:
		return fmt.Errorf("ELF header: names of sections in section %d of %d", h.Shstrndx, h.Shnum)
	}
	return nil
}

// noSections is why there is no number of sections in the header: there are none,
// or more than it has room for (the number is then the size of section 0).
func noSections(raw []byte, h *elf.Header64, order byteOrder) error {
	if size := uint64(sectionSize); h.Shoff != 0 && h.Shoff <= uint64(len(raw)) && size <= uint64(len(raw))-h.Shoff {
		if n := order.Uint64(raw[h.Shoff+32:]); n != 0 {
			return fmt.Errorf("ELF header: %d sections, up to %d can be read", n, elf.SHN_LORESERVE-1)
		}
	}
	return errors.New("ELF header: no sections")
}

func (c *container) readSections(raw []byte) error {
	c.sections = make([]section, c.header.Shnum)
	left := uint64(len(raw)) // what is read once is read in proportion to the file
	for i := range c.sections {
		s := &c.sections[i]
		at := raw[c.header.Shoff+uint64(i)*sectionSize:]
		if _, err := binary.Decode(at, c.order, &s.Section64); err != nil {
			return fmt.Errorf("section header %d: %w", i, err)
		}
		if s.kind() == elf.SHT_NULL || s.kind() == elf.SHT_NOBITS {
			continue
		}
		if s.Off > uint64(len(raw)) || s.Size > uint64(len(raw))-s.Off {
			return fmt.Errorf("section header %d: %d bytes at offset %d of a file of %d", i, s.Size, s.Off, len(raw))
		}
		if s.Size > left {
			return fmt.Errorf("section header %d: sections overlap, they hold more than the file's %d bytes", i, len(raw))
		}
		left -= s.Size
		s.data = raw[s.Off : s.Off+s.Size : s.Off+s.Size]
	}
	if kind := c.sections[c.header.Shstrndx].kind(); kind != elf.SHT_STRTAB {
		return fmt.Errorf("ELF header: names of sections in section %d, a %v, want a string table", c.header.Shstrndx, kind)
	}
	names := string(c.sections[c.header.Shstrndx].data)
	for i := range c.sections {
		s := &c.sections[i]
		name, err := cString(names, s.Name)
		if err != nil {
			return fmt.Errorf("section header %d: name: %w", i, err)
		}
		s.name = name
		if s.Addralign&(s.Addralign-1) != 0 || s.Addralign > 1<<16 {
			return fmt.Errorf("section %s: alignment %d, want a power of two up to 65536", name, s.Addralign)
		}
		if s.Link >= uint32(c.header.Shnum) {
			return fmt.Errorf("section %s: linked to section %d of %d", name, s.Link, c.header.Shnum)
		}
		if s.Flags&uint64(elf.SHF_COMPRESSED) != 0 && !s.aboutCode() {
			return fmt.Errorf("section %s: is compressed (llvm-objcopy --decompress-debug-sections)", name)
		}
	}
	return nil
}

// cString returns the string at an offset of a string table.
func cString(table string, at uint32) (string, error) {
	if at == 0 && table == "" {
		return "", nil
	}
	if uint64(at) >= uint64(len(table)) {
		return "", fmt.Errorf("offset %d in a string table of %d bytes", at, len(table))
	}
	text, _, ended := strings.Cut(table[at:], "\x00")
	if !ended {
		return "", fmt.Errorf("offset %d in a string table: string without end", at)
	}
	return text, nil
}

func (c *container) readSymbols() error {
	for i := range c.sections {
		if c.sections[i].kind() != elf.SHT_SYMTAB {
			continue
		}
		if c.symtab != 0 {
			return fmt.Errorf("section %s: second symbol table, want one", c.sections[i].name)
		}
		c.symtab = i
	}
	if c.symtab == 0 {
		return nil
	}
	table := &c.sections[c.symtab]
	if kind := c.sections[table.Link].kind(); kind != elf.SHT_STRTAB {
		return fmt.Errorf("section %s: names in section %d, a %v, want a string table", table.name, table.Link, kind)
	}
	names := string(c.sections[table.Link].data)
	if table.Entsize != symbolSize || len(table.data)%symbolSize != 0 {
		return fmt.Errorf("section %s: %d bytes in entries of %d, want entries of %d", table.name, len(table.data), table.Entsize, symbolSize)
	}
	c.symbols = make([]symbol, len(table.data)/symbolSize)
	for i := range c.symbols {
		b := table.data[i*symbolSize:]
		s := &c.symbols[i]
		s.info, s.other = b[4], b[5]
		s.section = elf.SectionIndex(c.order.Uint16(b[6:]))
		s.value, s.size = c.order.Uint64(b[8:]), c.order.Uint64(b[16:])
		name, err := cString(names, c.order.Uint32(b))
		if err != nil {
			return fmt.Errorf("symbol %d: name: %w", i, err)
		}
		s.name = name
		if s.section == elf.SHN_XINDEX || s.section < elf.SHN_LORESERVE && int(s.section) >= len(c.sections) {
			return fmt.Errorf("symbol %d %q: in section %d of %d", i, name, s.section, len(c.sections))
		}
		if s.kind() == elf.STT_SECTION && s.section >= elf.SHN_LORESERVE {
			return fmt.Errorf("symbol %d: stands for section %v", i, s.section)
		}
	}
	return nil
}

func (c *container) readRelocs(s *section) error {
	if s.kind() == elf.SHT_RELA {
		return errors.New("relocations with addends (SHT_RELA), which BPF objects do not have")
	}
	if s.kind() != elf.SHT_REL {
		return nil
	}
	switch {
	case s.Entsize != relocSize || len(s.data)%relocSize != 0:
		return fmt.Errorf("%d bytes in entries of %d, want entries of %d", len(s.data), s.Entsize, relocSize)
	case s.Info == 0 || int(s.Info) >= len(c.sections):
		return fmt.Errorf("relocates section %d of %d", s.Info, len(c.sections))
	case int(s.Link) != c.symtab || c.symtab == 0:
		return fmt.Errorf("symbols in section %d, want the symbol table %d", s.Link, c.symtab)
	}
	target := &c.sections[s.Info]
	s.relocs = make([]reloc, len(s.data)/relocSize)
	for i := range s.relocs {
		b := s.data[i*relocSize:]
		info := c.order.Uint64(b[8:])
		r := reloc{offset: c.order.Uint64(b), kind: uint32(info)}
		if info>>32 >= uint64(len(c.symbols)) {
			return fmt.Errorf("relocation %d: symbol %d of %d", i, info>>32, len(c.symbols))
		}
		if r.offset >= target.Size {
			return fmt.Errorf("relocation %d: at offset %d of section %s, which has %d bytes", i, r.offset, target.name, target.Size)
		}
		r.symbol = int(info >> 32)
		s.relocs[i] = r
	}
	return nil
}
