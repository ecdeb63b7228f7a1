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

// pair makes a unit before and after a rewrite of one text: a line that starts with
// "-" is gone, one with "+" is inserted, all others were kept. Labels are in both.
func pair(t testing.TB, text string) (before, after *code.Unit) {
	t.Helper()
	var was, is strings.Builder
	var gone, inserted [][]bool // by function, of the lines of each
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		mark, rest := line[0], strings.TrimSpace(line[1:])
		switch {
		case mark != '-' && mark != '+':
			mark, rest = ' ', line
		}
		if strings.HasPrefix(rest, ".") || len(gone) == 0 {
			gone, inserted = append(gone, nil), append(inserted, nil)
		}
		n := len(gone) - 1
		isInsn := !strings.HasPrefix(rest, ".") && !strings.HasSuffix(rest, ":")
		if mark != '+' {
			fmt.Fprintln(&was, rest)
			if isInsn {
				gone[n] = append(gone[n], mark == '-')
			}
		}
		if mark != '-' {
			fmt.Fprintln(&is, rest)
			if isInsn {
				inserted[n] = append(inserted[n], mark == '+')
			}
		}
	}
	before, after = assemble(t, binary.LittleEndian, was.String()), assemble(t, binary.LittleEndian, is.String())
	for n, f := range after.Funcs {
		origin := 0
		for i := range f.Insns {
			if inserted[n][i] {
				f.Insns[i].Origin = -1
				continue
			}
			for gone[n][origin] {
				origin++
			}
			f.Insns[i].Origin = int32(origin)
			origin++
		}
		f.Args = 5
	}
	for i := range after.Externs {
		after.Externs[i].Type = kernelFunctions[after.Externs[i].Name]
	}
	return before, after
}

var kernelFunctions = map[string]*btf.Func{
	"cast": {Name: "cast", Type: &btf.FuncProto{Return: &btf.Void{}, Params: make([]btf.FuncParam, 1)}},
	"view": {Name: "view", Type: &btf.FuncProto{Return: &btf.Void{}, Params: make([]btf.FuncParam, 2)}},
	"stop": {Name: "stop", Type: &btf.FuncProto{Return: &btf.Void{}}},
	"rx":   {Name: "rx", Type: &btf.FuncProto{Return: &btf.Void{}, Params: make([]btf.FuncParam, 1)}},
}

// reached is how inserted code gets at descriptors in these tests.
var reached = Reach{Meta: 16, Cast: "cast", View: "view", Span: 64, Stops: []string{"stop"}}

// metaFetch is how 8 bytes of a descriptor come to r2.
const metaFetch = `
	+r2 = *(u32 *)(r1 + 0)
	+r3 = *(u32 *)(r1 + 8)
	+r4 = r3
	+r4 += 16
	+r0 = 0
	+if r4 > r2 goto none
	+r0 = *(u64 *)(r3 + 8)
	+none:
`

// castAndView is how r0 comes to point to a descriptor.
const castAndView = `
	+call cast
	+r1 = *(u64 *)(r0 + 24)
	+r1 += 64
	+r2 = 7
	+call view
`

