// Package flow answers questions about one function's control and data flow:
// blocks, order, which bits of which register something still looks at. It
// knows nothing of hints.
package flow

import (
	"slices"

	"github.com/hintjit/hintjit/internal/code"
)

// Graph is a function's control flow.
type Graph struct {
	F      *code.Func
	Blocks []Block
	Of     []int32 // the block of each instruction
	Order  []int32 // blocks reachable from the entry, in reverse postorder
	Rank   []int32 // where in Order each block is, 0 of one that is not
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
	g.cut(leader)
	for b := range g.Blocks {
		last := &f.Insns[g.Blocks[b].End-1]
		if last.FallsThrough() && g.Blocks[b].End < n {
			g.link(int32(b), g.Of[g.Blocks[b].End])
		}
		if last.IsBranch() {
			g.link(int32(b), g.Of[last.Target])
		}
	}
	g.linkBack()
	g.sort()
	return g
}

// cut makes the blocks, each with room for the two successors it can have: one
// allocation for all of them, as functions may have very many.
func (g *Graph) cut(leader []bool) {
	count := 0
	for i := range g.Of {
		if leader[i] {
			count++
		}
		g.Of[i] = int32(count - 1)
	}
	g.Blocks = make([]Block, count)
	succ := make([]int32, 2*count)
	for b := range g.Blocks {
		g.Blocks[b].Succ = succ[2*b : 2*b : 2*b+2]
	}
	for i, b := range g.Of {
		if leader[i] {
			g.Blocks[b].Start = i
		}
		g.Blocks[b].End = i + 1
	}
}

func (g *Graph) link(from, to int32) {
	if s := g.Blocks[from].Succ; len(s) == 1 && s[0] == to {
		return // a branch to the next instruction: one edge
	}
	g.Blocks[from].Succ = append(g.Blocks[from].Succ, to)
}

// Unlink takes the edge between two blocks away: nobody goes that way any more, and
// the end of from leads elsewhere still.
func (g *Graph) Unlink(from, to int32) {
	f, t := &g.Blocks[from], &g.Blocks[to]
	f.Succ = slices.DeleteFunc(f.Succ, func(s int32) bool { return s == to })
	t.Pred = slices.DeleteFunc(t.Pred, func(p int32) bool { return p == from })
}

// linkBack fills Pred from Succ, out of one allocation too.
func (g *Graph) linkBack() {
	count := make([]int32, len(g.Blocks))
	edges := 0
	for b := range g.Blocks {
		for _, s := range g.Blocks[b].Succ {
			count[s]++
			edges++
		}
	}
	pred := make([]int32, edges)
	for b, n := range count {
		g.Blocks[b].Pred, pred = pred[:0:n], pred[n:]
	}
	for b := range g.Blocks {
		for _, s := range g.Blocks[b].Succ {
			g.Blocks[s].Pred = append(g.Blocks[s].Pred, int32(b))
		}
	}
}

// sort fills Order by a depth-first walk without recursion: functions may have
// a million blocks in a row. Until a block is in Order, Rank has the one that the
// walk came to it from.
func (g *Graph) sort() {
	if len(g.Blocks) == 0 {
		return
	}
	g.Rank = make([]int32, len(g.Blocks))
	g.Order = make([]int32, 0, len(g.Blocks))
	next := make([]uint8, len(g.Blocks)) // 0: not seen; else one more than the successors that were
	next[0], g.Rank[0] = 1, -1
	for b := int32(0); b >= 0; {
		succ := g.Blocks[b].Succ
		n := next[b] - 1
		if int(n) == len(succ) {
			g.Order = append(g.Order, b)
			b = g.Rank[b]
			continue
		}
		next[b]++
		if s := succ[n]; next[s] == 0 {
			next[s], g.Rank[s] = 1, b
			b = s
		}
	}
	slices.Reverse(g.Order)
	clear(g.Rank)
	for i, b := range g.Order {
		g.Rank[b] = int32(i)
	}
}

// Reached tells whether some way leads from the entry to a block.
func (g *Graph) Reached(b int32) bool { return b == 0 || g.Rank[b] > 0 }

// Loops tells whether there are loops.
func (g *Graph) Loops() bool {
	for _, b := range g.Order {
		for _, s := range g.Blocks[b].Succ {
			if g.Back(b, s) {
				return true
			}
		}
	}
	return false
}

// Back tells whether the edge between two blocks leads back: every loop has one
// that does.
func (g *Graph) Back(from, to int32) bool { return g.Rank[to] <= g.Rank[from] }
