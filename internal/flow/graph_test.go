package flow_test

import (
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/flow"
)

func ret() code.Insn { return code.New(asm.Return()) }

func mov(r asm.Register, n int32) code.Insn { return code.New(asm.Mov.Imm(r, n)) }

func ifZero(target int32) code.Insn { return code.IfImm(asm.JEq, asm.R1, 0, target) }

func TestGraph(t *testing.T) {
	f := &code.Func{Insns: []code.Insn{
		/* 0 */ mov(asm.R0, 0),
		/* 1 */ ifZero(5),
		/* 2 */ mov(asm.R0, 1),
		/* 3 */ ifZero(4), // to what is next: one edge
		/* 4 */ code.Goto(1),
		/* 5 */ ifZero(8),
		/* 6 */ ret(),
		/* 7 */ code.Goto(8), // nothing leads here
		/* 8 */ ret(),
	}}
	g := flow.NewGraph(f)
	require.Equal(t, []flow.Block{
		{Start: 0, End: 1, Succ: []int32{1}, Pred: []int32{}},
		{Start: 1, End: 2, Succ: []int32{2, 4}, Pred: []int32{0, 3}},
		{Start: 2, End: 4, Succ: []int32{3}, Pred: []int32{1}},
		{Start: 4, End: 5, Succ: []int32{1}, Pred: []int32{2}},
		{Start: 5, End: 6, Succ: []int32{5, 7}, Pred: []int32{1}},
		{Start: 6, End: 7, Succ: []int32{}, Pred: []int32{4}},
		{Start: 7, End: 8, Succ: []int32{7}, Pred: []int32{}},
		{Start: 8, End: 9, Succ: []int32{}, Pred: []int32{4, 6}},
	}, g.Blocks)
	require.Equal(t, []int32{0, 1, 2, 2, 3, 4, 5, 6, 7}, g.Of)
	require.Equal(t, []int32{0, 1, 4, 7, 5, 2, 3}, g.Order)
}

// Who asks nothing at a branch any more goes on, and what is demanded where it had
// led is not demanded here.
func TestUnlink(t *testing.T) {
	f := &code.Func{Insns: []code.Insn{
		/* 0 */ ifZero(2),
		/* 1 */ ret(),
		/* 2 */ code.New(asm.Mov.Reg(asm.R0, asm.R5)),
		/* 3 */ ret(),
	}}
	g := flow.NewGraph(f)
	none := func(*code.Insn) int { return 0 }
	require.NotZero(t, flow.NewDemand(g, nil, none, nil).Start(0)[asm.R5])
	g.Unlink(0, 2)
	require.Equal(t, []flow.Block{
		{Start: 0, End: 1, Succ: []int32{1}, Pred: []int32{}},
		{Start: 1, End: 2, Succ: []int32{}, Pred: []int32{0}},
		{Start: 2, End: 4, Succ: []int32{}, Pred: []int32{}},
	}, g.Blocks)
	require.Zero(t, flow.NewDemand(g, nil, none, nil).Start(0)[asm.R5])
}

// Code can run off the end of a function that nobody checked yet.
func TestGraphOfOddFunctions(t *testing.T) {
	require.Empty(t, flow.NewGraph(&code.Func{}).Blocks)

	g := flow.NewGraph(&code.Func{Insns: []code.Insn{mov(asm.R0, 0)}})
	require.Len(t, g.Blocks, 1)
	require.Empty(t, g.Blocks[0].Succ)

	g = flow.NewGraph(&code.Func{Insns: []code.Insn{ifZero(0)}})
	require.Equal(t, []flow.Block{{Start: 0, End: 1, Succ: []int32{0}, Pred: []int32{0}}}, g.Blocks)
}

// Blocks one after the other, very many.
func TestGraphOfManyBlocks(t *testing.T) {
	const n = 100_000
	f := &code.Func{Insns: make([]code.Insn, n)}
	for i := range f.Insns {
		f.Insns[i] = ifZero(int32(i))
	}
	g := flow.NewGraph(f)
	require.Len(t, g.Blocks, n)
	require.Len(t, g.Order, n)
	for i, b := range g.Order {
		if int(b) != i {
			require.Equal(t, i, b)
		}
	}
}

func TestHelperArgs(t *testing.T) {
	// From the prototypes in the kernel's bpf.h.
	for id, want := range map[asm.BuiltinFunc]int{
		asm.FnMapLookupElem: 2, asm.FnMapUpdateElem: 4, asm.FnKtimeGetNs: 0, asm.FnTracePrintk: 5, asm.FnTailCall: 3,
		asm.FnXdpAdjustHead: 2, asm.FnXdpAdjustMeta: 2, asm.FnXdpAdjustTail: 2, asm.FnRingbufOutput: 4,
		asm.FnLoop: 4, asm.FnXdpLoadBytes: 4, asm.FnRedirectMap: 3, asm.FnKtimeGetTaiNs: 0,
	} {
		require.Equal(t, want, flow.HelperArgs(int64(id)), id.String())
	}
	require.Equal(t, 5, flow.HelperArgs(-1))
	require.Equal(t, 5, flow.HelperArgs(1_000_000))
}
