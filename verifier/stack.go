package verifier

import (
	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
)

// maxStack is MAX_BPF_STACK in linux/filter.h: of one frame, and of all frames
// of a call chain together.
const maxStack = 512

// maxAboveTailCall bounds the frames above a function that makes a tail call:
// they stay while the called program adds its own
// (check_max_stack_depth_subprog in kernel/bpf/verifier.c).
const maxAboveTailCall = 256

// chainDepth is what the deepest chain of calls from a function needs.
type chainDepth struct {
	jit, old  int  // bytes, rounded in either way
	tails     bool // it or a function below makes a tail call
	above     int  // bytes (jit) of the frames above the deepest that does
	recursive bool
	visited   bool
	open      bool // being visited: reaching it again is recursion
}

// callChains computes the depth from every function, by its index. Frames are
// rounded as round_up_stack_depth and check_max_stack_depth_subprog do it in
// kernel/bpf/verifier.c: to 16 bytes with the JIT since Linux 6.8, to 32 bytes
// and at least one byte else. The address of a function counts as a call of it,
// for the kernel calls it back on top of the frame that handed it out.
func callChains(u *code.Unit, frames []int) []chainDepth {
	depths := make([]chainDepth, len(u.Funcs))
	var visit func(fn int)
	visit = func(fn int) {
		d := &depths[fn]
		if d.open {
			d.recursive = true
		}
		if d.visited {
			return
		}
		d.visited, d.open = true, true
		for i := range u.Funcs[fn].Insns {
			in := &u.Funcs[fn].Insns[i]
			ref := in.Ref
			d.tails = d.tails || in.IsBuiltinCall() && in.Constant == int64(asm.FnTailCall)
			if ref.Kind != code.RefFunc || ref.Index < 0 || int(ref.Index) >= len(u.Funcs) {
				continue
			}
			visit(int(ref.Index))
			callee := depths[ref.Index]
			d.jit, d.old = max(d.jit, callee.jit), max(d.old, callee.old)
			if callee.tails {
				d.tails, d.above = true, max(d.above, callee.above+roundUp(frames[fn], 16))
			}
		}
		d.jit += roundUp(frames[fn], 16)
		d.old += roundUp(max(frames[fn], 1), 32)
		d.open = false
	}
	for fn := range u.Funcs {
		visit(fn)
	}
	return depths
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// entryChain returns the chain from the function being checked. A chain is
// judged where it starts; a function in the middle of it is a part of the same.
func (c *checker) entryChain(f *code.Func) chainDepth {
	d := c.chain[c.fn]
	if f.Linkage == code.Program || d.recursive {
		return d
	}
	return chainDepth{}
}
