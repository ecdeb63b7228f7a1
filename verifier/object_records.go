package verifier

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The parts of .BTF.ext; what their records start with (Documentation/bpf/btf.rst,
// 4.2, Linux 6.12).
const (
	funcRecords = iota // type
	lineRecords        // file, text, line and column
	coreRecords        // type, access string, kind
	extParts
)

var (
	partNames = [extParts]string{"func record", "line record", "CO-RE record"}
	leastSize = [extParts]int{8, 16, 16}
)

const (
	extHeader = 8
	coreKinds = 13 // enum bpf_core_relo_kind
	maxAccess = 64 // BPF_CORE_SPEC_MAX_LEN in libbpf's relo_core.h
)

// record is one of .BTF.ext, by words.
type record struct {
	offset uint64
	words  [3]uint32
}

// recordPlace is where a record stands, in words only where something is wrong with
// it: there are as many as a program has lines.
type recordPlace struct {
	section string
	n       int
}

func (p recordPlace) String() string {
	return fmt.Sprintf(".BTF.ext: section %s: record %d", p.section, p.n)
}

// records takes a part of .BTF.ext apart, by the name of the section of code.
func (m *image) records(t *typeTable, part int) (map[string][]record, error) {
	out := map[string][]record{}
	if len(m.ext) < extHeader || m.order.Uint16(m.ext) != btfMagic {
		return nil, errors.New("has no header")
	}
	n := uint64(m.order.Uint32(m.ext[4:]))
	if n < extHeader || n > uint64(len(m.ext)) {
		return nil, fmt.Errorf("has a header of %d bytes", n)
	}
	if uint64(extHeader+8*part+8) > n {
		return out, nil // an old one has no CO-RE records
	}
	off, size := uint64(m.order.Uint32(m.ext[extHeader+8*part:])), uint64(m.order.Uint32(m.ext[extHeader+8*part+4:]))
	body := m.ext[n:]
	if off+size > uint64(len(body)) {
		return nil, fmt.Errorf("has %d bytes at %d, and %d in all", size, off, len(body))
	}
	if body = body[off : off+size]; len(body) == 0 {
		return out, nil
	}
	if len(body) < 4 {
		return nil, errors.New("is cut off")
	}
	each := uint64(m.order.Uint32(body))
	if each < uint64(leastSize[part]) || each%4 != 0 {
		return nil, fmt.Errorf("has records of %d bytes", each)
	}
	for body = body[4:]; len(body) > 0; {
		if len(body) < 8 {
			return nil, errors.New("is cut off")
		}
		name, ok := t.text(m.order.Uint32(body))
		count := uint64(m.order.Uint32(body[4:]))
		if body = body[8:]; !ok || count == 0 || count*each > uint64(len(body)) {
			return nil, fmt.Errorf("has %d records of section %q in %d bytes", count, name, len(body))
		}
		of := slices.Grow(out[name], int(count))
		for range count {
			r := record{offset: uint64(m.order.Uint32(body))}
			for k := 0; k < leastSize[part]/4-1; k++ {
				r.words[k] = m.order.Uint32(body[4+4*k:])
			}
			of = append(of, r)
			body = body[each:]
		}
		out[name] = of
	}
	return out, nil
}

// checkRecords: the records of .BTF.ext are sorted, each on an instruction, and say
// what makes sense there.
func (c *objectChecker) checkRecords() {
	if c.table == nil || c.ext == nil {
		if c.ext == nil && c.old.ext != nil {
			c.report("func record", ".BTF.ext", "is gone")
		}
		return
	}
	areas := map[string]*codeImage{}
	for _, a := range c.code {
		areas[a.name] = a
	}
	check := [extParts]func(where recordPlace, a *codeImage, r record){c.checkFuncRecord, c.checkLineRecord, c.checkCORERecord}
	for part := range extParts {
		records, err := c.records(c.table, part)
		if err != nil {
			c.report(partNames[part], ".BTF.ext", "%v", err)
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(records)) {
			if areas[name] == nil {
				c.report(partNames[part], ".BTF.ext", "is about section %q, which has no code", name)
				continue
			}
			last := -1
			for i, r := range records[name] {
				where := recordPlace{name, i}
				if int(r.offset) <= last {
					c.report(partNames[part], where.String(), "is at byte %d, the one before at %d", r.offset, last)
				}
				last = int(r.offset)
				if !areas[name].starts(r.offset) {
					c.report(partNames[part], where.String(), "is at byte %d, where no instruction starts", r.offset)
					continue
				}
				check[part](where, areas[name], r)
			}
		}
		c.compareRecords(part, records)
	}
}

func (c *objectChecker) checkFuncRecord(where recordPlace, a *codeImage, r record) {
	if !a.startsFunction(int(r.offset)) {
		c.report("func record", where.String(), "is at byte %d, where no function starts", r.offset)
	}
	if !c.table.valid(r.words[0]) || c.table.kind(r.words[0]) != kindFunc {
		c.report("func record", where.String(), "type %d is no function", r.words[0])
	}
}

func (c *objectChecker) checkLineRecord(where recordPlace, _ *codeImage, r record) {
	for _, at := range r.words[:2] {
		if !c.table.hasText(at) {
			c.report("line record", where.String(), "has a text at byte %d of %d", at, len(c.table.strings))
		}
	}
}

func (c *objectChecker) checkCORERecord(where recordPlace, a *codeImage, r record) {
	const rule = "CO-RE record"
	if in := c.slotAt(a, int(r.offset/slot)); !in.patchable() {
		c.report(rule, where.String(), "opcode %#x has nothing that a loader could put the answer into", in.op)
	}
	if r.words[0] != 0 && !c.table.valid(r.words[0]) {
		c.report(rule, where.String(), "is about type %d, there are %d", r.words[0], len(c.table.records))
	}
	if r.words[2] >= coreKinds {
		c.report(rule, where.String(), "is of kind %d, which does not exist", r.words[2])
	}
	text, ok := c.table.text(r.words[1])
	steps := strings.Split(text, ":")
	for _, s := range steps {
		_, err := strconv.ParseUint(s, 10, 31)
		ok = ok && err == nil
	}
	if !ok || len(steps) > maxAccess {
		c.report(rule, where.String(), "has access %q, wanted numbers with colons between them", text)
	}
}

// compareRecords: a function that had a type has the same one, and one that has
// source lines starts with one.
func (c *objectChecker) compareRecords(part int, now map[string][]record) {
	switch part {
	case funcRecords:
		before, after := c.functionTypes(c.old, nil), c.functionTypes(c.image, now)
		for _, n := range c.codeSections() {
			for _, f := range c.code[n].funcs {
				if key := [2]string{c.code[n].name, f.name}; before[key] != after[key] {
					c.report("func record", ".BTF.ext", "function %s of section %s had type %d and has %d", f.name, key[0], before[key], after[key])
				}
			}
		}
	case lineRecords:
		for _, n := range c.codeSections() {
			c.checkFirstLines(c.code[n], now[c.code[n].name])
		}
	}
}

// functionTypes is the type that func records give, by section and function.
func (c *objectChecker) functionTypes(m *image, records map[string][]record) map[[2]string]uint32 {
	if records == nil {
		t, err := readTypes(m.btf, m.order)
		if err != nil {
			return nil
		}
		if records, err = m.records(t, funcRecords); err != nil {
			return nil
		}
	}
	out := map[[2]string]uint32{}
	for _, a := range m.code {
		for _, r := range records[a.name] {
			if f := a.function(r.offset); f != nil && f.start == r.offset {
				out[[2]string{a.name, f.name}] = r.words[0]
			}
		}
	}
	return out
}

// checkFirstLines walks functions and lines together: both are sorted.
func (c *objectChecker) checkFirstLines(a *codeImage, lines []record) {
	for _, f := range a.funcs {
		for len(lines) > 0 && lines[0].offset < f.start {
			lines = lines[1:]
		}
		if len(lines) > 0 && lines[0].offset > f.start && lines[0].offset < f.end {
			c.report("line record", fmt.Sprintf("section %s: function %s", a.name, f.name),
				"starts at byte %d and its first line at %d", f.start, lines[0].offset)
		}
	}
}
