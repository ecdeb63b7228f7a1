package verifier_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/rewrite"
	"github.com/hintjit/hintjit/verifier"
)

// rewritten is an example and what became of it: with tables, CO-RE records and
// externs of a walk, for any kernel.
func rewritten(t testing.TB) (before, after []byte) {
	t.Helper()
	before, err := os.ReadFile("../bpf/examples/l4lb.el.o")
	require.NoError(t, err)
	after, _, err = rewrite.Object(before, rewrite.Options{NIC: "i40e", Reach: rewrite.Walk})
	require.NoError(t, err)
	return before, after
}

var gone = []string{"hintjit_rx"}

// patcher finds places in an object's bytes.
type patcher struct {
	t    testing.TB
	raw  []byte
	file *elf.File
}

func newPatcher(t testing.TB, raw []byte) *patcher {
	t.Helper()
	p := &patcher{t: t, raw: bytes.Clone(raw)}
	var err error
	p.file, err = elf.NewFile(bytes.NewReader(p.raw))
	require.NoError(t, err)
	return p
}

func (p *patcher) section(name string) []byte {
	s := p.file.Section(name)
	require.NotNil(p.t, s, name)
	return p.raw[s.Offset : s.Offset+s.Size]
}

// header is the section's header.
func (p *patcher) header(name string) []byte {
	i := slices.IndexFunc(p.file.Sections, func(s *elf.Section) bool { return s.Name == name })
	return p.raw[int(binary.LittleEndian.Uint64(p.raw[40:]))+64*i:][:64]
}

// symbol is the entry of a symbol.
func (p *patcher) symbol(is func(s elf.Symbol) bool) []byte {
	symbols, err := p.file.Symbols()
	require.NoError(p.t, err)
	i := slices.IndexFunc(symbols, is)
	require.GreaterOrEqual(p.t, i, 0)
	return p.section(".symtab")[24*(i+1):][:24]
}

func isFunc(s elf.Symbol) bool { return elf.ST_TYPE(s.Info) == elf.STT_FUNC }

// records are those of part of .BTF.ext about its first section.
func (p *patcher) records(part, size int) []byte {
	ext := p.section(".BTF.ext")
	off := binary.LittleEndian.Uint32(ext[8+8*part:])
	return ext[binary.LittleEndian.Uint32(ext[4:])+off+12:]
}

// instruction is the first that is such, of section xdp.
func (p *patcher) instruction(is func(b []byte) bool) []byte {
	for code := p.section("xdp"); len(code) > 0; code = code[8:] {
		if is(code) {
			return code
		}
	}
	p.t.Fatal("no such instruction")
	return nil
}

func opcode(op byte) func([]byte) bool { return func(b []byte) bool { return b[0] == op } }

func put(b []byte, v uint32)  { binary.LittleEndian.PutUint32(b, v) }
func get(b []byte) uint32     { return binary.LittleEndian.Uint32(b) }
func add(b []byte, n uint32)  { put(b, get(b)+n) }
func types(b []byte) []byte   { return b[get(b[4:]):] }
func strs(btf []byte) []byte  { return btf[get(btf[4:])+get(btf[16:]):] }
func wide(p *patcher) []byte  { return p.instruction(opcode(0x18)) }
func funcs(p *patcher) []byte { return p.records(0, 8) }
func lines(p *patcher) []byte { return p.records(1, 16) }
func cores(p *patcher) []byte { return p.records(2, 16) }

