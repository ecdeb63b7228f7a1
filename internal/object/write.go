package object

import (
	"debug/elf"
	"encoding/binary"
	"fmt"
	"slices"
)

// prune removes sections and symbols and renumbers what refers to the others.
// Symbols in a removed section and relocations of one go with it.
func (c *container) prune(dropSection, dropSymbol func(i int) bool) error {
	dropped := func(i int) bool {
		s := &c.sections[i]
		return dropSection(i) || s.kind() == elf.SHT_REL && (len(s.relocs) == 0 || dropSection(int(s.Info)))
	}
	sections := make([]uint32, len(c.sections)) // new numbers, 0: removed
	var kept []section
	for i := range c.sections {
		if dropped(i) {
			continue
		}
		sections[i] = uint32(len(kept))
		kept = append(kept, c.sections[i])
	}
	symbols, err := c.pruneSymbols(sections, dropSymbol)
	if err != nil {
		return err
	}
	for i := range kept {
		s := &kept[i]
		switch s.kind() {
		case elf.SHT_NULL, elf.SHT_PROGBITS, elf.SHT_NOBITS, elf.SHT_STRTAB, elf.SHT_SYMTAB, elf.SHT_NOTE:
		case elf.SHT_REL:
			s.Info = sections[s.Info]
			for n := range s.relocs {
				r := &s.relocs[n]
				if symbols[r.symbol] == 0 && r.symbol != 0 {
					return fmt.Errorf("section %s: relocation at offset %d needs symbol %q, which describes the old code", s.name, r.offset, c.symbols[r.symbol].name)
				}
				r.symbol = symbols[r.symbol]
			}
		default:
			return fmt.Errorf("section %s: can not be renumbered, type %v", s.name, s.kind())
		}
		s.Link = sections[s.Link]
	}
	c.sections = kept
	c.symtab = int(sections[c.symtab])
	c.header.Shstrndx = uint16(sections[c.header.Shstrndx])
	c.symbols = c.sortedSymbols(symbols)
	return nil
}

// pruneSymbols numbers the symbols that stay, local ones first as ELF wants it,
// and moves them to their section's new number. A number of 0 says removed.
func (c *container) pruneSymbols(sections []uint32, drop func(i int) bool) ([]int, error) {
	numbers := make([]int, len(c.symbols))
	next := 1
	for _, local := range []bool{true, false} {
		for i := 1; i < len(c.symbols); i++ {
			s := &c.symbols[i]
			if local != (s.bind() == elf.STB_LOCAL) || drop(i) {
				continue
			}
			if s.section != elf.SHN_UNDEF && s.section < elf.SHN_LORESERVE {
				to := sections[s.section]
				if to == 0 {
					continue
				}
				s.section = elf.SectionIndex(to)
			}
			numbers[i] = next
			next++
		}
	}
	if next > 1<<31 {
		return nil, fmt.Errorf("symbol table: %d symbols", next)
	}
	return numbers, nil
}

// sortedSymbols puts the symbols in the order of their numbers.
func (c *container) sortedSymbols(numbers []int) []symbol {
	if len(c.symbols) == 0 {
		return nil
	}
	sorted := make([]symbol, slices.Max(numbers)+1)
	for i, n := range numbers {
		if n != 0 {
			sorted[n] = c.symbols[i]
		}
	}
	return sorted
}

// encodeELF puts a file together: sections in their order, then their headers.
func (c *container) encodeELF() ([]byte, error) {
	if len(c.sections) >= int(elf.SHN_LORESERVE) {
		return nil, fmt.Errorf("%d sections, ELF has room for %d", len(c.sections), elf.SHN_LORESERVE)
	}
	c.fillTables()
	size := headerSize
	for i := range c.sections {
		size += len(c.sections[i].data) + int(c.sections[i].Addralign) + binary.Size(elf.Section64{})
	}
	out := make([]byte, headerSize, size)
	for i := range c.sections {
		s := &c.sections[i]
		if s.kind() == elf.SHT_NULL {
			continue
		}
		out = pad(out, s.Addralign)
		s.Off = uint64(len(out))
		if s.kind() != elf.SHT_NOBITS {
			s.Size = uint64(len(s.data))
		}
		out = append(out, s.data...)
	}
	out = pad(out, 8)
	c.header.Shoff = uint64(len(out))
	c.header.Shnum = uint16(len(c.sections))
	for i := range c.sections {
		var err error
		if out, err = binary.Append(out, c.order, &c.sections[i].Section64); err != nil {
			return nil, fmt.Errorf("section header %d: %w", i, err)
		}
	}
	if _, err := binary.Encode(out, c.order, &c.header); err != nil {
		return nil, fmt.Errorf("ELF header: %w", err)
	}
	return out, nil
}

// fillTables renders names, symbols and relocations into their sections' data.
func (c *container) fillTables() {
	tables := make(map[int]*stringTable)
	table := func(i int) *stringTable {
		if tables[i] == nil {
			tables[i] = newStringTable(nil)
		}
		return tables[i]
	}
	for i := range c.sections {
		s := &c.sections[i]
		s.Name = table(int(c.header.Shstrndx)).add(s.name)
		if s.kind() != elf.SHT_REL {
			continue
		}
		s.data = make([]byte, 0, len(s.relocs)*relocSize)
		for _, r := range s.relocs {
			s.data = c.order.AppendUint64(s.data, r.offset)
			s.data = c.order.AppendUint64(s.data, uint64(r.symbol)<<32|uint64(r.kind))
		}
	}
	if c.symtab != 0 {
		symtab := &c.sections[c.symtab]
		names := table(int(symtab.Link))
		symtab.data = make([]byte, 0, len(c.symbols)*symbolSize)
		symtab.Info = 0
		for i := range c.symbols {
			s := &c.symbols[i]
			if s.bind() == elf.STB_LOCAL {
				symtab.Info = uint32(i + 1)
			}
			symtab.data = c.order.AppendUint32(symtab.data, names.add(s.name))
			symtab.data = append(symtab.data, s.info, s.other)
			symtab.data = c.order.AppendUint16(symtab.data, uint16(s.section))
			symtab.data = c.order.AppendUint64(symtab.data, s.value)
			symtab.data = c.order.AppendUint64(symtab.data, s.size)
		}
	}
	for i, t := range tables {
		c.sections[i].data = t.data
	}
}

func pad(out []byte, align uint64) []byte {
	for align > 1 && uint64(len(out))%align != 0 {
		out = append(out, 0)
	}
	return out
}

// stringTable is a string table being built.
type stringTable struct {
	data []byte
	at   map[string]uint32
}

// newStringTable starts a table; offsets into the given one stay valid.
func newStringTable(have []byte) *stringTable {
	if len(have) == 0 {
		have = []byte{0}
	}
	return &stringTable{data: slices.Clip(have), at: map[string]uint32{"": 0}}
}

func (t *stringTable) add(s string) uint32 {
	if at, ok := t.at[s]; ok {
		return at
	}
	at := uint32(len(t.data))
	t.at[s] = at
	t.data = append(append(t.data, s...), 0)
	return at
}
