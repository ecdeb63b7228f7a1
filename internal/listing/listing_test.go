package listing

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/code"
)

var update = flag.Bool("update", false, "write the expected listings anew")

func golden(t *testing.T, name, have string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(have), 0o666))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), have)
}

// TestISA has LLVM's assembler, which shares nothing with this package, read
// what the package writes.
func TestISA(t *testing.T) {
	clang, err := exec.LookPath("clang-19")
	if err != nil {
		t.Skip("clang-19 is not installed: nothing to assemble testdata/isa.s with")
	}
	source, err := os.ReadFile("testdata/isa.s")
	require.NoError(t, err)
	object := filepath.Join(t.TempDir(), "isa.o")
	out, err := exec.Command(clang, "-target", "bpf", "-mcpu=v4", "-c", "testdata/isa.s", "-o", object).CombinedOutput()
	require.NoError(t, err, "%s", out)

	f := decode(t, object)
	var have, want []string
	for _, in := range f.Insns {
		text := Insn(&code.Unit{}, in, "L1")
		have = append(have, strings.Replace(text, "call bpf_map_lookup_elem#1", "call 0x1", 1))
	}
	for line := range strings.Lines(string(source)) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") && line != "L1:" {
			want = append(want, line)
		}
	}
	require.Equal(t, want, have)
}

// decode reads the .text of an object, branches with their destinations.
func decode(t *testing.T, object string) *code.Func {
	t.Helper()
	file, err := elf.Open(object)
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	raw, err := file.Section(".text").Data()
	require.NoError(t, err)
	insns, err := asm.AppendInstructions(nil, bytes.NewReader(raw), binary.LittleEndian, "linux")
	require.NoError(t, err)
	f := &code.Func{Name: "isa"}
	for i, in := range insns {
		f.Insns = append(f.Insns, code.Insn{Instruction: in, Target: code.NoTarget, Origin: int32(i)})
	}
	return f
}

func TestNamesAndOddities(t *testing.T) {
	unit := &code.Unit{
		Funcs:   []*code.Func{{Name: "main"}, {Name: "sub"}},
		Externs: []code.Extern{{Name: "hintjit_rx"}},
		Tables:  []code.Table{{Name: "ptype"}},
	}
	wide := asm.LoadImm(asm.R1, 8, asm.DWord)
	call := asm.FnMapLookupElem.Call()
	call.Src = asm.PseudoCall
	for _, test := range []struct {
		want string
		in   code.Insn
	}{
		{"call sub", code.Insn{Instruction: call, Ref: code.Ref{Kind: code.RefFunc, Index: 1}}},
		{"call hintjit_rx", code.Insn{Instruction: call, Ref: code.Ref{Kind: code.RefExtern}}},
		{"call <no reference 7>", code.Insn{Instruction: call, Ref: code.Ref{Kind: code.RefExtern, Index: 7}}},
		{"call bpf_xdp_adjust_head#44", code.Insn{Instruction: asm.FnXdpAdjustHead.Call()}},
		{"call bpf_csum_diff#28", code.Insn{Instruction: asm.FnCsumDiff.Call()}},
		{"call 0xffff", code.Insn{Instruction: asm.BuiltinFunc(0xffff).Call()}},
		{"r1 = ptype + 0x8 ll", code.Insn{Instruction: wide, Ref: code.Ref{Kind: code.RefTable}}},
		{"r1 = sub ll", code.Insn{Instruction: wide, Ref: code.Ref{Kind: code.RefFunc, Index: 1}}},
		{"r1 = counters ll", code.Insn{Instruction: asm.LoadImm(asm.R1, 0, asm.DWord).WithReference("counters")}},
		{"r1 = -0x8000000000000000 ll", code.Insn{Instruction: asm.LoadImm(asm.R1, -1<<63, asm.DWord)}},
		{"r3 = load_acquire((u64 *)(r4 - 0x8))", code.Insn{Instruction: asm.LoadAcquire(asm.R3, asm.R4, asm.DWord, -8)}},
		{"store_release((u8 *)(r3 + 0x1), w4)", code.Insn{Instruction: asm.StoreRelease(asm.R3, asm.R4, asm.Byte, 1)}},
		{"<opcode 0xfd dst r1 src r2 offset 3 constant 0x4>",
			code.Insn{Instruction: asm.Instruction{OpCode: 0xfd, Dst: 1, Src: 2, Offset: 3, Constant: 4}}},
		{"<opcode 0xbf dst r1 src r2 offset 1 constant 0x1>", // addr_space_cast
			code.Insn{Instruction: asm.Instruction{OpCode: 0xbf, Dst: 1, Src: 2, Offset: 1, Constant: 1}}},
	} {
		require.Equal(t, test.want, Insn(unit, test.in, ""))
	}
}

