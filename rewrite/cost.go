package rewrite

import (
	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
)

// costs are what instructions cost, in nanoseconds, of which only the proportions
// count. A planner that chooses between two pieces of code prices both.
type costs struct {
	probe  float64 // a load through bpf_rdonly_cast, or of a member of a kernel's struct
	load   float64 // of the context, of the packet or of a table
	fill   float64 // a load from the stack
	spill  float64 // a store to the stack
	alu    float64
	branch float64
	call   float64 // of a function that is not inlined
	insn   float64 // what an instruction costs by being there, whether it runs or not
}

// x86 is measured with BPF_PROG_RUN on Linux 6.18.44, 400 of a kind in a row
// without depending on each other, medians of 31 rounds, above a program without
// them. Each is well below a load's latency, as processors do several at a time.
//
// What is emitted for the other architectures is decided by the same row: an object
// does not say which one it is for. That may only cost time, on arm64 less than it
// seems: its JIT makes a probe load a plain one with an entry in the exception table
// (arch/arm64/net/bpf_jit_comp.c, add_exception_handler), and so favours fetching at
// the call, for which its row would have probe at load. Its other numbers are not
// measured.
var x86 = costs{
	// A comparison of the address with the user's half, and the load: 42 bytes
	// (arch/x86/net/bpf_jit_comp.c, BPF_PROBE_MEM). A walk's depend on each other, so
	// this one is the latency: 4 to 5 cycles of the load and as much for the check.
	probe:  1.0,
	load:   0.09, // packet 0.090, context 0.085
	fill:   0.09, // 0.092
	spill:  0.17, // 0.172, and 0.25 with the fill that waits for it
	alu:    0.08, // 0.087, a move 0.070; each waiting for the one before, 0.33
	branch: 0.13, // 0.133, not taken
	call:   1.7,  // 1.725, bpf_get_numa_node_id
	// A line of the cache holds about thirteen instructions and comes from the second
	// level in some 4 ns. Taken: that happens to one packet in thirty.
	insn: 0.01,
}

// insns is what a piece of code costs that runs once in freq times. All of it is
// taken to run; probes tells whether loads other than of the stack are probes.
func (c *costs) insns(piece []code.Insn, freq float64, probes bool) (sum float64) {
	for i := range piece {
		sum += c.insn + freq*c.of(&piece[i], probes)
	}
	return sum
}

func (c *costs) of(in *code.Insn, probes bool) float64 {
	switch class := in.OpCode.Class(); {
	case class == asm.LdXClass && in.Src == asm.R10:
		return c.fill
	case class == asm.LdXClass && probes:
		return c.probe
	case class == asm.LdXClass:
		return c.load
	case class.IsStore():
		return c.spill
	case in.IsCall() && in.Ref.Kind == code.RefExtern:
		return c.alu // the casts, which the verifier makes a move of each
	case in.IsCall():
		return c.call
	case in.IsBranch():
		return c.branch
	}
	return c.alu
}

// often is how often each block runs when the function runs once; a loop counts once.
// All ways out of a branch are as likely, but for those that deal with a failure.
func (p *plan) often() []float64 {
	g := p.graph
	freq := make([]float64, len(g.Blocks))
	freq[0] = 1
	for _, b := range g.Order {
		succ := g.Blocks[b].Succ
		fails := p.failure(b)
		for _, s := range succ {
			if g.Back(b, s) {
				continue
			}
			share := 1 / float64(len(succ))
			switch {
			case s == fails:
				share = seldom
			case fails >= 0:
				share = 1 - seldom
			}
			freq[s] += freq[b] * share
		}
	}
	return freq
}

// seldom is how often a check of a packet's bounds fails, or a helper that the program
// can not go on without. It is not measured: the checks are there for the kernel's
// verifier, and packets that are too short for their headers are few.
const seldom = 1.0 / 16

// failure is the way out of a block for a packet that is too short, or a helper that
// failed, -1: there is none. It is one that ends the function without doing anything.
func (p *plan) failure(b int32) int32 {
	blk := &p.graph.Blocks[b]
	if len(blk.Succ) != 2 || !p.boundsCheck(blk.End-1) && !p.checksCall(b) {
		return -1
	}
	first, second := p.givesUp(blk.Succ[0]), p.givesUp(blk.Succ[1])
	switch {
	case first == second:
		return -1
	case first:
		return blk.Succ[0]
	}
	return blk.Succ[1]
}

// boundsCheck tells whether an instruction compares addresses, as far as that is to be
// seen: two registers as a whole, for which of them is higher.
func (p *plan) boundsCheck(i int) bool {
	in := &p.f.Insns[i]
	if in.OpCode.Class() != asm.JumpClass || !compares(in) || in.OpCode.Source() != asm.RegSource {
		return false
	}
	switch in.OpCode.JumpOp() {
	case asm.JGT, asm.JGE, asm.JLT, asm.JLE:
		return true
	}
	return false
}

// checksCall tells whether a block ends with a comparison of what a helper called in it
// returned with 0.
func (p *plan) checksCall(b int32) bool {
	blk := &p.graph.Blocks[b]
	branch := &p.f.Insns[blk.End-1]
	if !compares(branch) || branch.OpCode.Source() != asm.ImmSource || branch.Constant != 0 {
		return false
	}
	reg := branch.Dst
	for i := blk.End - 2; i >= blk.Start; i-- {
		in := &p.f.Insns[i]
		switch {
		case in.IsBuiltinCall():
			return reg == asm.R0
		case moves(in) && in.Dst == reg:
			reg = in.Src
		case writes(in).has(reg):
			return false
		}
	}
	return false
}

// givesUp tells whether nothing but the end comes from block b on.
func (p *plan) givesUp(b int32) bool {
	for range maxWay {
		blk := &p.graph.Blocks[b]
		for i := blk.Start; i < blk.End; i++ {
			switch in := &p.f.Insns[i]; {
			case in.IsExit():
				return true
			case !in.OpCode.Class().IsALU() && !in.IsGoto():
				return false
			}
		}
		if len(blk.Succ) != 1 {
			return false
		}
		b = blk.Succ[0]
	}
	return false
}

// price is what the function costs.
func (p *plan) price() float64 {
	if p.priced == 0 {
		p.priced = p.sum()
	}
	return p.priced
}

func (p *plan) sum() (sum float64) {
	freq := p.often()
	for i := range p.f.Insns {
		if !p.gone[i] && p.reads[i] == nil && p.tests[i] == nil {
			sum += x86.insn + freq[p.graph.Of[i]]*x86.of(&p.f.Insns[i], false)
		}
	}
	_, probes := p.t.reach.(*walkReach)
	p.pieces(func(i int, fetch, instead []code.Insn) {
		f := freq[p.graph.Of[i]]
		sum += x86.insns(fetch, f, probes) + x86.insns(instead, f, false)
	})
	return sum
}
