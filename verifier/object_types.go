package verifier

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// typeTable is .BTF taken apart (Documentation/bpf/btf.rst, linux/btf.h of 6.12).
type typeTable struct {
	order   binary.ByteOrder
	records [][]byte // of type 1 and on
	strings []byte
}

const (
	btfMagic  = 0xeb9f
	btfHeader = 24
	btfRecord = 12 // name, info, size or type

	kindInt      = 1
	kindPtr      = 2
	kindArray    = 3
	kindStruct   = 4
	kindUnion    = 5
	kindEnum     = 6
	kindFwd      = 7
	kindFloat    = 16
	kindFunc     = 12
	kindProto    = 13
	kindVar      = 14
	kindDatasec  = 15
	kindDeclTag  = 17
	kindEnum64   = 19
	kindsThere   = 20
	btfEntrySize = 12 // of a struct's member, a section's variable, a 64-bit enum's value
)

// readTypes checks the header and cuts the records.
func readTypes(data []byte, order binary.ByteOrder) (*typeTable, error) {
	if len(data) < btfHeader || order.Uint16(data) != btfMagic || data[2] != 1 {
		return nil, errors.New("has no header of version 1")
	}
	n := uint64(order.Uint32(data[4:]))
	if n < btfHeader || n > uint64(len(data)) {
		return nil, fmt.Errorf("has a header of %d bytes", n)
	}
	body := data[n:]
	part := func(at int) ([]byte, error) {
		off, size := uint64(order.Uint32(data[at:])), uint64(order.Uint32(data[at+4:]))
		if off%4 != 0 && at == 8 || off+size > uint64(len(body)) {
			return nil, fmt.Errorf("has %d bytes at %d, and %d in all", size, off, len(body))
		}
		return body[off : off+size], nil
	}
	types, err := part(8)
	if err != nil {
		return nil, err
	}
	t := &typeTable{order: order}
	if t.strings, err = part(16); err != nil {
		return nil, err
	}
	if len(t.strings) == 0 || t.strings[0] != 0 || t.strings[len(t.strings)-1] != 0 {
		return nil, errors.New("has strings that do not start and end with a zero")
	}
	for len(types) > 0 {
		size := t.recordSize(types)
		if size == 0 || size > len(types) {
			return nil, fmt.Errorf("type %d: is cut off, or of an unknown kind", len(t.records)+1)
		}
		t.records = append(t.records, types[:size])
		types = types[size:]
	}
	return t, nil
}

// recordSize is that of the first record, 0: of no kind that is known.
func (t *typeTable) recordSize(types []byte) int {
	if len(types) < btfRecord {
		return 0
	}
	info := t.order.Uint32(types[4:])
	n := int(info & 0xffff)
	switch kind := info >> 24 & 0x1f; kind {
	case kindInt, kindVar, kindDeclTag:
		return btfRecord + 4
	case kindArray:
		return btfRecord + 12
	case kindStruct, kindUnion, kindDatasec, kindEnum64:
		return btfRecord + btfEntrySize*n
	case kindEnum, kindProto:
		return btfRecord + 8*n
	default:
		if kind == 0 || kind >= kindsThere {
			return 0
		}
		return btfRecord
	}
}

func (t *typeTable) word(id uint32, at int) uint32 { return t.order.Uint32(t.records[id-1][4*at:]) }
func (t *typeTable) kind(id uint32) uint32         { return t.word(id, 1) >> 24 & 0x1f }
func (t *typeTable) valid(id uint32) bool          { return id >= 1 && id <= uint32(len(t.records)) }

// hasText tells whether there is a string at an offset.
func (t *typeTable) hasText(at uint32) bool { return uint64(at) < uint64(len(t.strings)) }

// text returns a string by its offset.
func (t *typeTable) text(at uint32) (string, bool) {
	if !t.hasText(at) {
		return "", false
	}
	text, _, _ := bytes.Cut(t.strings[at:], []byte{0})
	return string(text), true
}

func (t *typeTable) name(id uint32) string {
	name, _ := t.text(t.word(id, 0))
	return name
}

// mentions lists the names, by their offsets, and the types that a record is made
// of.
func (t *typeTable) mentions(id uint32) (names, types []uint32) {
	names = []uint32{t.word(id, 0)}
	rest := (len(t.records[id-1]) - btfRecord) / 4
	entry := func(size, name, typ int) {
		for at := 3; at+size <= 3+rest; at += size {
			if name >= 0 {
				names = append(names, t.word(id, at+name))
			}
			if typ >= 0 {
				types = append(types, t.word(id, at+typ))
			}
		}
	}
	switch t.kind(id) {
	case kindInt, kindFloat, kindFwd:
	case kindArray:
		types = append(types, t.word(id, 3), t.word(id, 4))
	case kindStruct, kindUnion:
		entry(3, 0, 1)
	case kindEnum:
		entry(2, 0, -1)
	case kindEnum64:
		entry(3, 0, -1)
	case kindProto:
		types = append(types, t.word(id, 2))
		entry(2, 0, 1)
	case kindDatasec:
		entry(3, -1, 0)
	default:
		types = append(types, t.word(id, 2))
	}
	return names, types
}

