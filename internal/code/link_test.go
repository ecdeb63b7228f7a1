package code_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/code"
)

// requireLinked wants every distance to lead to the branch's target, in slots
// from the instruction after it (Documentation/bpf/standardization).
func requireLinked(t *testing.T, f *code.Func) {
	t.Helper()
	slots := f.Slots()
	for i := range f.Insns {
		in := &f.Insns[i]
		if !in.IsBranch() {
			continue
		}
		distance := int(in.Offset)
		if in.IsLongGoto() {
			require.Zero(t, in.Offset)
			distance = int(in.Constant)
		}
		require.Equal(t, slots[in.Target], slots[i+1]+distance, "instruction %d", i)
	}
}

func longGoto(target int32) code.Insn {
	in := code.New(asm.Instruction{OpCode: asm.OpCode(asm.Jump32Class).SetJumpOp(asm.Ja)})
	in.Target = target
	return in
}

func wide(r asm.Register) code.Insn { return code.New(asm.LoadImm(r, 1, asm.DWord)) }

func TestLink(t *testing.T) {
	f := function(ifZero(3), wide(asm.R2), wide(asm.R3), longGoto(0), code.Goto(5), ret())
	require.Equal(t, []int{0, 1, 3, 5, 6, 7, 8}, f.Slots())
	require.NoError(t, f.Link(false))
	require.EqualValues(t, 4, f.Insns[0].Offset, "over two wide loads")
	require.EqualValues(t, -6, f.Insns[3].Constant)
	require.EqualValues(t, 0, f.Insns[4].Offset)
	requireLinked(t, f)
}

func TestLinkBadTarget(t *testing.T) {
	for _, target := range []int32{code.NoTarget, code.Here(0), 2, 100} {
		err := function(ifZero(target), ret()).Link(true)
		require.EqualError(t, err, fmt.Sprintf("function main: instruction 0: branch to instruction %d of 2", target))
	}
}

// over is a function with one branch over so many slots, which computes 1 when
// the branch is taken and 2 when it is not. r1 is the context, never 0.
func over(distance int, taken bool, branch func(op asm.JumpOp, target int32) code.Insn) *code.Func {
	op := asm.JEq
	if taken {
		op = asm.JNE
	}
	filler := make([]code.Insn, max(distance, -distance))
	for i := range filler {
		filler[i] = mov(asm.R2, 0)
	}
	end := []code.Insn{mov(asm.R0, 1), ret()}
	if distance > 0 {
		filler[0], filler[1] = mov(asm.R0, 2), ret()
		return function(append(append([]code.Insn{branch(op, int32(1+distance))}, filler...), end...)...)
	}
	// goto the branch; what it leads to; filler; the branch; not taken
	insns := append([]code.Insn{longGoto(int32(-distance))}, end...)
	insns = append(insns, filler[:-distance-len(insns)]...)
	insns = append(insns, branch(op, 1), mov(asm.R0, 2), ret())
	return function(insns...)
}

func conditional(op asm.JumpOp, target int32) code.Insn { return code.IfImm(op, asm.R1, 0, target) }

func unconditional(_ asm.JumpOp, target int32) code.Insn { return code.Goto(target) }

func TestLinkFar(t *testing.T) {
	for _, c := range []struct {
		distance int
		far      bool
	}{
		{math.MaxInt16, false},
		{math.MaxInt16 + 1, true},
		{2 * math.MaxInt16, true},
		{math.MinInt16, false},
		{math.MinInt16 - 1, true},
		{2 * math.MinInt16, true},
	} {
		for name, branch := range map[string]func(asm.JumpOp, int32) code.Insn{"if": conditional, "goto": unconditional} {
			for _, taken := range []bool{true, false} {
				if name == "goto" && !taken {
					continue
				}
				t.Run(fmt.Sprintf("%s/%d/%v", name, c.distance, taken), func(t *testing.T) {
					want := uint32(2)
					if taken {
						want = 1
					}
					f := over(c.distance, taken, branch)
					length := len(f.Insns)
					require.NoError(t, f.Link(true))
					requireLinked(t, f)
					got, err := execute(f)
					require.NoError(t, err)
					require.Equal(t, want, got)
					grown := 0
					if c.far && name == "if" {
						grown = 2
					}
					require.Equal(t, length+grown, len(f.Insns))

					err = over(c.distance, taken, branch).Link(false)
					if !c.far {
						require.NoError(t, err)
						return
					}
					var far *code.FarError
					require.ErrorAs(t, err, &far)
					require.Equal(t, c.distance, far.Distance)
					require.EqualValues(t, far.Insn, far.Line.Number)
					require.EqualError(t, err, fmt.Sprintf("function main: instruction %d: branch over %d slots does not fit 16 bits", far.Insn, c.distance))
				})
			}
		}
	}
}

