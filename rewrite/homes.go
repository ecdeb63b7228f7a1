package rewrite

import (
	"math/bits"
	"sort"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/flow"
)

// registers is a set of r0..r10.
type registers uint16

func (r registers) has(x asm.Register) bool { return r>>x&1 != 0 }

func regset(rs ...asm.Register) (out registers) {
	for _, r := range rs {
		out |= 1 << r
	}
	return out
}

// liveRegisters notes the program's registers around each instruction. demand has
// seen those that are live after it.
func (p *plan) liveRegisters(d *flow.Demand) {
	for _, b := range p.graph.Order {
		blk := &p.graph.Blocks[b]
		start := d.Start(b)
		p.before[blk.Start] = liveSet(&start)
		for i := blk.Start; i < blk.End; i++ {
			after := p.inUse[i]
			if i+1 < blk.End {
				p.before[i+1] = after
			}
			if p.isCall(i) { // it leaves nothing in them, whatever a later call's type says
				after &^= regset(asm.R1, asm.R2, asm.R3, asm.R4, asm.R5)
			}
			p.inUse[i] = after | p.written(i)
			if p.reads[i] != nil {
				p.results |= regset(p.f.Insns[i].Dst)
			}
		}
	}
}

func liveSet(d *flow.Bits) (out registers) {
	for r, m := range d {
		if m != 0 {
			out |= 1 << r
		}
	}
	return out
}

// written is the registers that instruction i overwrites.
func (p *plan) written(i int) registers {
	if p.gone[i] || p.tests[i] != nil || p.isCall(i) { // whose own code chooses
		return 0
	}
	return writes(&p.f.Insns[i])
}

// single tells whether load i reads one word, once and nothing else besides, so
// that the word's home may be the load's own destination.
func (p *plan) single(i int) bool {
	r := p.reads[i]
	if r == nil || bits.OnesCount64(p.uses[i]) != 1 || len(r.parts) != 1 || r.parts[0].has {
		return false
	}
	a, ok := p.sure(i, r.how[0])
	return ok && len(a.From.Bits) == 1
}

// spends tells whether the test at branch i is the last to look at the only
// word it reads: the word may then be kept where the test wants it.
func (p *plan) spends(i int) bool {
	t := p.tests[i]
	return t != nil && bits.OnesCount64(p.uses[i]) == 1 && p.spent(i, t.how) == p.uses[i]
}

// spent is the words that instruction i is the last to look at, and by one comparison
// of a decision: masking them needs no copy.
func (p *plan) spent(i int, d *decision) uint64 {
	besides, seen := need{}, map[*word]bool{}
	d.visit(func(d *decision) {
		if d.is != nil {
			besides.alternative(d.is)
		}
	})
	for _, r := range p.behindReady(i, d).rows() {
		for _, c := range p.compile(r.conds) {
			if c.field != nil {
				besides.field(c.field)
			} else if seen[c.word] {
				besides[c.word.index] |= c.word.mask
			} else {
				seen[c.word] = true
			}
		}
	}
	spent := p.uses[i] &^ p.alive[i]
	for w := range p.words {
		if besides[p.words[w].index]&p.words[w].mask != 0 {
			spent &^= 1 << w
		}
	}
	return spent
}

// maxCallerSaved is how many of r0..r5 words may be kept in: a fetch needs
// three besides (descriptor, end, limit), and at the entry r1 is the context's.
// maxHomes is how many registers in all: the code for a load needs its
// destination and up to three more.
const (
	maxCallerSaved = 3
	maxHomes       = 6
)

// place gives every word a home.
func (p *plan) place() {
	blocked := make([]registers, len(p.words))
	near := make([]uint64, len(p.words)) // words alive at the same time
	wish := make([]asm.Register, len(p.words))
	weight := make([]int, len(p.words))
	for w := range p.words {
		wish[w] = asm.R10
		blocked[w] = regset(asm.R10)
		if p.context>>w&1 != 0 {
			blocked[w] |= regset(asm.R1) // verifier.Check knows the context by its being moved at the call
		}
	}
	p.interfere(blocked, near, wish, weight)
	for early := p.t.reach.early(p); early != 0; early &= early - 1 {
		blocked[bits.TrailingZeros64(early)] |= regset(asm.R0, asm.R1, asm.R2, asm.R3, asm.R4, asm.R5)
	}
	order := make([]int, len(p.words))
	for w := range order {
		order[w] = w
	}
	sort.SliceStable(order, func(a, b int) bool { return weight[order[a]] > weight[order[b]] })
	p.bottom = (p.depth + 7) &^ 7
	if p.copies {
		p.bottom += int(p.main.size+7) &^ 7
		p.copyAt = -p.bottom
	}
	low, homes := 0, 0
	limit := maxCallerSaved
	if p.entry {
		limit--
	}
	for _, w := range order {
		if p.words[w].passing {
			continue
		}
		taken := blocked[w]
		for o := range p.words {
			if near[w]>>o&1 != 0 && p.words[o].home.placed && p.words[o].home.slot == 0 {
				taken |= regset(p.words[o].home.reg)
			}
		}
		h := home{placed: true}
		if reg, ok := pick(taken, wish[w], low < limit); ok && homes < maxHomes {
			h.reg = reg
			homes++
			if reg <= asm.R5 {
				low++
			}
		} else {
			p.bottom += 8
			h.slot = -p.bottom
		}
		p.words[w].home = h
	}
}

