package object

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/code"
)

// The parts of .BTF.ext (Documentation/bpf/btf.rst, "4.2 .BTF.ext section",
// Linux 6.12). All records start with the byte offset of an instruction in its
// section.
const (
	extFuncs = iota // type of a function
	extLines        // file, text, line and column
	extCORE         // type, access string, kind
	extParts
)

const extHeaderSize = 8 // magic, version, flags, header size; then offset and size of each part

// maxAccess is how deep a CO-RE record may reach (libbpf's
// BPF_CORE_SPEC_MAX_LEN, src/relo_core.h).
const maxAccess = 64

// recordWords is how much of a record we know, in 4-byte words.
var recordWords = [extParts]int{extFuncs: 2, extLines: 4, extCORE: 4}

// extInfo is what of .BTF.ext is no instruction's.
type extInfo struct {
	section    int
	header     []byte
	parts      int                     // how many the header has room for
	recordSize [extParts]int           // at least what recordWords says
	names      map[*codeSection]uint32 // their names in .BTF's strings
	// tails are the bytes after what we know of a record, where a newer compiler
	// writes more, by *code.Line, *code.CORE or *function.
	tails map[any][]byte
}

// hasUnknown tells whether the header names a part that is not empty and that
// nothing is known of. clang 9 names an empty one.
func (x *extInfo) hasUnknown(order byteOrder) bool {
	rest := x.header[extHeaderSize+8*x.parts:]
	for ; len(rest) >= 8; rest = rest[8:] {
		if order.Uint32(rest[4:]) != 0 {
			return true
		}
	}
	return slices.ContainsFunc(rest, func(b byte) bool { return b != 0 })
}

// readExt hangs the records of .BTF.ext on their instructions.
func (f *File) readExt() error {
	for i := range f.elf.sections {
		s := &f.elf.sections[i]
		if s.name != ".BTF.ext" || s.data == nil {
			continue
		}
		if f.ext != nil {
			return errors.New("section .BTF.ext: there are two")
		}
		if f.btf == 0 {
			return errors.New("section .BTF.ext: there is no .BTF that it refers to")
		}
		f.ext = &extInfo{section: i, names: make(map[*codeSection]uint32), tails: make(map[any][]byte)}
		r := &extReader{f: f, ext: f.ext}
		if err := r.read(s.data); err != nil {
			return fmt.Errorf("section .BTF.ext: %w", err)
		}
	}
	return nil
}

type extReader struct {
	f       *File
	ext     *extInfo
	strings string      // of .BTF
	lines   []code.Line // room for those of a section
}

func (r *extReader) read(data []byte) error {
	order := r.f.elf.order
	_, _, strs, err := btfParts(r.f.elf.sections[r.f.btf].data, order)
	if err != nil {
		return fmt.Errorf("strings of .BTF: %w", err)
	}
	r.strings = string(strs)
	if len(data) < extHeaderSize || order.Uint16(data) != btfMagic {
		return errors.New("no header")
	}
	size := uint64(order.Uint32(data[4:]))
	if size < extHeaderSize+8*2 || size > uint64(len(data)) {
		return fmt.Errorf("header of %d bytes in a section of %d", size, len(data))
	}
	r.ext.header, data = data[:size], data[size:]
	r.ext.parts = min(extParts, int(size-extHeaderSize)/8)
	for part := range r.ext.parts {
		off := uint64(order.Uint32(r.ext.header[extHeaderSize+8*part:]))
		n := uint64(order.Uint32(r.ext.header[extHeaderSize+8*part+4:]))
		if off+n > uint64(len(data)) {
			return fmt.Errorf("part %d: %d bytes at offset %d, after the header are %d", part, n, off, len(data))
		}
		if err := r.readPart(part, data[off:off+n]); err != nil {
			return err
		}
	}
	return nil
}