// What makes one branch reach its target takes the one before it out of reach.
func TestLinkFarInTurn(t *testing.T) {
	const branches = 40
	f := function(mov(asm.R0, 2))
	for i := range branches {
		// Two slots for each branch that goes by a gotol between this one and its
		// target: all of them are needed to make it too far.
		distance := math.MaxInt16 + 1 - 2*(branches-1-i)
		f.Insns = append(f.Insns, code.IfImm(asm.JSet, asm.R0, 1, int32(len(f.Insns)+1+distance)))
	}
	for len(f.Insns) < math.MaxInt16+2*branches {
		f.Insns = append(f.Insns, mov(asm.R0, 2))
	}
	f.Insns = append(f.Insns, ret())
	length := len(f.Insns)
	require.NoError(t, f.Link(true))
	requireLinked(t, f)
	require.Len(t, f.Insns, length+2*branches)
	got, err := execute(f)
	require.NoError(t, err)
	require.EqualValues(t, 2, got)
}

func TestLevel(t *testing.T) {
	unit := func(in asm.Instruction) *code.Unit {
		return &code.Unit{Funcs: []*code.Func{function(mov(asm.R0, 0), ret()), function(code.New(in), ret())}}
	}
	for name, in := range map[string]asm.Instruction{
		"gotol":               longGoto(0).Instruction,
		"sign-extending load": asm.LoadMemSX(asm.R0, asm.R1, 0, asm.Half),
		"sign-extending move": asm.MovSX8.Reg(asm.R0, asm.R1),
		"signed division":     asm.SDiv.Reg(asm.R0, asm.R1),
		"unconditional swap":  asm.BSwap(asm.R0, asm.Word),
	} {
		require.True(t, unit(in).HasV4(), name)
	}
	for name, in := range map[string]asm.Instruction{
		"goto":       code.Goto(0).Instruction,
		"load":       asm.LoadMem(asm.R0, asm.R1, 0, asm.Half),
		"division":   asm.Div.Reg(asm.R0, asm.R1),
		"to big":     asm.HostTo(asm.BE, asm.R0, asm.Word),
		"to little":  asm.HostTo(asm.LE, asm.R0, asm.Word),
		"wide load":  wide(asm.R0).Instruction,
		"32-bit mov": asm.Mov.Imm32(asm.R0, 1),
	} {
		require.False(t, unit(in).HasV4(), name)
	}
}

func TestKinds(t *testing.T) {
	mayGoto := code.New(asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(0xe0)})
	call := code.New(asm.FnKtimeGetNs.Call())
	for name, c := range map[string]struct {
		in                                           code.Insn
		branch, jump, long, may, exit, call, through bool
	}{
		"mov":        {in: mov(asm.R0, 0), through: true},
		"if":         {in: ifZero(0), branch: true, through: true},
		"if, 32 bit": {in: code.New(asm.JEq.Imm32(asm.R0, 0, "")), branch: true, through: true},
		"goto":       {in: code.Goto(0), branch: true, jump: true},
		"gotol":      {in: longGoto(0), branch: true, jump: true, long: true},
		"may_goto":   {in: mayGoto, branch: true, may: true, through: true},
		"call":       {in: call, call: true, through: true},
		"exit":       {in: ret(), exit: true},
	} {
		in := &c.in
		require.Equal(t, c.branch, in.IsBranch(), name)
		require.Equal(t, c.jump, in.IsGoto(), name)
		require.Equal(t, c.long, in.IsLongGoto(), name)
		require.Equal(t, c.may, in.IsMayGoto(), name)
		require.Equal(t, c.exit, in.IsExit(), name)
		require.Equal(t, c.call, in.IsCall(), name)
		require.Equal(t, c.through, in.FallsThrough(), name)
	}
}
