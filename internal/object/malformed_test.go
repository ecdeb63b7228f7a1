package object_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/object"
)

const exampleObject = "../../bpf/examples/l4lb.el.o"

func example(t testing.TB) []byte {
	t.Helper()
	raw, err := os.ReadFile(exampleObject)
	require.NoError(t, err)
	return raw
}

// patcher finds places in an object by name. Everything is little endian.
type patcher struct {
	testing.TB
	raw []byte
	elf *elf.File
}

func newPatcher(t testing.TB, raw []byte) *patcher {
	t.Helper()
	raw = bytes.Clone(raw)
	f, err := elf.NewFile(bytes.NewReader(raw))
	require.NoError(t, err)
	return &patcher{t, raw, f}
}

func (p *patcher) index(name string) int {
	for i, s := range p.elf.Sections {
		if s.Name == name {
			return i
		}
	}
	require.Fail(p, "no section "+name)
	return 0
}

// header is the header of a section: type at 4, offset 24, size 32, link 40,
// info 44, alignment 48, entry size 56.
func (p *patcher) header(name string) []byte {
	return p.raw[binary.LittleEndian.Uint64(p.raw[40:])+uint64(64*p.index(name)):]
}

func (p *patcher) data(name string) []byte {
	s := p.elf.Sections[p.index(name)]
	return p.raw[s.Offset : s.Offset+s.Size]
}

// symbol is a symbol's entry: info at 4, section 6, value 8, size 16.
func (p *patcher) symbol(name string) []byte {
	syms, err := p.elf.Symbols()
	require.NoError(p, err)
	for i, s := range syms {
		if s.Name == name {
			return p.data(".symtab")[24*(i+1):]
		}
	}
	require.Fail(p, "no symbol "+name)
	return nil
}

// extPart is a part of .BTF.ext: 0 functions, 1 lines, 2 CO-RE.
func (p *patcher) extPart(part int) []byte {
	ext := p.data(".BTF.ext")
	return ext[binary.LittleEndian.Uint32(ext[4:])+binary.LittleEndian.Uint32(ext[8+8*part:]):]
}

func put16(b []byte, v uint16) { binary.LittleEndian.PutUint16(b, v) }
func put32(b []byte, v uint32) { binary.LittleEndian.PutUint32(b, v) }
func put64(b []byte, v uint64) { binary.LittleEndian.PutUint64(b, v) }