func (r *extReader) readPart(part int, data []byte) error {
	order := r.f.elf.order
	r.ext.recordSize[part] = 4 * recordWords[part]
	if len(data) == 0 {
		return nil
	}
	if len(data) < 4 {
		return fmt.Errorf("part %d: no record size", part)
	}
	size := uint64(order.Uint32(data))
	if size < uint64(4*recordWords[part]) || size%4 != 0 || size > uint64(len(data)) {
		return fmt.Errorf("part %d: records of %d bytes, want at least %d", part, size, 4*recordWords[part])
	}
	r.ext.recordSize[part] = int(size)
	for data = data[4:]; len(data) > 0; {
		if len(data) < 8 {
			return fmt.Errorf("part %d: truncated", part)
		}
		nameOff, n := order.Uint32(data), uint64(order.Uint32(data[4:]))
		name, err := cString(r.strings, nameOff)
		if err != nil {
			return fmt.Errorf("part %d: section name: %w", part, err)
		}
		data = data[8:]
		if n*size > uint64(len(data)) {
			return fmt.Errorf("part %d: section %s: %d records of %d bytes, %d bytes are left", part, name, n, size, len(data))
		}
		cs := r.f.byName[name]
		if cs == nil {
			return fmt.Errorf("part %d: section %s holds no code", part, name)
		}
		r.ext.names[cs] = nameOff
		if part == extLines {
			r.lines = make([]code.Line, 0, n)
		}
		for i := range n {
			if err := r.record(part, cs, data[i*size:(i+1)*size]); err != nil {
				return fmt.Errorf("part %d: section %s: record %d: %w", part, name, i, err)
			}
		}
		data = data[n*size:]
	}
	return nil
}

// record hangs one record on its instruction.
func (r *extReader) record(part int, cs *codeSection, rec []byte) error {
	word := func(i int) uint32 { return r.f.elf.order.Uint32(rec[4*i:]) }
	if r.f.overridden(cs, uint64(word(0))) {
		return nil
	}
	fn, insn := r.f.at(cs, uint64(word(0)))
	if insn < 0 {
		return fmt.Errorf("offset %d is not the start of an instruction of a function", word(0))
	}
	in := &r.f.unit.Funcs[fn].Insns[insn]
	tail := rec[4*recordWords[part]:]
	var err error
	switch part {
	case extFuncs:
		return r.funcInfo(fn, insn, rec)
	case extLines:
		if in.Line != nil {
			return fmt.Errorf("second source line at offset %d", word(0))
		}
		r.lines = append(r.lines, code.Line{FileOff: word(1), TextOff: word(2), Number: word(3) >> 10, Column: word(3) & 0x3ff})
		line := &r.lines[len(r.lines)-1]
		if line.File, err = cString(r.strings, line.FileOff); err != nil {
			return fmt.Errorf("file name: %w", err)
		}
		if line.Text, err = cString(r.strings, line.TextOff); err != nil {
			return fmt.Errorf("text of the line: %w", err)
		}
		in.Line = line
		if len(tail) > 0 {
			r.ext.tails[line] = tail
		}
	case extCORE:
		if in.CORE != nil {
			return fmt.Errorf("second CO-RE record at offset %d", word(0))
		}
		core := &code.CORE{TypeID: btf.TypeID(word(1)), AccessOff: word(2), Kind: code.COREKind(word(3))}
		if core.Type, err = r.f.unit.Types.TypeByID(core.TypeID); err != nil {
			return fmt.Errorf("type %d: %w", core.TypeID, err)
		}
		if core.Access, err = r.access(core.AccessOff); err != nil {
			return err
		}
		in.CORE = core
		if len(tail) > 0 {
			r.ext.tails[core] = tail
		}
	}
	return nil
}

func (r *extReader) funcInfo(fn int, insn int32, rec []byte) error {
	function := r.f.functions[fn]
	if insn != 0 || function.info != nil {
		return fmt.Errorf("not the start of a function, or a second one: instruction %d of %s", insn, r.f.unit.Funcs[fn].Name)
	}
	id := btf.TypeID(r.f.elf.order.Uint32(rec[4:]))
	t, err := r.f.unit.Types.TypeByID(id)
	if err != nil {
		return fmt.Errorf("type %d: %w", id, err)
	}
	ft, ok := t.(*btf.Func)
	if !ok {
		return fmt.Errorf("type %d is %v, want a function", id, t)
	}
	function.info = rec[4:]
	r.f.unit.Funcs[fn].Type = ft
	if f := r.f.unit.Funcs[fn]; f.Linkage == code.Global && ft.Linkage == btf.StaticFunc {
		f.Linkage = code.Static
	}
	return nil
}

