package corpus

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/object"
	"github.com/hintjit/hintjit/rewrite"
)

// refused are the objects that are not taken, and why. No loader takes them any
// more: their functions are symbols without type and size.
var refused = map[string]string{
	"loader-clang-7-el.elf": "section .rel.text: relocation 0: in a section without functions: no symbol of type FUNC",
	"loader-clang-7-eb.elf": "section .rel.text: relocation 0: in a section without functions: no symbol of type FUNC",
}

// linked is an object with code of weak functions that were overridden. Encode
// leaves it out (internal/object's TestOverridden), and cilium/ebpf 0.22 gives
// source lines of it to the function that comes next.
const linked = "linked-el.elf"

// parse reads an object, or ends the test when it is one that is refused.
func parse(t *testing.T, s subject) *object.File {
	t.Helper()
	f, err := object.Parse(s.raw)
	if want := refused[s.name]; want != "" {
		require.ErrorContains(t, err, want)
		result(s, "written again", "refused: functions without type, of clang 7")
		t.Skip("refused, as it has to be: " + want)
	}
	require.NoError(t, err)
	return f
}

// forced is the unit of a file with nothing new in it that Encode nevertheless
// takes for changed: one instruction that is not said to be the file's own. There
// is nothing to be found by its origin, since it has no relocation.
func forced(t *testing.T, f *object.File) *code.Unit {
	t.Helper()
	u := f.Unit()
	for _, fn := range u.Funcs {
		for i := range fn.Insns {
			if fn.Insns[i].IsExit() {
				fn.Insns[i].Origin = -1
				return u
			}
		}
	}
	return nil // maps only
}

// again is the object written anew from its parts, nil for one without code.
func again(t *testing.T, s subject) []byte {
	t.Helper()
	f := parse(t, s)
	u := forced(t, f)
	if u == nil {
		return nil
	}
	out, err := f.Encode(u)
	require.NoError(t, err)
	return out
}

// What is written anew is what was read, in the eyes of debug/elf and of
// cilium/ebpf's reader.
func TestWrittenAgain(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		out := again(t, s)
		if out == nil {
			result(s, "written again", "no code")
			return
		}
		sameListing(t, s, out)
		if s.name == linked {
			result(s, "written again", "same, but for code in no function")
			return
		}
		require.Equal(t, anatomy(t, s.raw), anatomy(t, out))
		result(s, "written again", "same")
	})
}

// leftOut tells whether Encode leaves a section out: what describes code by
// address for the sake of a debugger or linker.
func leftOut(f *elf.File, s *elf.Section) bool {
	if s.Type == elf.SHT_REL {
		target := f.Sections[s.Info]
		return leftOut(f, target) || target.Name == ".BTF" || target.Name == ".BTF.ext" || s.Size == 0
	}
	return strings.HasPrefix(s.Name, ".debug_") || s.Name == ".eh_frame" || s.Type == elf.SectionType(0x6fff4c03)
}

// anatomy describes an object in lines, without what has no meaning: numbers of
// sections and symbols, places in the file.
func anatomy(t *testing.T, raw []byte) []string {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(raw))
	require.NoError(t, err)
	symbols, _ := f.Symbols()
	name := func(i elf.SectionIndex) string {
		if int(i) < len(f.Sections) && i != elf.SHN_UNDEF {
			return f.Sections[i].Name
		}
		return i.String()
	}
	out := []string{fmt.Sprint(f.FileHeader)}
	for _, s := range f.Sections {
		if leftOut(f, s) || s.Type == elf.SHT_NULL {
			continue
		}
		line := fmt.Sprint("section ", s.Name, s.Type, s.Flags, s.Addralign, s.Entsize)
		switch s.Type {
		case elf.SHT_SYMTAB, elf.SHT_STRTAB:
		case elf.SHT_REL:
			out = append(out, line+" of "+f.Sections[s.Info].Name)
			out = append(out, relocations(t, f, s, symbols, name)...)
			continue
		case elf.SHT_NOBITS:
			line += fmt.Sprint(" size ", s.Size)
		case elf.SHT_PROGBITS:
			if s.Name == ".BTF.ext" {
				out = append(out, records(t, f, s)...)
				break
			}
			fallthrough
		default:
			data, err := s.Data()
			require.NoError(t, err)
			line += fmt.Sprintf(" %d bytes %x", len(data), sha256.Sum256(data))
		}
		out = append(out, line)
	}
	var table []string // in the order of binding, which bpftool gen object does not keep
	for _, sym := range symbols {
		i := int(sym.Section)
		code := i < len(f.Sections) && f.Sections[i].Flags&elf.SHF_EXECINSTR != 0
		label := code && elf.ST_BIND(sym.Info) == elf.STB_LOCAL && elf.ST_TYPE(sym.Info) == elf.STT_NOTYPE
		if label || i < len(f.Sections) && leftOut(f, f.Sections[i]) {
			continue
		}
		table = append(table, fmt.Sprint("symbol ", sym.Name, sym.Info, sym.Other, name(sym.Section), sym.Value, sym.Size))
	}
	slices.Sort(table)
	return append(out, table...)
}

