package flow

import (
	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
)

// arguments are r1 to r5, one bit each.
const arguments = 1<<(asm.R5+1) - 1<<asm.R1

// Takes is how many arguments the code of g takes: the highest of r1 to r5 that is
// read on some way before it is written. Most functions have written all of them
// soon, so that little of one is looked at.
func Takes(g *Graph, arity func(*code.Insn) int) (n int) {
	if len(g.Blocks) == 0 {
		return 0
	}
	open := make([]uint8, len(g.Blocks)) // at the start of each: what some way to it has not written
	open[0] = arguments
	for work := []int32{0}; len(work) > 0; {
		b := work[len(work)-1]
		work = work[:len(work)-1]
		left := open[b]
		for i := g.Blocks[b].Start; i < g.Blocks[b].End && left>>(n+1) != 0; i++ {
			in, args := &g.F.Insns[i], 0
			if in.IsCall() {
				args = arity(in)
			}
			reads, writes := Bits{}, Bits{}
			for r := range writes {
				writes[r] = all
			}
			Before(in, &reads, args)
			Before(in, &writes, args)
			for r := asm.R1; r <= asm.R5; r++ {
				if left>>r&1 != 0 && reads[r] != 0 {
					n = max(n, int(r))
				}
				if writes[r] == 0 {
					left &^= 1 << r
				}
			}
		}
		if left>>(n+1) == 0 {
			continue
		}
		for _, s := range g.Blocks[b].Succ {
			if left&^open[s] != 0 {
				open[s] |= left
				work = append(work, s)
			}
		}
	}
	return n
}