var objectFaults = []struct {
	name  string
	patch func(p *patcher)
	want  string
}{
	{"an ELF header", func(p *patcher) { p.raw[0] = 0 }, "the file: ELF: "},
	{"data", func(p *patcher) { p.section("license")[0] ^= 1 }, "license: section: has other bytes than before"},
	{"a section's name", func(p *patcher) {
		copy(p.raw[bytes.Index(p.raw, []byte("\x00license\x00")):], "\x00licence\x00")
	}, "license: section: is gone, or stands elsewhere"},
	{"a section's flags", func(p *patcher) { p.header("license")[8] ^= 1 }, "license: section: was "},
	{"a function's start", func(p *patcher) { add(p.symbol(isFunc)[8:], 4) }, "symbol: starts at byte 4, where no instruction does"},
	{"a function's end", func(p *patcher) { add(p.symbol(isFunc)[16:], 8) }, "symbol: ends at byte "},
	{"a function's name", func(p *patcher) { add(p.symbol(isFunc), 1) }, "symbol: is not what it was in section xdp"},
	{"two of one name", func(p *patcher) {
		global := func(s elf.Symbol) bool { return elf.ST_BIND(s.Info) == elf.STB_GLOBAL && s.Section != elf.SHN_UNDEF }
		one := p.symbol(global)
		other := p.symbol(func(s elf.Symbol) bool {
			return global(s) && !bytes.Equal(p.symbol(func(o elf.Symbol) bool { return o.Name == s.Name }), one)
		})
		put(other, get(one))
	}, "symbol: is there twice"},
	{"how many are local", func(p *patcher) { p.header(".symtab")[44]++ }, ".symtab: symbol: says that "},
	{"a local one behind", func(p *patcher) { s := p.section(".symtab"); s[len(s)-24+4] &= 0xf }, "symbol: is local, and stands behind global ones"},
	{"the second half of a wide load", func(p *patcher) { wide(p)[8] = 0x95 }, "instruction: is a wide load whose second half is an instruction"},
	{"a wide load at the end", func(p *patcher) { c := p.section("xdp"); c[len(c)-8] = 0x18 }, "instruction: is a wide load without its second half"},
	{"a branch far away", func(p *patcher) { put(p.instruction(opcode(0x05)), 0x7fff0005) }, "jump: leads to byte "},
	{"a branch into a wide load", func(p *patcher) {
		code := p.section("xdp")
		for at := 0; ; at += 8 {
			if code[at] == 0x18 {
				at += 8
			} else if code[at+8] == 0x18 {
				copy(code[at:], []byte{5, 0, 1, 0, 0, 0, 0, 0})
				return
			}
		}
	}, "jump: leads to byte "},
	{"a call of no function", func(p *patcher) {
		copy(p.instruction(opcode(0xb7)), []byte{0x85, 0x10, 0, 0, 1, 0, 0, 0})
	}, "jump: calls what is at byte "},
	{"a relocation beyond the code", func(p *patcher) { put(p.section(".relxdp"), 1<<20) }, "relocation: is at byte 1048576 of "},
	{"a relocation between instructions", func(p *patcher) { add(p.section(".relxdp"), 4) }, "where no instruction starts"},
	{"a relocation of a wide load's second half", func(p *patcher) {
		for r := p.section(".relxdp"); ; r = r[16:] {
			if get(r[8:]) == 1 {
				add(r, 8)
				return
			}
		}
	}, "where no instruction starts"},
	{"two relocations", func(p *patcher) { r := p.section(".relxdp"); copy(r[16:24], r[:8]) }, "relocation: is the second one at byte "},
	{"a relocation's type", func(p *patcher) { p.section(".relxdp")[8] ^= 11 }, "relocation: type "},
	{"a relocation's symbol", func(p *patcher) { put(p.section(".relxdp")[12:], 1000) }, "relocation: symbol 1000 of "},
	{"a func record's place", func(p *patcher) { add(funcs(p), 8) }, "func record: is at byte 8, where no function starts"},
	{"a func record's type", func(p *patcher) { put(funcs(p)[4:], 1) }, "func record: type 1 is no function"},
	{"a func record that is gone", func(p *patcher) { put(p.section(".BTF.ext")[12:], 0) }, "func record: function "},
	{"a line record's place", func(p *patcher) { add(lines(p)[16:], 4) }, "line record: is at byte "},
	{"line records out of order", func(p *patcher) { put(lines(p)[16:], 0) }, "line record: is at byte 0, the one before at 0"},
	{"a function's first line", func(p *patcher) { put(lines(p), 8) }, "line record: starts at byte 0 and its first line at 8"},
	{"a line's text", func(p *patcher) { put(lines(p)[8:], 1<<24) }, "line record: has a text at byte 16777216 of "},
	{"a CO-RE record's place", func(p *patcher) { add(cores(p), 4) }, "CO-RE record: is at byte "},
	{"a CO-RE record's instruction", func(p *patcher) {
		copy(p.section("xdp")[get(cores(p)):], []byte{0xbf, 0x60, 0, 0, 0, 0, 0, 0})
	}, "CO-RE record: opcode 0xbf has nothing that a loader could put the answer into"},
	{"a CO-RE record's type", func(p *patcher) { put(cores(p)[4:], 1<<20) }, "CO-RE record: is about type 1048576, there are "},
	{"a CO-RE record's access", func(p *patcher) { add(cores(p)[8:], 1) }, "CO-RE record: has access "},
	{"a CO-RE record's kind", func(p *patcher) { put(cores(p)[12:], 13) }, "CO-RE record: is of kind 13, which does not exist"},
	{"the header of .BTF.ext", func(p *patcher) { p.section(".BTF.ext")[0] = 0 }, "func record: has no header"},
	{"the header of .BTF", func(p *patcher) { p.section(".BTF")[0] = 0 }, ".BTF: types: has no header"},
	{"a type", func(p *patcher) { types(p.section(".BTF"))[0] ^= 1 }, ".BTF: types: type 1 "},
	{"a type's kind", func(p *patcher) { types(p.section(".BTF"))[7] = 31 }, ".BTF: types: type 1: is cut off, or of an unknown kind"},
	{"a string", func(p *patcher) { strs(p.section(".BTF"))[1] ^= 1 }, ".BTF: types: strings do not start with those from before"},
	{"an extern that no symbol asks for", func(p *patcher) {
		add(p.symbol(func(s elf.Symbol) bool { return s.Name == "bpf_rdonly_cast" }), 1)
	}, ".BTF: types: .ksyms declares bpf_rdonly_cast, which no symbol asks for, or twice"},
	{"a table that is too short", func(p *patcher) { put(p.header(".rodata.hintjit")[32:], 1) }, "types: .rodata.hintjit has "},
	{"a table's size", func(p *patcher) {
		b := p.section(".BTF")
		name := binary.LittleEndian.AppendUint32(nil, uint32(bytes.Index(strs(b), []byte(".rodata.hintjit"))))
		section := types(b)[bytes.Index(types(b), append(name, 1, 0, 0, 15)):] // a DATASEC of one variable
		put(section[20:], 1<<20)
	}, ".BTF: types: .rodata.hintjit has a variable at bytes "},
}

