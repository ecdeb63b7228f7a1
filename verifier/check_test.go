package verifier

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/code"
)

var checkTests = []struct {
	name, text string
	spoil      func(u *code.Unit) // what no text can say
	want       []string
}{
	{name: "a program", text: "r6 = r1\nr0 = 2\nexit"},
	{
		name: "a register that does not exist", text: "r0 = 2\nexit",
		spoil: func(u *code.Unit) { u.Funcs[0].Insns[0].Dst = 11 },
		want:  []string{"main: instruction 0: valid operands: MovImm dst: r11 imm: 2 names a register that does not exist; the last is r10"},
	},
	{
		name: "opcodes that do not exist", text: "r0 = 2\nr0 = 2\nr0 = 2\nr0 = 2\nexit",
		spoil: func(u *code.Unit) {
			for i, op := range []asm.OpCode{0xe7, 0x137, 0x81 | 0x18, 0xa2} {
				u.Funcs[0].Insns[i].OpCode = op
			}
			u.Funcs[0].Insns[4].OpCode, u.Funcs[0].Insns[4].Target = 0xf5, 0
		},
		want: []string{
			"main: instruction 0: valid operands: opcode 0xe7 is not an instruction",
			"main: instruction 2: valid operands: opcode 0x99 is not an instruction",
			"main: instruction 3: valid operands: opcode 0xa2 is not an instruction",
			"main: instruction 4: valid operands: opcode 0xf5 is not an instruction",
			"main: instruction 4: function end: the last instruction is JumpOp(240)Imm, wanted exit or goto",
		},
	},
	{
		name: "exit of 32 bits", text: "r0 = 2\nexit\nexit",
		spoil: func(u *code.Unit) { u.Funcs[0].Insns[1].OpCode, u.Funcs[0].Insns[1].Target = 0x96, 2 },
		want:  []string{"main: instruction 1: valid operands: opcode 0x96 is not an instruction"},
	},
	{
		name:  "an atomic operation that cilium/ebpf would write as an addition",
		text:  "r0 = 1\n*(u64 *)(r10 - 8) = r0\nr0 = xchg_64(r10 - 8, r0)\nexit",
		spoil: func(u *code.Unit) { u.Funcs[0].Insns[2].Constant = 0 },
		want:  []string{"main: instruction 2: valid operands: StXAtomicXchgDW has constant 0x0 and would be encoded as that operation, wanted 0xe1"},
	},
	{
		name: "a branch out of the function", text: "r0 = 2\nif r0 == 2 goto out\nout:\nexit",
		spoil: func(u *code.Unit) { u.Funcs[0].Insns[1].Target = 3 },
		want:  []string{"main: instruction 1: branch target: JEqImm leads to 3, the function has instructions 0 to 2"},
	},
	{
		name: "a branch of an edit that was not applied", text: "r0 = 2\nif r0 == 2 goto out\nout:\nexit",
		spoil: func(u *code.Unit) { u.Funcs[0].Insns[1].Target = code.Here(0) },
		want:  []string{"main: instruction 1: branch target: JEqImm leads to -2, the function has instructions 0 to 2"},
	},
	{
		name: "a target where nothing branches", text: "r0 = 2\nexit",
		spoil: func(u *code.Unit) { u.Funcs[0].Insns[0].Target = 1 },
		want:  []string{"main: instruction 0: branch target: MovImm is no branch but has target 1"},
	},
	{
		name: "no exit", text: "r0 = 2",
		want: []string{"main: instruction 0: function end: the last instruction is MovImm, wanted exit or goto"},
	},
	{
		name: "a branch at the end", text: "again:\nr0 = 2\nif r0 == 2 goto again",
		want: []string{"main: instruction 1: function end: the last instruction is JEqImm, wanted exit or goto"},
	},
	{
		name: "no instructions", text: "exit",
		spoil: func(u *code.Unit) { u.Funcs[0].Insns = nil },
		want:  []string{"main: function end: there are no instructions"},
	},
	{
		name: "a register read before it is written", text: "r0 = r3\nr0 += r2\nexit",
		want: []string{
			"main: instruction 0: register read: MovReg reads r3, which is not written on every path",
			"main: instruction 1: register read: AddReg reads r2, which is not written on every path",
		},
	},
	{
		name: "a register written on one path only", text: "r0 = 1\nif r1 == 0 goto skip\nr2 = 1\nskip:\nr0 += r2\nexit",
		want: []string{"main: instruction 3: register read: AddReg reads r2, which is not written on every path"},
	},
	{
		name: "a register written on both paths", text: "r2 = 2\nr0 = 1\nif r1 == 0 goto skip\nr2 = 1\nskip:\nr0 += r2\nexit",
	},
	{
		name: "a register that the second round of a loop has lost",
		text: "r0 = 0\nagain:\nr0 += r1\ncall 7\nif r0 != 0 goto again\nexit",
		want: []string{"main: instruction 1: register read: AddReg reads r1, which is not written on every path"},
	},
	{
		name: "r0 at the end of a program", text: "r1 = 0\nexit",
		want: []string{"main: instruction 1: register read: Exit reads r0, which is not written on every path"},
	},
	{
		name: "r0 at the end of a static function", text: ".program main\ncall f\nr0 = 2\nexit\n.static f\nexit",
	},
	{
		name: "arguments of a function", text: ".program main\ncall f\nexit\n.static f\nr0 = r5\nexit",
	},
	{
		name: "callee-saved registers on entry", text: ".program main\nr6 = 0\ncall f\nexit\n.static f\nr0 = r6\nexit",
		want: []string{"f: instruction 0: register read: MovReg reads r6, which is not written on every path"},
	},
	{
		name: "cmpxchg reads r0", text: "r2 = 0\n*(u64 *)(r10 - 8) = r2\nr0 = cmpxchg_64(r10 - 8, r0, r2)\nexit",
		want: []string{"main: instruction 2: register read: StXAtomicCmpXchgDW reads r0, which is not written on every path"},
	},
	{
		name: "arguments of an extern", text: "r1 = 0\ncall x\nr0 = 0\nexit",
		spoil: func(u *code.Unit) {
			u.Externs[0].Type = &btf.Func{Name: "x", Type: &btf.FuncProto{Return: &btf.Void{}, Params: make([]btf.FuncParam, 2)}}
		},
		want: []string{"main: instruction 1: register read: Call reads r2, which is not written on every path"},
	},
	{
		name: "r10 written", text: "r0 = 2\nr10 += 8\nexit",
		want: []string{"main: instruction 1: frame pointer: AddImm dst: rfp imm: 8 writes r10"},
	},
	{
		name: "stack out of bounds", text: "r0 = 2\n*(u64 *)(r10 - 520) = r0\n*(u64 *)(r10 - 4) = r0\n*(u8 *)(r10 - 512) = r0\nexit",
		want: []string{
			"main: instruction 1: stack access: StXMemDW touches r10-520 to r10-513, the frame is r10-512 to r10-1",
			"main: instruction 2: stack access: StXMemDW touches r10-4 to r10+3, the frame is r10-512 to r10-1",
			"main: call chain stack: its deepest chain of calls needs 528 bytes, there are 512",
		},
	},
	{
		name: "stack out of bounds by an address", text: "r2 = r10\nr2 += -8\nr0 = 2\n*(u64 *)(r2 + 8) = r0\nexit",
		want: []string{"main: instruction 3: stack access: StXMemDW touches r10+0 to r10+7, the frame is r10-512 to r10-1"},
	},
	{
		name: "dead code", text: "r0 = 2\ngoto end\nr0 = 3\nr0 = 4\nend:\nexit",
		want: []string{
			"main: instruction 2: reachable code: no path leads to MovImm dst: r0 imm: 3",
			"main: instruction 3: reachable code: no path leads to MovImm dst: r0 imm: 4",
		},
	},
	{
		name: "references", text: ".program main\ncall f\nr1 = &t\nr0 = *(u8 *)(r1 + 0)\ncall x\nexit\n.static f\nr0 = 0\nexit",
	},
	{
		name: "references to nothing", text: ".program main\ncall f\nr1 = &t\nr1 = &t\ncall x\nr0 = 0\nexit\n.static f\nr0 = 0\nexit",
		spoil: func(u *code.Unit) {
			main := u.Funcs[0].Insns
			main[0].Ref.Index = 2
			main[1].Ref.Index = -1
			main[2].Constant = 8
			main[3].Ref.Index = 7
			main[4].Ref.Kind = code.RefTable
			u.Funcs[1].Insns[0].Ref.Kind = 9
		},
		want: []string{
			"main: instruction 0: reference: function 2 does not exist, the unit has 2",
			"main: instruction 1: reference: table -1 does not exist, the unit has 2",
			"main: instruction 2: reference: byte 8 of table t is outside its 8 bytes",
			"main: instruction 3: reference: extern 7 does not exist, the unit has 1",
			"main: instruction 4: reference: MovImm can not refer to a table",
			"f: instruction 0: reference: reference kind 9 does not exist",
		},
	},
	{
		name: "a call of some function", text: "r0 = 0\ncall x\nexit",
		spoil: func(u *code.Unit) { u.Funcs[0].Insns[1].Ref = code.Ref{} },
		want:  []string{"main: instruction 1: reference: a call of a BPF function does not say of which"},
	},
	{
		name: "an extern that should be gone", text: "r0 = 0\ncall hintjit_rx\nexit",
		want: []string{"main: instruction 1: removed extern: hintjit_rx is still referred to"},
	},
	{
		name: "CO-RE records", text: "r0 = *(u32 *)(r1 + 4)\nr0 += 5\nr2 = 7 ll\n*(u8 *)(r10 - 1) = 3\nr0 += r2\nexit",
		spoil: func(u *code.Unit) {
			for i := range u.Funcs[0].Insns {
				u.Funcs[0].Insns[i].CORE = &code.CORE{}
			}
		},
		want: []string{
			"main: instruction 4: CO-RE record: AddReg dst: r0 src: r2 has nothing that a loader could put the answer into",
			"main: instruction 5: CO-RE record: Exit has nothing that a loader could put the answer into",
		},
	},
	{
		name: "a chain of calls that fits", text: chainOf(256, 256),
	},
	{
		name: "a chain of calls that fits today's kernel only", text: chainOf(240, 256, 16),
		want: []string{"main: call chain stack without JIT or before Linux 6.8: its deepest chain of calls needs 544 bytes, there are 512"},
	},
	{
		name: "a chain of calls that is too deep", text: chainOf(256, 256, 8),
		want: []string{"main: call chain stack: its deepest chain of calls needs 528 bytes, there are 512"},
	},
	{
		name: "a callback on a full stack", text: ".program main\n*(u8 *)(r10 - 500) = 0\nr2 = &f\nr1 = 1\nr3 = 0\nr4 = 0\ncall 181\nexit\n.static f\n*(u8 *)(r10 - 1) = 0\nr0 = 0\nexit",
		want: []string{"main: call chain stack: its deepest chain of calls needs 528 bytes, there are 512"},
	},
	{
		name: "an address counts as use", text: ".program main\nr1 = r10\nr1 += -512\ncall f\nexit\n.static f\n*(u8 *)(r10 - 1) = 0\nr0 = 0\nexit",
		want: []string{"main: call chain stack: its deepest chain of calls needs 528 bytes, there are 512"},
	},
	{
		name: "a function that calls itself", text: ".program main\ncall f\nexit\n.static f\ncall f\nexit",
		want: []string{"f: call chain stack: it calls itself"},
	},
	{
		name: "opcodes of every kind", text: "r0 = 0",
		spoil: func(u *code.Unit) {
			u.Funcs[0].Insns = []code.Insn{
				code.New(asm.Mov.Reg(asm.R6, asm.R1)),
				code.New(asm.LoadAbs(0, asm.Byte)),
				code.New(asm.LoadInd(asm.R0, asm.R0, 0, asm.Byte)),
				code.New(asm.StoreMem(asm.R10, -8, asm.R0, asm.DWord)),
				code.New(atomicOf(asm.LoadAcquire(asm.R3, asm.R10, asm.DWord, -8))),
				code.New(atomicOf(asm.StoreRelease(asm.R10, asm.R3, asm.DWord, -8))),
				code.New(asm.SDiv.Reg(asm.R0, asm.R3)),
				code.New(asm.Return()),
			}
		},
	},
	{
		name: "loads from the packet by the old instructions", text: "r0 = 0",
		spoil: func(u *code.Unit) {
			u.Funcs[0].Insns = []code.Insn{
				code.New(asm.LoadInd(asm.R0, asm.R7, 0, asm.Byte)),
				code.New(asm.Mov.Reg(asm.R2, asm.R1)),
				code.New(asm.Return()),
			}
		},
		want: []string{
			"main: instruction 0: register read: LdIndB reads r6, which is not written on every path",
			"main: instruction 0: register read: LdIndB reads r7, which is not written on every path",
			"main: instruction 1: register read: MovReg reads r1, which is not written on every path",
		},
	},
	{
		name: "load-acquire from below the frame", text: "r0 = 0\nexit",
		spoil: func(u *code.Unit) {
			u.Funcs[0].Insns[0] = code.New(atomicOf(asm.LoadAcquire(asm.R0, asm.R10, asm.DWord, 0)))
		},
		want: []string{"main: instruction 0: stack access: StXAtomicLdAcqDW touches r10+0 to r10+7, the frame is r10-512 to r10-1"},
	},
	{
		name: "frame addresses that differ by path are not followed",
		text: "r2 = r10\nr2 += -608\nif r1 == 0 goto other\nr2 -= -600\nother:\nr0 = 0\n*(u64 *)(r2 + 0) = r0\nexit",
		want: []string{"main: call chain stack: its deepest chain of calls needs 608 bytes, there are 512"},
	},
	{
		name: "a frame address that is exchanged",
		text: "r2 = r10\nr2 += -8\n*(u64 *)(r10 - 8) = r1\nr2 = xchg_64(r10 - 8, r2)\nr0 = *(u32 *)(r2 + 8)\nexit",
	},
	{
		name: "r10 exchanged", text: "r0 = 0\nr10 = xchg_64(r1 - 8, r10)\nexit",
		want: []string{"main: instruction 1: frame pointer: StXAtomicXchgDW dst: r1 src: rfp off: -8 writes r10"},
	},
	{
		name: "one byte past the frame", text: "r0 = 0\n*(u16 *)(r10 - 1) = r0\nexit",
		want: []string{"main: instruction 1: stack access: StXMemH touches r10-1 to r10+0, the frame is r10-512 to r10-1"},
	},
	{
		name: "old kernels give every function a frame", text: chainOf(512, 0),
		want: []string{"main: call chain stack without JIT or before Linux 6.8: its deepest chain of calls needs 544 bytes, there are 512"},
	},
	{
		name: "an address far from any frame", text: "r2 = r10\nr2 += -2000000000\nr2 += -2000000000\nr0 = *(u8 *)(r2 + 0)\nexit",
	},
	{
		name: "r0 at the end of a global function", text: ".program main\ncall f\nexit\n.global f\nexit",
		want: []string{"f: instruction 0: register read: Exit reads r0, which is not written on every path"},
	},
	{
		name: "r0 at the end of a global function without a result", text: ".program main\ncall f\nexit\n.global f\nexit",
		spoil: func(u *code.Unit) {
			u.Funcs[1].Type = &btf.Func{Name: "f", Type: &btf.FuncProto{Return: &btf.Void{}}}
		},
	},
	{
		name: "arguments of a program that replaces a function", text: "r0 = r2\nexit",
		spoil: func(u *code.Unit) {
			u.Funcs[0].Type = &btf.Func{Name: "f", Type: &btf.FuncProto{Return: &btf.Void{}, Params: make([]btf.FuncParam, 2)}}
		},
	},
	{
		name: "a tail call under a full stack", text: tailCallUnder(256),
		want: []string{"main: stack above a tail call: 256 bytes are on the stack above a function that makes a tail call, wanted less than 256"},
	},
	{
		name: "a tail call under a stack that leaves room", text: tailCallUnder(240),
	},
}