var insertedTests = []struct {
	name, text string
	spoil      func(u *code.Unit)
	want       []string
}{
	{name: "a descriptor in the metadata area", text: "-call rx" + metaFetch + "exit"},
	{name: "a descriptor at the end of a walk", text: "-call rx" + castAndView + "+r0 = *(u64 *)(r0 + 8)\nexit"},
	{
		name: "a register that the program looks at", text: "r6 = 1\n-call rx" + metaFetch + "+r6 = 2\nr0 = r6\nexit",
		want: []string{"main: instruction 9: preserved register: MovReg looks at r6, in which inserted code has put something of its own"},
	},
	{
		name: "on one path only", text: "r6 = 1\n-call rx\n+r0 = 5\n+if r0 == 5 goto over\n+r6 = 2\n+over:\nr0 = r6\nexit",
		want: []string{"main: instruction 4: preserved register: MovReg looks at r6, in which inserted code has put something of its own"},
	},
	{name: "a register that is written again", text: "r6 = 1\n-call rx" + metaFetch + "+r6 = 2\nr6 = 3\nr0 = r6\nexit"},
	{name: "a register that is saved and restored", text: "r6 = 1\n-call rx\n+*(u64 *)(r10 - 8) = r6\n+r6 = 2\n+r6 = *(u64 *)(r10 - 8)\nr0 = r6\nexit"},
	{name: "saved in a register", text: "r6 = 1\n-call rx\n+r7 = r6\n+r6 = 2\n+r6 = r7\nr0 = r6\nexit"},
	{
		name: "restored from the wrong place", text: "r6 = 1\nr7 = 3\n-call rx\n+*(u64 *)(r10 - 8) = r6\n+*(u64 *)(r10 - 16) = r7\n+r6 = *(u64 *)(r10 - 16)\nr0 = r6\nexit",
		want: []string{"main: instruction 5: preserved register: MovReg looks at r6, in which inserted code has put something of its own"},
	},
	{
		name: "restored after the program has written it", text: "r6 = 1\n-call rx\n+r7 = r6\nr6 = 3\n+r6 = r7\nr0 = r6\nexit",
		want: []string{"main: instruction 4: preserved register: MovReg looks at r6, in which inserted code has put something of its own"},
	},
	{
		name: "an argument of a helper", text: "r6 = r1\n-call rx" + metaFetch + "r1 = 1\nr2 = 2\n+r2 = 9\ncall 12\nr0 = 1\nexit",
		want: []string{
			"main: instruction 11: preserved register: Call looks at r2, in which inserted code has put something of its own",
		},
	},
	{
		name: "an argument of a function", text: ".program main\nr2 = 2\n+r2 = 9\ncall f\nexit\n.static f\nr0 = r2\nexit",
		want: []string{"main: instruction 2: preserved register: Call looks at r2, in which inserted code has put something of its own"},
	},
	{
		name: "the result", text: "r0 = 2\n+r0 = 3\nexit",
		want: []string{"main: instruction 2: preserved register: Exit looks at r0, in which inserted code has put something of its own"},
	},
	{name: "a hint that the program computes with", text: "-call rx\n+r0 = 5\nr0 += 1\nr6 = r0\n+r6 = 7\nr0 = r6\nexit"},
	{name: "a hint that the program has spilled", text: "-call rx\n+r0 = 5\n*(u64 *)(r10 - 8) = r0\nr0 = *(u64 *)(r10 - 8)\n+r0 = 0\nexit"},
	{
		name: "what the program has spilled", text: "-call rx\nr0 = 5\n*(u64 *)(r10 - 8) = r0\nr0 = *(u64 *)(r10 - 8)\n+r0 = 0\nexit",
		want: []string{"main: instruction 4: preserved register: Exit looks at r0, in which inserted code has put something of its own"},
	},
	{name: "a constant of the program's that is set before a branch past it", text: "r6 = 1\n+r0 = 2\n+r7 = 1\n+if r7 == 0 goto out\nr0 = 2\nout:\nexit"},
	{
		name: "another constant", text: "r6 = 1\n+r0 = 3\n+r7 = 1\n+if r7 == 0 goto out\nr0 = 2\nout:\nexit",
		want: []string{"main: instruction 5: preserved register: Exit looks at r0, in which inserted code has put something of its own"},
	},
	{
		name: "a slot of the program's", text: "*(u64 *)(r10 - 16) = r1\n-call rx\n+r0 = 0\n+*(u64 *)(r10 - 16) = r0\nr0 = *(u64 *)(r10 - 16)\nexit",
		want: []string{"main: instruction 2: preserved stack: StXMemDW writes to r10-16, of the frame the program uses 16 bytes"},
	},
	{
		name: "half in the program's frame", text: "*(u8 *)(r10 - 12) = 1\n-call rx\n+r0 = 0\n+*(u64 *)(r10 - 16) = r0\nexit",
		want: []string{"main: instruction 2: preserved stack: StXMemDW writes to r10-16, of the frame the program uses 12 bytes"},
	},
	{name: "below the program's frame", text: "*(u8 *)(r10 - 12) = 1\n-call rx\n+r0 = 0\n+*(u64 *)(r10 - 24) = r0\n+r0 = *(u32 *)(r10 - 20)\nexit"},
	{
		name: "what nothing has written", text: "-call rx\n+*(u64 *)(r10 - 8) = 0\n+r0 = *(u64 *)(r10 - 16)\nexit",
		want: []string{"main: instruction 1: preserved stack: LdXMemDW reads r10-16, which inserted code has not written on every path"},
	},
	{
		name: "what is written on one path", text: "-call rx\n+r0 = 0\n+if r0 == 0 goto over\n+*(u64 *)(r10 - 8) = 0\n+over:\n+r0 = *(u64 *)(r10 - 8)\nexit",
		want: []string{"main: instruction 3: preserved stack: LdXMemDW reads r10-8, which inserted code has not written on every path"},
	},
	{
		name: "a store elsewhere", text: "-call rx\n+r2 = *(u32 *)(r1 + 0)\n+r0 = 0\n+*(u8 *)(r2 + 0) = r0\nexit",
		want: []string{"main: instruction 2: inserted store: StXMemB writes to what is not known to be the frame"},
	},
	{
		name: "an atomic store", text: "-call rx\n+r0 = 0\n+*(u64 *)(r10 - 8) = r0\n+lock *(u64 *)(r10 - 8) += r0\nexit",
		want: []string{"main: instruction 2: inserted store: StXAtomicAddDW writes to what is not known to be the frame"},
	},
	{
		name: "a helper", text: "-call rx\n+call 7\nexit",
		want: []string{"main: instruction 0: inserted call: inserted code calls a helper, or a function of the program"},
	},
	{
		name: "an extern that is not the walk's", text: "-call rx\n+call other\nexit",
		want: []string{"main: instruction 0: inserted call: inserted code calls other"},
	},
	{name: "a function that no kernel has", text: "-call rx\n+call stop\n+r0 = 0\nexit"},
	{
		name: "an end", text: "-call rx\n+r0 = 0\n+exit\nexit",
		want: []string{
			"main: instruction 2: reachable code: no path leads to Exit",
			"main: instruction 1: inserted call: inserted code ends the function",
		},
	},
	{
		name: "a cast of something else", text: "r6 = r1\n-call rx\n+r1 = r10\n+call cast\nr0 = 0\nexit",
		want: []string{"main: instruction 2: inserted call: cast is given what is not known to be the program's context"},
	},
	{
		name: "a cast where there was no call", text: "r6 = r1\nr0 = 0\n+call cast\nr0 = 0\nexit",
		want: []string{"main: instruction 2: inserted call: cast is given what is not known to be the program's context"},
	},
	{
		name: "a view of the packet", text: "-call rx\n+r1 = *(u32 *)(r1 + 0)\n+r2 = 7\n+call view\nexit",
		want: []string{"main: instruction 2: inserted call: view is given an address that was not read on the walk"},
	},
	{
		name: "an operand of the program's", text: "r6 = 1\nr6 += r1\n-call rx\n+r0 = 5\n+r0 += r6\nexit",
		want: []string{"main: instruction 3: inserted operand: AddReg computes with r6 of the program"},
	},
	{name: "a constant of the program's as an operand", text: "r6 = 1\n-call rx\n+r0 = 5\n+r0 += r6\nexit"},
	{
		name: "a test of the program's register", text: "r6 = r1\n-call rx\n+r0 = 5\n+if r6 == 0 goto out\n+r0 = 6\n+out:\nexit",
		want: []string{"main: instruction 2: inserted operand: JEqImm computes with r6 of the program"},
	},
	{
		name: "past the descriptor", text: "-call rx" + strings.Replace(metaFetch, "r3 + 8", "r3 + 12", 1) + "exit",
		want: []string{"main: instruction 6: descriptor load: LdXMemDW at r3+12 reads bytes 12 to 19 of a descriptor of 16"},
	},
	{
		name: "before the descriptor", text: "-call rx" + strings.Replace(metaFetch, "r3 + 8", "r3 - 8", 1) + "exit",
		want: []string{"main: instruction 6: descriptor load: LdXMemDW at r3-8 reads bytes -8 to -1 of a descriptor of 16"},
	},
	{
		name: "without the test", text: "-call rx" + strings.Replace(metaFetch, "+if r4 > r2 goto none", "", 1) + "exit",
		want: []string{"main: instruction 5: descriptor load: LdXMemDW at r3+8 reads up to byte 15 of the metadata area, and 0 are known to be there"},
	},
	{
		name: "with the test the other way round", text: "-call rx" + strings.Replace(metaFetch, "r4 > r2", "r4 <= r2", 1) + "exit",
		want: []string{"main: instruction 6: descriptor load: LdXMemDW at r3+8 reads up to byte 15 of the metadata area, and 0 are known to be there"},
	},
	{
		name: "with a test of too little", text: "-call rx" + strings.Replace(metaFetch, "r4 += 16", "r4 += 8", 1) + "exit",
		want: []string{"main: instruction 6: descriptor load: LdXMemDW at r3+8 reads up to byte 15 of the metadata area, and 8 are known to be there"},
	},
	{name: "with the operands exchanged", text: "-call rx" + strings.Replace(metaFetch, "r4 > r2", "r2 < r4", 1) + "exit"},
	{
		name: "what is no member of the context", text: "-call rx\n+r0 = *(u32 *)(r1 + 24)\nexit",
		want: []string{"main: instruction 0: descriptor load: LdXMemW at r1+24 is no member of struct xdp_md"},
	},
	{
		name: "through another register", text: "r7 = r1\n-call rx\n+r0 = *(u32 *)(r7 + 0)\nexit",
		want: []string{"main: instruction 1: descriptor load: LdXMemW at r7+0 reads through r7 of the program"},
	},
	{
		name: "after the walk is over", text: "-call rx" + castAndView + "*(u64 *)(r10 - 8) = r6\n+r0 = *(u64 *)(r0 + 8)\nexit",
		want: []string{"main: instruction 6: descriptor load: LdXMemDW at r0+8 reads what is not known to belong to the descriptor"},
	},
	{
		name: "farther than the walk", text: "-call rx" + castAndView + "+r0 = *(u64 *)(r0 + 64)\nexit",
		want: []string{"main: instruction 5: descriptor load: LdXMemDW at r0+64 reads bytes 64 to 71, and the walk reads within 64"},
	},
	{
		name: "before what the walk came to", text: "-call rx\n+call cast\n+r0 = *(u64 *)(r0 - 8)\nexit",
		want: []string{"main: instruction 1: descriptor load: LdXMemDW at r0-8 reads before a struct of the kernel"},
	},
	{
		name: "an address that was not viewed", text: "-call rx" + castAndView + "+r1 = *(u64 *)(r0 + 8)\n+r0 = *(u64 *)(r1 + 8)\nexit",
		want: []string{"main: instruction 6: descriptor load: LdXMemDW at r1+8 reads what is not known to belong to the descriptor"},
	},
	{name: "a table", text: "-call rx\n+r1 = &t\n+r0 = *(u8 *)(r1 + 7)\nexit"},
	{
		name: "past a table", text: "-call rx\n+r1 = &t\n+r1 += 4\n+r0 = *(u32 *)(r1 + 1)\nexit",
		want: []string{"main: instruction 2: descriptor load: LdXMemW at r1+1 reads bytes 5 to 8 of a table of 8"},
	},
	{
		name: "an instruction that changed", text: "r0 = 1\nr0 += 2\nexit",
		spoil: func(u *code.Unit) { u.Funcs[0].Insns[1].Constant = 3 },
		want:  []string{"main: instruction 1: kept instruction: AddImm had constant 2 and has 3"},
	},
	{
		name: "another register", text: "r0 = 1\nr0 += 2\nexit",
		spoil: func(u *code.Unit) { u.Funcs[0].Insns[0].Dst = asm.R2; u.Funcs[0].Insns[1].Dst = asm.R2 },
		want: []string{
			"main: instruction 2: register read: Exit reads r0, which is not written on every path",
			"main: instruction 0: kept instruction: was MovImm dst: r0 imm: 1",
			"main: instruction 1: kept instruction: was AddImm dst: r0 imm: 2",
		},
	},
	{
		name: "another offset", text: "r0 = *(u32 *)(r1 + 12)\nexit",
		spoil: func(u *code.Unit) { u.Funcs[0].Insns[0].Offset = 16 },
		want:  []string{"main: instruction 0: kept instruction: LdXMemW had offset 12 and has 16"},
	},
	{
		name: "another offset through the struct that was built", text: "-call rx\n+r0 = r10\n+r0 += -8\n+*(u64 *)(r10 - 8) = 0\nr0 = *(u32 *)(r0 + 4)\nexit",
		spoil: func(u *code.Unit) { u.Funcs[0].Insns[3].Offset = 0 },
	},
	{
		name: "a CO-RE record that came", text: "r0 = 1\nexit",
		spoil: func(u *code.Unit) { u.Funcs[0].Insns[0].CORE = &code.CORE{} },
		want:  []string{"main: instruction 0: kept instruction: MovImm has another CO-RE record than before"},
	},
	{
		name: "another order", text: "r0 = 1\nr6 = 1\nexit",
		spoil: func(u *code.Unit) { i := u.Funcs[0].Insns; i[0], i[1] = i[1], i[0] },
		want:  []string{"main: instruction 1: kept instruction: was instruction 0, and stands behind what was instruction 1"},
	},
	{
		name: "an instruction that never was", text: "r0 = 1\nexit",
		spoil: func(u *code.Unit) { u.Funcs[0].Insns[1].Origin = 2 },
		want:  []string{"main: instruction 1: kept instruction: comes from instruction 2, the function had 2"},
	},
	{
		name: "another extern", text: "r1 = 0\ncall stop\nr0 = 0\nexit",
		spoil: func(u *code.Unit) {
			u.Externs = append(u.Externs, code.Extern{Name: "other", Type: kernelFunctions["stop"]})
			u.Funcs[0].Insns[1].Ref.Index = 1
		},
		want: []string{"main: instruction 1: kept instruction: Call refers to something else than before"},
	},
	{
		name: "a branch that leads elsewhere", text: "r0 = 1\nif r0 == 1 goto out\nr0 = 2\nout:\nexit",
		spoil: func(u *code.Unit) { u.Funcs[0].Insns[1].Target = 2 },
		want:  []string{"main: instruction 1: kept instruction: JEqImm led to instruction 3, and leads elsewhere now"},
	},
	{name: "a branch to what is gone", text: "r0 = 1\nif r0 == 1 goto out\nr0 = 2\nout:\n-r6 = 1\n+r6 = 2\nexit"},
	{
		name: "a branch past what was inserted", text: "r0 = 1\nif r0 == 1 goto out\nr0 = 2\nr0 = 3\nout:\n-r6 = 1\n+r6 = 2\nexit",
		spoil: func(u *code.Unit) { u.Funcs[0].Insns[1].Target = 3 },
		want:  []string{"main: instruction 1: kept instruction: JEqImm led to instruction 4, and leads elsewhere now"},
	},
}

// Each rule about what inserted code does to a program, kept and broken.
func TestCheckInserted(t *testing.T) {
	for _, tt := range insertedTests {
		t.Run(tt.name, func(t *testing.T) {
			before, after := pair(t, tt.text)
			if tt.spoil != nil {
				tt.spoil(after)
			}
			require.Equal(t, tt.want, said(Check(after, Options{Before: before, Reach: reached})))
		})
	}
}

// Without a reach there is nothing that inserted code may read.
func TestCheckNoReach(t *testing.T) {
	for _, text := range []string{"-call rx" + metaFetch + "exit", "-call rx" + castAndView + "+r0 = *(u64 *)(r0 + 8)\nexit"} {
		before, after := pair(t, text)
		require.Error(t, Check(after, Options{Before: before}))
	}
}