func pick(taken registers, wish asm.Register, callerSaved bool) (asm.Register, bool) {
	if wish <= asm.R9 && !taken.has(wish) && (wish > asm.R5 || callerSaved) {
		return wish, true
	}
	if callerSaved {
		for _, r := range []asm.Register{asm.R5, asm.R4, asm.R3, asm.R2, asm.R0, asm.R1} {
			if !taken.has(r) {
				return r, true
			}
		}
	}
	for r := asm.R9; r >= asm.R6; r-- {
		if !taken.has(r) {
			return r, true
		}
	}
	return 0, false
}

// interfere gathers, for each word, the registers and the other words that are
// in use while it is alive.
func (p *plan) interfere(blocked []registers, near []uint64, wish []asm.Register, weight []int) {
	each := func(set uint64, do func(w int)) {
		for ; set != 0; set &= set - 1 {
			do(bits.TrailingZeros64(set))
		}
	}
	for i := range p.f.Insns { // in order: the last wish counts
		alive, uses := p.alive[i], p.uses[i]
		if sunk := p.sunkAt(i); sunk != 0 {
			each(sunk|p.context, func(w int) {
				weight[w]++
				blocked[w] |= p.before[i]
				near[w] |= sunk | p.context
			})
		}
		if alive|uses == 0 {
			continue
		}
		dst := p.f.Insns[i].Dst
		each(alive, func(w int) {
			blocked[w] |= p.inUse[i]
			near[w] |= alive
		})
		each(uses, func(w int) {
			weight[w]++
			near[w] |= alive | uses
			if p.isCall(i) { // to build the struct: on top of what lives on
				blocked[w] |= p.inUse[i] | regset(asm.R0)
				return
			}
			blocked[w] |= p.before[i]
			if t := p.tests[i]; t != nil {
				if p.spends(i) {
					wish[w] = t.spare
				} else {
					blocked[w] |= regset(t.spare) // where the comparison is made
				}
				return
			}
			if p.single(i) && alive>>w&1 == 0 {
				wish[w] = dst
			} else {
				blocked[w] |= regset(dst)
			}
		})
		if p.isCall(i) {
			each(p.fetch[i], func(w int) { near[w] |= p.fetch[i] })
		}
	}
	for _, b := range p.graph.Order { // words and registers that come into a block
		i := p.graph.Blocks[b].Start
		each(p.liveBefore(i), func(w int) {
			blocked[w] |= p.before[i]
			near[w] |= p.liveBefore(i)
		})
	}
	if p.entry {
		each(p.fetch[-1], func(w int) {
			blocked[w] |= regset(asm.R1)
			near[w] |= p.fetch[-1]
		})
	}
}

func (p *plan) liveBefore(i int) uint64 {
	if p.isCall(i) && !p.entry {
		return 0
	}
	if p.sunkAt(i) != 0 {
		return p.context
	}
	return p.alive[i] | p.uses[i]
}

// maxStack is MAX_BPF_STACK (linux/filter.h).
const maxStack = 512

// checkStack refuses a function whose frame would no longer fit. f is the
// function as the plan knows it.
func (p *plan) checkStack(f *code.Func) error {
	own := (p.depth + 7) &^ 7
	need := p.bottom + 8*p.borrowed - own
	switch {
	case p.short:
		return refuse(f, p.calls[0].insn, "read fewer hints in this function", "keeping the hints takes more registers than there are")
	case need > 0 && own+need > maxStack:
		return refuse(f, p.calls[0].insn, "use less stack in this function, or read fewer hints in it",
			"keeping the hints takes %d bytes of stack, and %d of %d are in use", need, p.depth, maxStack)
	}
	return nil
}