func TestCheck(t *testing.T) {
	for _, tt := range checkTests {
		t.Run(tt.name, func(t *testing.T) {
			u := assemble(t, binary.LittleEndian, tt.text)
			if tt.spoil != nil {
				tt.spoil(u)
			}
			require.Equal(t, tt.want, said(Check(u, Options{Gone: []string{"hintjit_rx"}})))
		})
	}
}

// chainOf writes functions with frames of these sizes, each calling the next.
func chainOf(frames ...int) string {
	var b strings.Builder
	for i, n := range frames {
		linkage, name := "static", fmt.Sprintf("f%d", i)
		if i == 0 {
			linkage, name = "program", "main"
		}
		fmt.Fprintf(&b, ".%s %s\n", linkage, name)
		if n > 0 {
			fmt.Fprintf(&b, "*(u8 *)(r10 - %d) = 0\n", n)
		}
		if i+1 < len(frames) {
			fmt.Fprintf(&b, "call f%d\n", i+1)
		}
		b.WriteString("r0 = 0\nexit\n")
	}
	return b.String()
}

// tailCallUnder writes a program with a frame of n bytes that calls a function
// that makes a tail call.
func tailCallUnder(n int) string {
	return fmt.Sprintf(".program main\n*(u8 *)(r10 - %d) = 0\ncall f\nr0 = 2\nexit\n"+
		".static f\n*(u8 *)(r10 - 1) = 0\nr2 = 0\nr3 = 0\ncall 12\nr0 = 0\nexit\n", n)
}