// Each rule about an object's bytes, broken.
func TestCheckObject(t *testing.T) {
	before, after := rewritten(t)
	require.NoError(t, verifier.CheckObject(before, after, gone))
	for _, tt := range objectFaults {
		t.Run(tt.name, func(t *testing.T) {
			p := newPatcher(t, after)
			tt.patch(p)
			err := verifier.CheckObject(before, p.raw, gone)
			require.ErrorContains(t, err, tt.want)
			var faults verifier.ObjectFaults
			require.ErrorAs(t, err, &faults)
		})
	}
	require.ErrorContains(t, verifier.CheckObject(before, before, gone), "a symbol: removed extern: is hintjit_rx")
	require.ErrorContains(t, verifier.CheckObject(before, before, gone), "a relocation: removed extern: refers to hintjit_rx")
	require.ErrorContains(t, verifier.CheckObject(before, before, gone), ".ksyms declares hintjit_rx")
	require.Error(t, verifier.CheckObject(nil, after, gone))
}

// An object is itself after no rewrite.
func TestCheckObjectUnchanged(t *testing.T) {
	paths, err := filepath.Glob("../bpf/examples/*.o")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, verifier.CheckObject(raw, raw, nil), path)
	}
}

// Whatever the bytes are, they are judged.
func TestCheckObjectRandomly(t *testing.T) {
	rng := chance.Rand(t)
	before, after := rewritten(t)
	for _, name := range []string{".symtab", ".relxdp", ".BTF", ".BTF.ext", "xdp", "license"} {
		const tries = 300
		found := 0
		for range tries {
			p := newPatcher(t, after)
			b := p.section(name)
			b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
			var faults verifier.ObjectFaults
			if err := verifier.CheckObject(before, p.raw, gone); errors.As(err, &faults) {
				found++
			}
		}
		t.Logf("%-9s %3d of %d changed bits found", name, found, tries)
		if name == "license" {
			require.Equal(t, tries, found)
		}
	}
	for range 300 { // anywhere, headers among it, and cut off
		raw := bytes.Clone(after[:rng.IntN(len(after))+1])
		for range rng.IntN(20) {
			raw[rng.IntN(len(raw))] ^= 1 << rng.IntN(8)
		}
		_ = verifier.CheckObject(before, raw, gone)
		_ = verifier.CheckObject(raw, after, gone)
	}
}
