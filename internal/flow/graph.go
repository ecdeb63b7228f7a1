// Package flow answers questions about one function's control and data flow:
// blocks, order, which bits of which register something still looks at. It
// knows nothing of hints.
package flow

import "github.com/hintjit/hintjit/internal/code"

// Graph is a function's control flow.
type Graph struct {
	F      *code.Func
	Blocks []Block
	Of     []int32 // the block of each instruction
	Order  []int32 // blocks reachable from the entry, in reverse postorder
}

// Block is a run of instructions that is entered at its start and left at its
// end only.
type Block struct {
	Start, End int // instructions [Start, End)
	Succ, Pred []int32
}

// NewGraph cuts f into blocks. Every branch must have a target inside f.
func NewGraph(f *code.Func) *Graph {
	n := len(f.Insns)
	leader := make([]bool, n+1)
	leader[0] = true
	for i := range f.Insns {
		in := &f.Insns[i]
		if in.IsBranch() {
			leader[in.Target] = true
		}
		if in.IsBranch() || in.IsExit() {
			leader[i+1] = true
		}
	}
	g := &Graph{F: f, Of: make([]int32, n)}
	for i := 0; i < n; {
		start := i
		for i++; i < n && !leader[i]; i++ {
		}
		for k := start; k < i; k++ {
			g.Of[k] = int32(len(g.Blocks))
		}
		g.Blocks = append(g.Blocks, Block{Start: start, End: i})
	}
	for b := range g.Blocks {
		last := &f.Insns[g.Blocks[b].End-1]
		if last.FallsThrough() && g.Blocks[b].End < n {
			g.link(int32(b), g.Of[g.Blocks[b].End])
		}
		if last.IsBranch() {
			g.link(int32(b), g.Of[last.Target])
		}
	}
	g.sort()
	return g
}

func (g *Graph) link(from, to int32) {
	for _, s := range g.Blocks[from].Succ {
		if s == to {
			return // a branch to the next instruction: one edge
		}
	}
	g.Blocks[from].Succ = append(g.Blocks[from].Succ, to)
	g.Blocks[to].Pred = append(g.Blocks[to].Pred, from)
}

// sort fills Order by a depth-first walk without recursion: functions may have
// a million blocks in a row.
func (g *Graph) sort() {
	if len(g.Blocks) == 0 {
		return
	}
	type frame struct{ block, next int32 }
	seen := make([]bool, len(g.Blocks))
	stack := []frame{{0, 0}}
	seen[0] = true
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		succ := g.Blocks[top.block].Succ
		if int(top.next) == len(succ) {
			g.Order = append(g.Order, top.block)
			stack = stack[:len(stack)-1]
			continue
		}
		s := succ[top.next]
		top.next++
		if !seen[s] {
			seen[s] = true
			stack = append(stack, frame{s, 0})
		}
	}
	for i, j := 0, len(g.Order)-1; i < j; i, j = i+1, j-1 {
		g.Order[i], g.Order[j] = g.Order[j], g.Order[i]
	}
}