// atomicOf adds to an instruction of cilium/ebpf what its encoder wants.
func atomicOf(ins asm.Instruction) asm.Instruction {
	ins.Constant = int64(ins.OpCode.AtomicOp() >> 8)
	return ins
}

func said(err error) []string {
	if err == nil {
		return nil
	}
	return strings.Split(err.Error(), "\n")
}

func TestCheckNamesTheSourceLine(t *testing.T) {
	u := assemble(t, binary.LittleEndian, "r0 = 2\nr0 += r3\nr0 += 4\nexit")
	u.Funcs[0].Insns[0].Line = &code.Line{File: "prog.c", Number: 42}
	u.Funcs[0].Insns[2].Line = &code.Line{File: "prog.c", Number: 43}
	require.EqualError(t, Check(u, Options{}),
		"main: instruction 1 (prog.c:42): register read: AddReg reads r3, which is not written on every path")
}

func TestCheckReportsOnlyWhatIsNew(t *testing.T) {
	before := assemble(t, binary.LittleEndian, "r0 = 2\nr0 += r3\nr0 += 4\nexit")
	after := assemble(t, binary.LittleEndian, "r0 = 2\nr7 += 1\nr0 += r3\nr0 += 4\nexit")
	insns := after.Funcs[0].Insns
	insns[1].Origin, insns[2].Origin, insns[3].Origin, insns[4].Origin = -1, 1, 2, 3
	require.Equal(t, []string{
		"main: instruction 1: register read: AddImm reads r7, which is not written on every path",
		"main: instruction 1: inserted operand: AddImm computes with r7 of the program",
	}, said(Check(after, Options{Before: before})))

	insns[2].Origin = 2 // the instruction that was faulty before is another one
	require.Contains(t, said(Check(after, Options{Before: before})),
		"main: instruction 2: register read: AddReg reads r3, which is not written on every path")
}