// records are those of .BTF.ext (Documentation/bpf/btf.rst, Linux 6.12), in the
// order of instructions.
func records(t *testing.T, f *elf.File, s *elf.Section) []string {
	t.Helper()
	ext, err := s.Data()
	require.NoError(t, err)
	strs, err := f.Section(".BTF").Data()
	require.NoError(t, err)
	u32 := f.ByteOrder.Uint32
	strs = strs[u32(strs[4:])+u32(strs[16:]):]
	var out []string
	for part := 0; 8+8*part < int(u32(ext[4:])); part++ {
		data := ext[u32(ext[4:])+u32(ext[8+8*part:]):][:u32(ext[8+8*part+4:])]
		if len(data) == 0 {
			continue
		}
		size := u32(data)
		for data = data[4:]; len(data) > 0; {
			name, _, _ := strings.Cut(string(strs[u32(data):]), "\x00")
			n := u32(data[4:])
			for data = data[8:]; n > 0; n, data = n-1, data[size:] {
				out = append(out, fmt.Sprintf("part %d section %s at %08x: %x", part, name, u32(data), data[4:size]))
			}
		}
	}
	slices.Sort(out)
	return out
}

// relocations are those of a section, with symbols and sections by name.
func relocations(t *testing.T, f *elf.File, s *elf.Section, symbols []elf.Symbol, name func(elf.SectionIndex) string) []string {
	t.Helper()
	data, err := s.Data()
	require.NoError(t, err)
	var out []string
	for ; len(data) > 0; data = data[16:] {
		offset, info := f.ByteOrder.Uint64(data), f.ByteOrder.Uint64(data[8:])
		sym := symbols[info>>32-1]
		out = append(out, fmt.Sprint("relocation at ", offset, " type ", uint32(info), " ", sym.Name, " ", name(sym.Section), sym.Value))
	}
	return out
}

// listing is every program of an object as cilium/ebpf reads it, an instruction a
// line: with what it refers to, its CO-RE record and its source line, and with a
// branch's destination counted in instructions. A jump to the next instruction
// does nothing and is left out.
func listing(raw []byte) (map[string][]string, error) {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	out := make(map[string][]string)
	for name, program := range spec.Programs {
		out[name] = append([]string{fmt.Sprint(program.Type, program.AttachType, program.AttachTo, program.SectionName)},
			lines(program.Instructions)...)
	}
	return out, nil
}

// sameListing holds an object against what was made of it.
func sameListing(t *testing.T, s subject, out []byte) {
	t.Helper()
	before, err := listing(s.raw)
	after, errAfter := listing(out)
	if err != nil {
		require.Error(t, errAfter, "before: %v", err)
		require.Equal(t, gist(err), gist(errAfter))
		return
	}
	require.NoError(t, errAfter)
	if s.name == linked {
		for _, program := range []map[string][]string{before, after} {
			for _, lines := range program {
				for i := range lines {
					lines[i], _, _ = strings.Cut(lines[i], " line ")
				}
			}
		}
	}
	require.Equal(t, before, after)
}

// gist is an error without numbers, and without names: which of several is
// complained about is a matter of chance in cilium/ebpf, as are names that it
// makes up.
func gist(err error) string { return details.ReplaceAllString(err.Error(), "*") }

