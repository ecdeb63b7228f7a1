package code_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/verifier"
)

func mov(r asm.Register, n int32) code.Insn { return code.New(asm.Mov.Imm(r, n)) }
func add(r asm.Register, n int32) code.Insn { return code.New(asm.Add.Imm(r, n)) }
func ret() code.Insn                        { return code.New(asm.Return()) }

func ifZero(target int32) code.Insn { return code.IfImm(asm.JEq, asm.R1, 0, target) }

// function makes one whose instructions know where they were, and each of which
// is a source line of its own.
func function(insns ...code.Insn) *code.Func {
	for i := range insns {
		insns[i].Origin = int32(i)
		insns[i].Line = &code.Line{Number: uint32(i)}
	}
	return &code.Func{Name: "main", Insns: insns}
}

// shape is what an edit is about: for each instruction its operation, where it
// was, where it branches to, and its source line; -1 for none.
func shape(f *code.Func) []string {
	var out []string
	for _, in := range f.Insns {
		line := -1
		if in.Line != nil {
			line = int(in.Line.Number)
		}
		text := fmt.Sprintf("%v", in.OpCode.Class())
		if in.IsBranch() {
			text = fmt.Sprintf("branch %d", in.Target)
		} else if in.OpCode.Class().IsALU() {
			text = fmt.Sprintf("%v = %d", in.Dst, in.Constant)
		} else if in.IsExit() {
			text = "exit"
		}
		out = append(out, fmt.Sprintf("%s, was %d, line %d", text, in.Origin, line))
	}
	return out
}

// What a function does once, a branch back to its first instruction does not do
// again.
func TestEditEnter(t *testing.T) {
	f := function(mov(asm.R0, 0), ifZero(0), ret())
	e := code.NewEdit(f)
	e.Enter(ifZero(code.Here(2)), mov(asm.R2, 7))
	e.Insert(0, mov(asm.R3, 8))
	e.Apply()
	require.Equal(t, []string{"branch 2, was -1, line 0", "r2 = 7, was -1, line -1", "r3 = 8, was -1, line 0",
		"r0 = 0, was 0, line -1", "branch 2, was 1, line 1", "exit, was 2, line 2"}, shape(f))
}

func TestEdit(t *testing.T) {
	// What is edited: branches forward and backward, from and to every place.
	start := func() *code.Func {
		return function(mov(asm.R0, 0), ifZero(3), mov(asm.R0, 2), ifZero(1), ret())
	}
	for _, c := range []struct {
		name string
		edit func(e *code.Edit)
		want []string
	}{
		{"nothing", func(*code.Edit) {}, []string{
			"r0 = 0, was 0, line 0", "branch 3, was 1, line 1", "r0 = 2, was 2, line 2", "branch 1, was 3, line 3", "exit, was 4, line 4",
		}},
		{"insert before what is branched to", func(e *code.Edit) { e.Insert(3, mov(asm.R2, 7), mov(asm.R2, 8)) }, []string{
			"r0 = 0, was 0, line 0", "branch 3, was 1, line 1", "r0 = 2, was 2, line 2",
			"r2 = 7, was -1, line 3", "r2 = 8, was -1, line -1", "branch 1, was 3, line -1", "exit, was 4, line 4",
		}},
		{"insert twice, with branches", func(e *code.Edit) {
			e.Insert(1, ifZero(code.Here(2)), mov(asm.R2, 7))
			e.Insert(1, ifZero(code.Here(0)), ifZero(code.Here(2)), ifZero(4))
		}, []string{
			"r0 = 0, was 0, line 0",
			"branch 3, was -1, line 1", "r2 = 7, was -1, line -1",
			"branch 3, was -1, line -1", "branch 5, was -1, line -1", "branch 9, was -1, line -1",
			"branch 8, was 1, line -1", "r0 = 2, was 2, line 2", "branch 1, was 3, line 3", "exit, was 4, line 4",
		}},
		{"insert and replace", func(e *code.Edit) {
			e.Insert(1, ifZero(code.Here(1)))
			e.Replace(1, ifZero(code.Here(0)), ifZero(code.Here(2)))
		}, []string{
			"r0 = 0, was 0, line 0",
			"branch 2, was -1, line 1", "branch 2, was -1, line -1", "branch 4, was -1, line -1",
			"r0 = 2, was 2, line 2", "branch 1, was 3, line 3", "exit, was 4, line 4",
		}},
		{"delete what is branched to", func(e *code.Edit) { e.Replace(3) }, []string{
			"r0 = 0, was 0, line 0", "branch 3, was 1, line 1", "r0 = 2, was 2, line 2", "exit, was 4, line 4",
		}},
		{"delete, and the next has no line", func(e *code.Edit) { e.Replace(0); e.Replace(1); e.Replace(2) }, []string{
			"branch 0, was 3, line 3", "exit, was 4, line 4",
		}},
		{"retarget", func(e *code.Edit) { e.Insert(1, mov(asm.R2, 7)); e.Retarget(1, 2) }, []string{
			"r0 = 0, was 0, line 0", "r2 = 7, was -1, line 1", "branch 3, was 1, line -1", "r0 = 2, was 2, line 2", "branch 1, was 3, line 3", "exit, was 4, line 4",
		}},
		{"insert at the end", func(e *code.Edit) { e.Insert(4, ifZero(code.Here(1)), ifZero(0)) }, []string{
			"r0 = 0, was 0, line 0", "branch 3, was 1, line 1", "r0 = 2, was 2, line 2", "branch 1, was 3, line 3",
			"branch 5, was -1, line 4", "branch 0, was -1, line -1", "exit, was 4, line -1",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := start()
			e := code.NewEdit(f)
			c.edit(e)
			e.Apply()
			require.Equal(t, c.want, shape(f))
		})
	}
}