// Of a function with the very instructions it had, only what is gone counts.
func TestCheckUntouched(t *testing.T) {
	u := assemble(t, binary.LittleEndian, "r0 = r3\ncall hintjit_rx\nexit")
	before := *u
	before.Funcs = []*code.Func{{Name: "main", Linkage: code.Program, Insns: u.Funcs[0].Insns}}
	require.NoError(t, Check(u, Options{Before: &before}))
	require.Equal(t, []string{"main: instruction 1: removed extern: hintjit_rx is still referred to"},
		said(Check(u, Options{Before: &before, Gone: []string{"hintjit_rx"}})))
}

func TestCheckDoesNotListEverything(t *testing.T) {
	u := assemble(t, binary.LittleEndian, strings.Repeat("r0 = r9\n", 25)+"exit")
	lines := said(Check(u, Options{}))
	require.Len(t, lines, shown+1)
	require.Equal(t, "and 15 more", lines[shown])
	var all Violations
	require.ErrorAs(t, Check(u, Options{}), &all)
	require.Len(t, all, 25)
}

// bigUnit is one program of n instructions with a branch in every eight.
func bigUnit(tb testing.TB, n int) *code.Unit {
	u := assemble(tb, binary.LittleEndian, "r6 = r1\nr0 = 0\nr7 = 1")
	f := u.Funcs[0]
	for len(f.Insns) < n-1 {
		i := int32(len(f.Insns))
		switch i % 8 {
		case 0:
			f.Insns = append(f.Insns, code.IfImm(asm.JEq, asm.R7, 3, max(3, min(i+40, int32(n)-1))))
		case 1:
			f.Insns = append(f.Insns, code.New(asm.StoreMem(asm.R10, -8, asm.R0, asm.DWord)))
		case 2:
			f.Insns = append(f.Insns, code.New(asm.LoadMem(asm.R0, asm.R10, -8, asm.DWord)))
		default:
			f.Insns = append(f.Insns, code.New(asm.Add.Imm(asm.R0, i)))
		}
	}
	f.Insns = append(f.Insns, code.New(asm.Return()))
	return u
}

func BenchmarkCheck(b *testing.B) {
	for _, n := range []int{10_000, 100_000, 1_000_000} {
		u := bigUnit(b, n)
		require.NoError(b, Check(u, Options{}))
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = Check(u, Options{})
			}
		})
	}
}

func BenchmarkMachine(b *testing.B) {
	m := &Machine{Unit: assemble(b, binary.LittleEndian, "r0 = 0\nagain:\nr0 += 1\n*(u64 *)(r10 - 8) = r0\nr0 = *(u64 *)(r10 - 8)\nif r0 < 1000 goto again\nexit")}
	for b.Loop() {
		if _, err := m.Run("main"); err != nil {
			b.Fatal(err)
		}
	}
}