// section finds a DATASEC, 0: none.
func (t *typeTable) section(name string) uint32 {
	for id := uint32(1); t.valid(id); id++ {
		if t.kind(id) == kindDatasec && t.name(id) == name {
			return id
		}
	}
	return 0
}

// entries lists a DATASEC's: type, offset and size.
func (t *typeTable) entries(id uint32) (out [][3]uint32) {
	for at := 3; 4*at < len(t.records[id-1]); at += 3 {
		out = append(out, [3]uint32{t.word(id, at), t.word(id, at+1), t.word(id, at+2)})
	}
	return out
}

// declared lists what a DATASEC declares, by name.
func (t *typeTable) declared(section string) (out []string) {
	if id := t.section(section); id != 0 {
		for _, e := range t.entries(id) {
			if t.valid(e[0]) {
				out = append(out, t.name(e[0]))
			}
		}
	}
	return out
}

// checkTypes: .BTF is whole; types and strings have the numbers that they had, for
// other sections and the program know them by these; and what is declared extern is
// what symbols ask for.
func (c *objectChecker) checkTypes() {
	const rule, where = "types", ".BTF"
	if (c.btf == nil) != (c.old.btf == nil) {
		c.report(rule, where, "came or went")
		return
	}
	if c.btf == nil {
		return
	}
	old, err := readTypes(c.old.btf, c.old.order)
	if err != nil {
		return // of a program that no loader takes
	}
	if c.table, err = readTypes(c.btf, c.order); err != nil {
		c.report(rule, where, "%v", err)
		return
	}
	for id := uint32(1); c.table.valid(id); id++ {
		names, types := c.table.mentions(id)
		for _, at := range names {
			if !c.table.hasText(at) {
				c.report(rule, where, "type %d has a name at byte %d of %d", id, at, len(c.table.strings))
			}
		}
		for _, to := range types {
			if to != 0 && !c.table.valid(to) {
				c.report(rule, where, "type %d is made of type %d, there are %d", id, to, len(c.table.records))
			}
		}
	}
	if !bytes.HasPrefix(c.table.strings, old.strings) {
		c.report(rule, where, "strings do not start with those from before")
	}
	if len(c.table.records) < len(old.records) {
		c.report(rule, where, "has %d types, there were %d", len(c.table.records), len(old.records))
		return
	}
	c.sameTypes(old)
	c.checkDeclared()
}

// sameTypes: a type is what it was, but for the declaration of an extern that is
// gone, which is a pointer now and declares nothing.
func (c *objectChecker) sameTypes(old *typeTable) {
	needed, was := c.undefined(), c.old.undefined()
	dropped := func(id uint32) bool {
		return old.valid(id) && (old.kind(id) == kindFunc || old.kind(id) == kindVar) && was[old.name(id)] && !needed[old.name(id)]
	}
	for id := uint32(1); old.valid(id); id++ {
		if bytes.Equal(old.records[id-1], c.table.records[id-1]) {
			continue
		}
		switch name := old.name(id); {
		case old.kind(id) == kindDatasec && (name == ".ksyms" || name == ".kconfig"):
			if c.table.kind(id) == kindPtr || c.table.kind(id) == kindDatasec && c.table.name(id) == name {
				continue // checkDeclared says what is in it
			}
		case dropped(id), old.kind(id) == kindDeclTag && dropped(old.word(id, 2)):
			if c.table.kind(id) == kindPtr {
				continue
			}
		}
		c.report("types", ".BTF", "type %d %q is not what it was", id, old.name(id))
	}
}

// checkDeclared: libbpf wants a symbol for each extern that is declared, and one
// declaration for each it looks for (bpf_object__collect_externs); and variables
// inside their section.
func (c *objectChecker) checkDeclared() {
	const rule, where = "types", ".BTF"
	needed := c.undefined()
	for _, section := range []string{".ksyms", ".kconfig"} {
		seen := map[string]bool{}
		for _, name := range c.table.declared(section) {
			if !needed[name] || seen[name] {
				c.report(rule, where, "%s declares %s, which no symbol asks for, or twice", section, name)
			}
			seen[name] = true
		}
	}
	s, id := c.named(tableSection), c.table.section(tableSection)
	if s == nil || id == 0 {
		return
	}
	if uint64(c.table.word(id, 2)) != s.Size {
		c.report(rule, where, "%s has %d bytes by its type, and %d", tableSection, c.table.word(id, 2), s.Size)
	}
	end := uint64(0)
	for _, e := range c.table.entries(id) {
		if from, to := uint64(e[1]), uint64(e[1])+uint64(e[2]); from < end || to > s.Size {
			c.report(rule, where, "%s has a variable at bytes %d to %d of %d, or over another", tableSection, from, to, s.Size)
		} else {
			end = to
		}
	}
}