// An instruction that has lost its own line's first instruction says the line
// itself: what follows it relies on that.
func TestEditKeepsLines(t *testing.T) {
	f := function(mov(asm.R0, 0), mov(asm.R1, 1), mov(asm.R2, 2), mov(asm.R3, 3), ret())
	f.Insns[2].Line, f.Insns[3].Line = nil, nil // on with line 1
	e := code.NewEdit(f)
	e.Replace(1)
	e.Apply()
	require.Equal(t, []string{
		"r0 = 0, was 0, line 0", "r2 = 2, was 2, line 1", "r3 = 3, was 3, line -1", "exit, was 4, line 4",
	}, shape(f))
	require.EqualValues(t, 1, f.LineAt(2).Number)
	require.EqualValues(t, 4, f.LineAt(3).Number)
	require.EqualValues(t, 4, f.LineAt(10).Number, "past the end: the last")
	require.Nil(t, (&code.Func{}).LineAt(0))
}

// The code that was given is not changed: it may be given again.
func TestEditCopies(t *testing.T) {
	given := []code.Insn{ifZero(code.Here(1)), ifZero(code.Here(0))}
	f := function(mov(asm.R0, 0), ret())
	e := code.NewEdit(f)
	e.Insert(0, given...)
	e.Insert(1, given...)
	e.Apply()
	require.Equal(t, []int32{1, 0, code.NoTarget, 4, 3, code.NoTarget}, targets(f))
	require.Equal(t, []code.Insn{ifZero(code.Here(1)), ifZero(code.Here(0))}, given)
}

func targets(f *code.Func) []int32 {
	var out []int32
	for _, in := range f.Insns {
		out = append(out, in.Target)
	}
	return out
}

// Random programs compute the same whatever code without effect is inserted, and
// wherever.
func TestEditRandomly(t *testing.T) {
	rng := chance.Rand(t)
	for range 300 {
		f := randomProgram(rng)
		before, err := execute(f)
		require.NoError(t, err)
		e := code.NewEdit(f)
		for range 1 + rng.IntN(10) {
			i := 1 + rng.IntN(len(f.Insns)-1) // the first makes r0 readable
			switch rng.IntN(3) {
			case 0:
				e.Insert(i, code.Goto(code.Here(2)), add(asm.R0, 1), code.IfImm(asm.JEq, asm.R0, 5, code.Here(3)))
			case 1:
				e.Insert(i, add(asm.R0, 1), add(asm.R0, -1))
			case 2:
				e.Replace(i, code.Goto(code.Here(2)), ret(), f.Insns[i])
			}
		}
		e.Apply()
		after, err := execute(f)
		require.NoError(t, err)
		require.Equal(t, before, after)
	}
}

// randomProgram adds different numbers on different ways, and ends.
func randomProgram(rng *rand.Rand) *code.Func {
	n := 5 + rng.IntN(30)
	insns := []code.Insn{mov(asm.R0, int32(rng.IntN(8)))}
	for i := 1; i < n; i++ {
		insns = append(insns, add(asm.R0, int32(rng.IntN(100))))
		if rng.IntN(2) == 0 {
			insns[i] = code.IfImm(asm.JSet, asm.R0, 1<<rng.IntN(4), int32(i+1+rng.IntN(n-i)))
		}
	}
	return function(append(insns, ret())...)
}

func execute(f *code.Func) (uint32, error) {
	m := verifier.Machine{Unit: &code.Unit{Order: binary.LittleEndian, Funcs: []*code.Func{f}}, Packet: make([]byte, 64)}
	return m.Run(f.Name)
}