// FuzzInsn wants some text, and no panic, for any instruction.
func FuzzInsn(f *testing.F) {
	f.Add(uint32(0x61), uint8(0x61), int16(8), int64(0), uint8(1), int32(3))
	f.Fuzz(func(t *testing.T, op uint32, regs uint8, off int16, constant int64, kind uint8, index int32) {
		in := code.Insn{
			Instruction: asm.Instruction{OpCode: asm.OpCode(op), Dst: asm.Register(regs & 15), Src: asm.Register(regs >> 4), Offset: off, Constant: constant},
			Ref:         code.Ref{Kind: code.RefKind(kind), Index: index},
		}
		text := Insn(&code.Unit{Tables: []code.Table{{Name: "t"}}}, in, "L1")
		require.NotEmpty(t, text)
		require.NotContains(t, text, "%!")
	})
}

// before is a program with a hint load, a presence test and a dead branch.
func before() *code.Func {
	u32 := &btf.Int{Name: "__u32", Size: 4}
	rx := &btf.Struct{Name: "hintjit_rx", Size: 8, Members: []btf.Member{
		{Name: "rx_hash", Type: &btf.Typedef{Name: "__u32", Type: u32}},
		{Name: "", Type: &btf.Union{Members: []btf.Member{{Name: "ptype", Type: u32}}}, Offset: 32},
	}}
	line := func(n uint32, text string) *code.Line {
		return &code.Line{File: "/home/someone/prog.c", Number: n, Text: text}
	}
	f := &code.Func{Name: "prog", Section: "xdp"}
	add := func(ins asm.Instruction, target int32, l *code.Line, core *code.CORE) {
		f.Insns = append(f.Insns, code.Insn{
			Instruction: ins, Target: target, Origin: int32(len(f.Insns)), Line: l, CORE: core,
		})
	}
	add(asm.Mov.Reg(asm.R6, asm.R1), -1, line(10, "\tint v = 0;"), nil)
	for range 5 {
		add(asm.Add.Imm(asm.R7, 1), -1, nil, nil)
	}
	add(asm.JEq.Imm(asm.R7, 0, ""), 8, line(12, "\tif (!n)"), nil)
	add(asm.Ja.Label(""), 11, nil, nil)
	add(asm.LoadMem(asm.R0, asm.R8, 0, asm.Word), -1, line(14, "\treturn h->rx_hash  +  h->ptype;"),
		&code.CORE{Type: rx, Access: []int{0, 0}})
	add(asm.LoadMem(asm.R1, asm.R8, 4, asm.Word), -1, nil, &code.CORE{Type: rx, Access: []int{0, 1, 0}})
	add(asm.Add.Reg(asm.R0, asm.R1), -1, nil, nil)
	add(asm.Mov.Imm(asm.R1, 1), -1, line(16, "\treturn 1;"), &code.CORE{Type: rx, Access: []int{0, 9}, Kind: code.FieldExists})
	for range 8 {
		add(asm.Add.Imm(asm.R1, 1), -1, nil, nil)
	}
	add(asm.Return(), -1, line(17, "}"), nil)
	return f
}

func after() *code.Func {
	f := before()
	edit := code.NewEdit(f)
	edit.Replace(8,
		code.New(asm.LoadMem(asm.R0, asm.R6, 8, asm.DWord)),
		code.IfImm(asm.JEq, asm.R0, 0, code.Here(3)),
		code.New(asm.RSh.Imm(asm.R0, 32)),
	)
	edit.Replace(9, code.New(asm.Mov.Imm(asm.R1, 0)))
	edit.Apply()
	return f
}

func TestFunc(t *testing.T) {
	var out strings.Builder
	require.NoError(t, Func(&out, &code.Unit{}, before()))
	golden(t, "func.golden", out.String())
}

func TestDiff(t *testing.T) {
	var out strings.Builder
	require.NoError(t, Diff(&out, &code.Unit{}, before(), &code.Unit{}, after()))
	golden(t, "diff.golden", out.String())
}

// TestDiffInPlace changes an instruction where it stands, and inserts a branch to
// one far away, which is then shown.
func TestDiffInPlace(t *testing.T) {
	f := before()
	f.Insns[9].Offset = 12
	edit := code.NewEdit(f)
	edit.Insert(2, code.IfImm(asm.JEq, asm.R1, 0, 19))
	edit.Apply()
	var out strings.Builder
	require.NoError(t, Diff(&out, &code.Unit{}, before(), &code.Unit{}, f))
	golden(t, "inplace.golden", out.String())
}

// TestDiffSame wants a function that did not change to be told in one line.
func TestDiffSame(t *testing.T) {
	var out strings.Builder
	require.NoError(t, Diff(&out, &code.Unit{}, before(), &code.Unit{}, before()))
	require.Equal(t, "prog (section xdp):\n    ... 21 unchanged\n", out.String())
}

// TestDiffGone wants a function of which nothing is left to be shown whole.
func TestDiffGone(t *testing.T) {
	var out strings.Builder
	require.NoError(t, Diff(&out, &code.Unit{}, before(), &code.Unit{}, &code.Func{Name: "prog"}))
	require.Len(t, regexp.MustCompile(`(?m)^-     `).FindAllString(out.String(), -1), len(before().Insns))
}