func TestMalformed(t *testing.T) {
	goTo := func(p *patcher, section string, offset int, distance int16) {
		code := p.data(section)[offset:]
		code[0], code[1] = 0x05, 0
		put16(code[2:], uint16(distance))
	}
	for _, c := range []struct {
		name  string
		patch func(p *patcher)
		want  string
	}{
		{"not ELF", func(p *patcher) { p.raw[0] = 'x' }, "not an ELF file"},
		{"32 bit", func(p *patcher) { p.raw[elf.EI_CLASS] = 1 }, "ELF header: class ELFCLASS32, want 64-bit"},
		{"no byte order", func(p *patcher) { p.raw[elf.EI_DATA] = 7 }, "ELF header: byte order"},
		{"x86", func(p *patcher) { put16(p.raw[18:], 62) }, "ELF header: made for EM_X86_64, want BPF"},
		{"linked", func(p *patcher) { put16(p.raw[16:], 2) }, "want a relocatable object"},
		{"no sections", func(p *patcher) { put16(p.raw[60:], 0) }, "ELF header: no sections"},
		{"sections not numbered in the header", func(p *patcher) {
			put64(p.raw[binary.LittleEndian.Uint64(p.raw[40:])+32:], 70000)
			put16(p.raw[60:], 0)
		}, "ELF header: 70000 sections, up to 65279 can be read"},
		{"section headers far away", func(p *patcher) { put64(p.raw[40:], 1<<63) }, "section headers: truncated"},
		{"names nowhere", func(p *patcher) { put16(p.raw[62:], 200) }, "names of sections in section 200"},
		{"names in code", func(p *patcher) { put16(p.raw[62:], uint16(p.index("xdp"))) }, "want a string table"},
		{"section name", func(p *patcher) { put32(p.header("xdp"), 1<<30) }, "name: offset 1073741824 in a string table"},
		{"section size", func(p *patcher) { put64(p.header("xdp")[32:], 1<<60) }, "bytes at offset"},
		{"sections overlap", func(p *patcher) {
			for _, name := range []string{"xdp", ".maps", ".BTF"} {
				put64(p.header(name)[24:], 0)
				put64(p.header(name)[32:], uint64(len(p.raw)/2))
			}
		}, "sections overlap"},
		{"alignment", func(p *patcher) { put64(p.header("xdp")[48:], 24) }, "section xdp: alignment 24"},
		{"link", func(p *patcher) { put32(p.header(".symtab")[40:], 99) }, "section .symtab: linked to section 99"},
		{"compressed", func(p *patcher) { p.header("xdp")[8+1] |= 8 }, "section xdp: is compressed"},
		{"symbol size", func(p *patcher) { put64(p.header(".symtab")[56:], 20) }, "section .symtab:"},
		{"symbol name", func(p *patcher) { put32(p.symbol("l4lb"), 1<<20) }, "name: offset 1048576 in a string table"},
		{"symbol's section", func(p *patcher) { put16(p.symbol("l4lb")[6:], 99) }, `"l4lb": in section 99`},
		{"empty function", func(p *patcher) { put64(p.symbol("l4lb")[16:], 0) }, "function l4lb: no instructions"},
		{"long function", func(p *patcher) { put64(p.symbol("l4lb")[16:], 1<<63) }, "function l4lb: bytes 0 to"},
		{"odd function", func(p *patcher) { put64(p.symbol("l4lb")[8:], 4); put64(p.symbol("l4lb")[16:], 8) }, "function l4lb: at offset 4, want a multiple of 8"},
		{"half an instruction", func(p *patcher) { put64(p.symbol("l4lb")[16:], 12) }, "no whole number of instructions"},
		{"function without type", func(p *patcher) { p.symbol("l4lb")[4] &^= 0xf }, "in a section without functions: no symbol of type FUNC"},
		{"overlap", func(p *patcher) {
			other := p.symbol("LICENSE")
			copy(other[4:24], p.symbol("l4lb")[4:24])
		}, "section xdp: functions"},
		{"branch out", func(p *patcher) { goTo(p, "xdp", 0, 30000) }, "function l4lb: instruction 0: branch out of the function, to slot 30001"},
		{"branch before", func(p *patcher) { goTo(p, "xdp", 0, -2) }, "branch out of the function, to slot -1"},
		{"branch into a wide load", func(p *patcher) { goTo(p, "xdp", 0, 7) }, "branch into the middle of a wide load, slot 8"},
		{"relocated section", func(p *patcher) { put32(p.header(".relxdp")[44:], 99) }, "section .relxdp: relocates section 99"},
		{"relocation's symbol", func(p *patcher) { put32(p.data(".relxdp")[12:], 9999) }, "section .relxdp: relocation 0: symbol 9999"},
		{"relocation outside", func(p *patcher) { put64(p.data(".relxdp"), 1<<40) }, "section .relxdp: relocation 0: at offset"},
		{"relocation between", func(p *patcher) { put64(p.data(".relxdp"), 4) }, "is not the start of an instruction"},
		{"relocation of neither call nor load", func(p *patcher) { put32(p.data(".relxdp")[8:], 2) }, "type 2 on instruction"},
		{"relocation twice", func(p *patcher) { copy(p.data(".relxdp")[16:32], p.data(".relxdp")) }, "second one for instruction"},
		{"relocations with addends", func(p *patcher) { put32(p.header(".relxdp")[4:], 4) }, "SHT_RELA"},
		{"BTF", func(p *patcher) { p.data(".BTF")[0] = 0 }, "section .BTF:"},
		{"BTF.ext", func(p *patcher) { p.data(".BTF.ext")[0] = 0 }, "section .BTF.ext: no header"},
		{"BTF.ext header", func(p *patcher) { put32(p.data(".BTF.ext")[4:], 1<<31) }, "section .BTF.ext: header of"},
		{"BTF.ext part", func(p *patcher) { put32(p.data(".BTF.ext")[12:], 1<<31) }, "section .BTF.ext: part 0:"},
		{"record size", func(p *patcher) { put32(p.extPart(1), 4) }, "part 1: records of 4 bytes, want at least 16"},
		{"record count", func(p *patcher) { put32(p.extPart(1)[8:], 1<<31) }, "part 1: section xdp: 2147483648 records"},
		{"record's section", func(p *patcher) { put32(p.extPart(1)[4:], 1<<31) }, "part 1: section name"},
		{"record between", func(p *patcher) { put32(p.extPart(1)[12:], 4) }, "part 1: section xdp: record 0: offset 4 is not the start"},
		{"file name", func(p *patcher) { put32(p.extPart(1)[16:], 1<<31) }, "file name: offset"},
		{"line twice", func(p *patcher) { copy(p.extPart(1)[28:44], p.extPart(1)[12:]) }, "second source line at offset 0"},
		{"function's type", func(p *patcher) { put32(p.extPart(0)[16:], 1) }, "want a function"},
		{"CO-RE type", func(p *patcher) { put32(p.extPart(2)[16:], 1<<20) }, "part 2: section xdp: record 0: type 1048576"},
		{"CO-RE access", func(p *patcher) { put32(p.extPart(2)[20:], 1) }, `access string "`},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPatcher(t, example(t))
			c.patch(p)
			_, err := object.Parse(p.raw)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestEmpty(t *testing.T) {
	_, err := object.Parse(nil)
	require.ErrorContains(t, err, "empty file, want a BPF object")
}

func TestTruncated(t *testing.T) {
	raw := example(t)
	for n := range raw {
		_, err := object.Parse(raw[:n])
		require.Error(t, err, "%d bytes of %d", n, len(raw))
	}
}

func TestExternWithoutTypes(t *testing.T) {
	raw := compile(t, "testdata/externs.c", host, "-g0")
	_, err := object.Parse(raw)
	require.ErrorContains(t, err, "bpf_rcu_read_lock is extern and the object has no .BTF to declare it; compile with -g")
	require.ErrorContains(t, err, "function prog: instruction 1")
}

// Whatever the bytes are: an error, or a file that comes back as it was.
func FuzzParse(f *testing.F) {
	for _, path := range examples(f) {
		raw, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Fuzz(requireReturns)
}

// The same where single numbers in sections are others: what FuzzParse makes is
// seldom read beyond its headers. A patch is a section, a place in it, how many
// bytes, and these.
func FuzzSections(f *testing.F) {
	var objects [][]byte
	for i, path := range examples(f) {
		raw, err := os.ReadFile(path)
		require.NoError(f, err)
		objects = append(objects, raw)
		for section := range byte(16) {
			f.Add(byte(i), []byte{section, 0, 4 * section, section, 0, 0, 0, 0, section + 1, 0, 16, 0, 1, 0, 0, 0})
		}
	}
	f.Fuzz(func(t *testing.T, base byte, patches []byte) {
		p := newPatcher(t, objects[int(base)%len(objects)])
		for ; len(patches) >= 8; patches = patches[8:] {
			s := p.elf.Sections[int(patches[0])%len(p.elf.Sections)]
			if s.Size == 0 || s.Type == elf.SHT_NOBITS {
				continue
			}
			at := s.Offset + uint64(binary.BigEndian.Uint16(patches[1:]))%s.Size
			copy(p.raw[at:min(at+1+uint64(patches[3]%4), s.Offset+s.Size)], patches[4:8])
		}
		requireReturns(t, p.raw)
	})
}

func requireReturns(t *testing.T, raw []byte) {
	file, err := object.Parse(raw)
	if err != nil {
		return
	}
	u := file.Unit()
	out, err := file.Encode(u)
	require.NoError(t, err)
	require.True(t, bytes.Equal(raw, out))
	// Changed, it may be refused; it must not panic, nor come out unreadable.
	padOut(u, 1)
	if out, err = file.Encode(u); err != nil {
		return
	}
	_, err = object.Parse(out)
	require.NoError(t, err)
}
