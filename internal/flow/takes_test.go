package flow_test

import (
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/flow"
)

// What a function takes is what is live where it starts.
func TestTakesRandomly(t *testing.T) {
	rng := chance.Rand(t)
	seen := map[int]int{}
	for range 1000 {
		f := &code.Func{Name: "main", Insns: newProgram(rng).insns}
		f.Insns = f.Insns[rng.IntN(len(f.Insns)):] // past some of what sets its registers
		start := len(f.Insns)
		for i := range f.Insns {
			if in := &f.Insns[i]; in.IsBranch() {
				in.Target = int32(rng.IntN(start))
			}
		}
		g := flow.NewGraph(f)
		live := flow.NewDemand(g, nil, arity, nil).Start(0)
		want := 0
		for r := asm.R1; r <= asm.R5; r++ {
			if live[r] != 0 {
				want = int(r)
			}
		}
		require.Equal(t, want, flow.Takes(g, arity), listing(f))
		seen[want]++
	}
	t.Log(seen)
	require.Len(t, seen, 6)
}