func (r *extReader) access(at uint32) ([]int, error) {
	text, err := cString(r.strings, at)
	if err != nil {
		return nil, fmt.Errorf("access string: %w", err)
	}
	if strings.Count(text, ":") >= maxAccess {
		return nil, fmt.Errorf("access string: more than %d steps", maxAccess)
	}
	var access []int
	for part := range strings.SplitSeq(text, ":") {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return nil, fmt.Errorf("access string %q: want numbers with colons between them", text)
		}
		access = append(access, int(n))
	}
	return access, nil
}

// extBuilder collects the records of .BTF.ext while code is written.
type extBuilder struct {
	*extInfo
	order   byteOrder
	btf     *btfEdit
	records [extParts]map[*codeSection][]byte
}

func newExtBuilder(ext *extInfo, order byteOrder, edit *btfEdit) *extBuilder {
	b := &extBuilder{extInfo: ext, order: order, btf: edit}
	for part := range b.records {
		b.records[part] = make(map[*codeSection][]byte)
	}
	return b
}

func (b *extBuilder) function(cs *codeSection, offset uint64, fn *function) {
	if fn.info == nil {
		return
	}
	out := b.order.AppendUint32(b.records[extFuncs][cs], uint32(offset))
	b.records[extFuncs][cs] = append(out, fn.info...)
}

func (b *extBuilder) line(cs *codeSection, offset uint64, line *code.Line) {
	file, text := line.FileOff, line.TextOff
	if file == 0 {
		file = b.btf.strings.add(line.File)
	}
	if text == 0 {
		text = b.btf.strings.add(line.Text)
	}
	b.add(extLines, cs, line, uint32(offset), file, text, line.Number<<10|line.Column&0x3ff)
}

// core writes a record and returns the type that it is about.
func (b *extBuilder) core(cs *codeSection, offset uint64, core *code.CORE) (id uint32, err error) {
	if b.parts <= extCORE {
		return 0, errors.New(".BTF.ext is of a form without CO-RE records; compile with clang 10 or later")
	}
	access := core.AccessOff
	if access == 0 {
		access = b.btf.strings.add(accessString(core.Access))
	}
	if id = uint32(core.TypeID); id == 0 && core.Type != nil {
		if id, err = b.btf.addDeclared(core.Type); err != nil {
			return 0, err
		}
	}
	b.add(extCORE, cs, core, uint32(offset), id, access, uint32(core.Kind))
	return id, nil
}

func (b *extBuilder) add(part int, cs *codeSection, key any, words ...uint32) {
	out := b.records[part][cs]
	for _, w := range words {
		out = b.order.AppendUint32(out, w)
	}
	var tail []byte
	if more := b.recordSize[part] - 4*len(words); more > 0 {
		if tail = b.tails[key]; tail == nil {
			tail = make([]byte, more)
		}
	}
	b.records[part][cs] = append(out, tail...)
}

// bytes puts .BTF.ext together. A part without records is empty altogether:
// libbpf gives up on one that has a record size and no more
// (btf_ext_setup_info).
func (b *extBuilder) bytes(f *File) []byte {
	out := append([]byte(nil), b.header...)
	clear(out[extHeaderSize+8*b.parts:]) // parts that are empty, at offsets of the old file
	for part := range b.parts {
		start := len(out)
		for _, cs := range f.sections {
			records := b.records[part][cs]
			if len(records) == 0 {
				continue
			}
			if len(out) == start {
				out = b.order.AppendUint32(out, uint32(b.recordSize[part]))
			}
			name, known := b.names[cs]
			if !known {
				name = b.btf.strings.add(f.elf.sections[cs.index].name)
			}
			out = b.order.AppendUint32(out, name)
			out = b.order.AppendUint32(out, uint32(len(records)/b.recordSize[part]))
			out = append(out, records...)
		}
		b.order.PutUint32(out[extHeaderSize+8*part:], uint32(start-len(b.header)))
		b.order.PutUint32(out[extHeaderSize+8*part+4:], uint32(len(out)-start))
	}
	return out
}