var details = regexp.MustCompile(`"[^"]*"|ebpf_probe_\w+|\d+`)

func lines(insns asm.Instructions) []string {
	var index []int // of each slot: how many instructions that do something come before
	n := 0
	for i := range insns {
		for range insns[i].Size() / asm.InstructionSize {
			index = append(index, n)
		}
		if !nothing(&insns[i]) {
			n++
		}
	}
	index = append(index, n)
	var out []string
	var line, function string // as the last instruction said that said it
	slot := 0
	for _, in := range insns {
		slot += int(in.Size() / asm.InstructionSize)
		if source, ok := in.Source().(*btf.Line); ok {
			line = fmt.Sprint(source.FileName(), source.LineNumber(), source.LineColumn(), source.Line())
		}
		function += in.Symbol()
		if nothing(&in) {
			continue
		}
		target := ""
		if op := in.OpCode.JumpOp(); in.OpCode.Class().IsJump() && op != asm.Call && op != asm.Exit {
			distance := int(in.Offset)
			if op == asm.Ja && in.OpCode.Class() == asm.Jump32Class {
				distance, in.Constant = int(in.Constant), 0
			}
			in.Offset = 0
			if to := slot + distance; in.Reference() == "" && to >= 0 && to < len(index) {
				target = fmt.Sprint(" to ", index[to])
			}
		}
		out = append(out, fmt.Sprintf("%s: %v %d %d %d %#x%s ref %q core %v line %s", function, uint32(in.OpCode), in.Dst, in.Src,
			in.Offset, in.Constant, target, in.Reference(), btf.CORERelocationMetadata(&in), line))
		function = ""
	}
	return out
}

// nothing tells whether an instruction is the no-op that the tests insert.
func nothing(in *asm.Instruction) bool {
	return in.OpCode == asm.OpCode(asm.JumpClass).SetJumpOp(asm.Ja) && in.Offset == 0 && in.Reference() == ""
}

// As LLVM's tools see it: an object without debug information and labels, as
// llvm-strip leaves it, and the one that was written anew have the same
// disassembly and relocations.
func TestWrittenAgainForLLVM(t *testing.T) {
	for _, tool := range []string{"llvm-strip-19", "llvm-objdump-19"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed, it looks at objects", tool)
		}
	}
	before, after := t.TempDir(), t.TempDir()
	var names []string
	var all []subject
	for _, s := range subjects(t) {
		if refused[s.name] != "" || s.name == linked {
			continue
		}
		out := again(t, s)
		if out == nil {
			continue
		}
		name := fmt.Sprintf("%d.o", len(names))
		require.NoError(t, os.WriteFile(filepath.Join(before, name), s.raw, 0o644))
		require.NoError(t, os.WriteFile(filepath.Join(after, name), out, 0o644))
		names, all = append(names, name), append(all, s)
	}
	tool(t, before, "llvm-strip-19", append([]string{"-g", "--wildcard", "--strip-symbol=LBB*"}, names...)...)
	args := append([]string{"--disassemble", "--reloc", "--no-show-raw-insn"}, names...)
	was, is := perFile(tool(t, before, "llvm-objdump-19", args...)), perFile(tool(t, after, "llvm-objdump-19", args...))
	require.Len(t, was, len(names))
	require.Len(t, is, len(names))
	for i, s := range all {
		require.Equal(t, was[i], is[i], s)
	}
}

// perFile splits what llvm-objdump prints of several files.
func perFile(text string) []string {
	return regexp.MustCompile(`(?m)^\d+\.o:\s+file format .*$`).Split(text, -1)[1:]
}

func tool(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	require.NoError(t, err, "%s: %s", name, &errors)
	return string(out)
}

// An object that asks for no hint comes back as it is, whatever else is in it.
func TestWithoutHints(t *testing.T) {
	each(t, func(t *testing.T, s subject) {
		parse(t, s)
		for _, nic := range []string{"i40e", "mlx5"} {
			out, report, err := rewrite.Object(s.raw, rewrite.Options{NIC: nic})
			require.NoError(t, err)
			require.True(t, bytes.Equal(s.raw, out))
			require.Empty(t, report.Programs)
		}
		result(s, "without hints", "same bytes")
	})
}
