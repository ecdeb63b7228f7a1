package rewrite

import (
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/flow"
)

// clean takes out what the inserted code does not need where it came to stand:
// branches to a branch whose outcome is known on that way, constants that are
// there already, results that nobody looks at. Of the program's own
// instructions only those go that have become empty by that: branches to what
// is next now, constants that were set before.
func (j *job) clean() error {
	for _, f := range j.funcs {
		if j.plans[f] == nil {
			continue
		}
		c := cleaner{u: j.u, f: j.u.Funcs[f]}
		was, way := c.f.Insns, c.longestWay()
		c.thread(maxSets, false)
		c.drop()
		if len(c.f.Insns) > len(was) || c.longestWay() > way {
			c.f.Insns, c.g = was, nil
			c.thread(0, false)
			c.drop()
		}
		for n := 0; n < maxRounds && c.dropMoves(); n++ {
			c.dropDead()
		}
		c.drop()
		for n := 0; n < maxRounds && c.land(); n++ {
		}
		for n := 0; n < maxRounds && c.threadOn(); n++ { // what goes brings other places nearer
			c.drop()
		}
	}
	return nil
}

// drop drops what is of no use, and what had been of use for that only.
func (c *cleaner) drop() {
	for again := true; again; again = c.dropDecided() {
		for n := 0; n < maxRounds && (c.dropUnreached() || c.dropEmpty() || c.dropKnown() || c.dropDead()); n++ {
		}
	}
}

// land sends branches to where they lead in the end by a place behind the function
// that sets what is set on the way, if that is shorter for the others and no longer in
// all.
func (c *cleaner) land() bool {
	was, way := c.f.Insns, c.longestWay()
	if c.thread(maxSets, true) {
		c.drop()
		if len(c.f.Insns) <= len(was) && c.longestWay() < way {
			return true
		}
	}
	c.f.Insns, c.g = was, nil
	return false
}

// longestWay is the instructions on the longest way through a function that takes
// no branch back.
func (c *cleaner) longestWay() int {
	g := c.graph()
	way := make([]int32, len(g.Blocks)) // 0: not seen yet, a branch back from there
	for _, b := range slices.Backward(g.Order) {
		rest := int32(0)
		for _, s := range g.Blocks[b].Succ {
			rest = max(rest, way[s])
		}
		way[b] = rest + int32(g.Blocks[b].End-g.Blocks[b].Start)
	}
	return int(way[0])
}

// maxRounds bounds the chains of inserted instructions that are dropped from
// their end: none is longer than a word's load, swap, mask and move.
const maxRounds = 8

type cleaner struct {
	u *code.Unit
	f *code.Func
	g *flow.Graph // nil: not made since f was changed
}

func (c *cleaner) graph() *flow.Graph {
	if c.g == nil {
		c.g = flow.NewGraph(c.f)
	}
	return c.g
}

func (c *cleaner) arity(in *code.Insn) int { return arity(c.u, in) }

// constants is what is known of registers.
type constants struct {
	known registers
	value [11]uint64
}

func (k *constants) set(r asm.Register, v uint64) {
	k.known |= regset(r)
	k.value[r] = v
}

// step follows one instruction; false when it can not say what it does. A
// constant with a CO-RE record is the loader's to set.
func (k *constants) step(in *code.Insn) bool {
	class := in.OpCode.Class()
	if !class.IsALU() || in.CORE != nil {
		return false
	}
	op := in.OpCode.ALUOp()
	src, ok := uint64(in.Constant), true
	if in.OpCode.Source() == asm.RegSource && op != asm.Swap && op != asm.Neg {
		src, ok = k.value[in.Src], k.known.has(in.Src)
	}
	v, width := k.value[in.Dst], uint64(64)
	if class == asm.ALUClass {
		v, width = v&ones(32), 32
	}
	switch op {
	case asm.Mov:
		v = src
	case asm.And:
		v &= src
	case asm.Or:
		v |= src
	case asm.Xor:
		v ^= src
	case asm.Add:
		v += src
	case asm.Sub:
		v -= src
	case asm.RSh:
		v >>= src & (width - 1)
	case asm.LSh:
		v <<= src & (width - 1)
	default:
		return false
	}
	if !ok || op != asm.Mov && !k.known.has(in.Dst) {
		return false
	}
	k.set(in.Dst, v&ones(int(width)))
	return true
}

// branch decides a comparison of a known register with a constant.
func (k *constants) branch(in *code.Insn) (taken, ok bool) {
	if !k.known.has(in.Dst) || in.OpCode.Source() != asm.ImmSource {
		return false, false
	}
	v := knownNumber(k.value[in.Dst])
	wide := in.OpCode.Class() == asm.JumpClass
	if !wide {
		v = v.trim(4)
	}
	return decide(in.OpCode.JumpOp(), v, in.Constant, wide)
}

// thread sends the branch that finds no descriptor straight to where the
// program deals with an absent hint: on that way every word is 0, and the
// comparisons after it are decided. So many constants are set before a branch at the
// most, or else where it lands.
func (c *cleaner) thread(sets int, land bool) bool {
	near := c.near()
	if near == nil {
		return false
	}
	g, live := c.graph(), c.live(nil)
	edit := code.NewEdit(c.f)
	at := c.shown(near)
	c.propagate(near, func(b int32, k *constants) {
		i := g.Blocks[b].End - 1
		c.follow(k, g.Blocks[b].Start, i)
		br := &c.f.Insns[i]
		if br.Origin < 0 && br.IsBranch() && i+1 < len(g.Of) {
			s := *at[b]
			c.show(&s, b, g.Of[br.Target])
			if w := c.way(i, *k, s); w != nil && distance(i, w.to) <= maxBranch {
				var next registers
				if !br.IsGoto() {
					next = live[g.Of[i+1]]
				}
				there := live[g.Of[w.to]]
				if !c.retarget(i, w, there, next, sets, edit) && land {
					c.landing(i, w, there, sets, edit)
				}
			}
		}
		c.follow(k, i, i+1)
	})
	return c.apply(edit)
}

// live is, by block, the registers that are looked at from its start on. visit, if not
// nil, sees each instruction as with flow.Demanded.
func (c *cleaner) live(visit flow.Visit) []registers {
	g := c.graph()
	live := make([]registers, len(g.Blocks))
	flow.Demanded(g, c.arity, func(i int, after *flow.Bits) {
		if visit != nil {
			visit(i, after)
		}
		if b := g.Of[i]; i == g.Blocks[b].Start {
			start := *after
			in, args := &c.f.Insns[i], 0
			if in.IsCall() {
				args = c.arity(in)
			}
			flow.Before(in, &start, args)
			live[b] = liveSet(&start)
		}
	})
	return live
}

// threadOn sends branches past gotos, when all that is of no use has gone, so that no
// branch stays for it. None becomes a long one by that.
func (c *cleaner) threadOn() bool {
	edit := code.NewEdit(c.f)
	g := c.graph()
	for b := range g.Blocks {
		i := g.Blocks[b].End - 1
		br := &c.f.Insns[i]
		if br.Origin >= 0 || !br.IsBranch() {
			continue
		}
		to := c.pastGotos(br.Target)
		if to != br.Target && distance(i, to) <= min(maxBranch, max(distance(i, br.Target), shortBranch)) {
			edit.Retarget(i, to)
		}
	}
	return c.apply(edit)
}

// pastGotos is where one gets from an instruction by gotos alone.
func (c *cleaner) pastGotos(at int32) int32 {
	for n := 0; n < maxWay && c.f.Insns[at].IsGoto(); n++ {
		at = c.f.Insns[at].Target
	}
	return at
}

// How far a branch may lead, in instructions: so that it surely fits 16 bits, a wide
// load being two slots; and so that it is one of two bytes on x86, not six, for
// which 127 bytes is the end.
const (
	maxBranch   = 1<<14 - 1
	shortBranch = 24
)

func distance(i int, to int32) int { return max(i-int(to), int(to)-i) }

// writes is the registers that an instruction sets.
func writes(in *code.Insn) registers {
	class := in.OpCode.Class()
	switch {
	case in.IsCall():
		return regset(asm.R0, asm.R1, asm.R2, asm.R3, asm.R4, asm.R5)
	case class.IsALU(), class == asm.LdXClass, class == asm.LdClass:
		return regset(in.Dst)
	case class == asm.StXClass && in.OpCode.Mode() == asm.AtomicMode:
		if r, ok := flow.Fetched(in); ok {
			return regset(r)
		}
	}
	return 0
}

// way is where a branch leads in the end, and what is set on the way.
type way struct {
	to   int32
	sets registers
	k    constants
}

// maxWay bounds how far thread looks along one way.
const maxWay = 64

// way walks from the target of the branch at i while it is known where it goes on,
// through one comparison at least.
func (c *cleaner) way(i int, k constants, s shown) *way {
	var found *way
	var sets registers
	from, at := int32(i), c.f.Insns[i].Target
	for n := 0; n < maxWay && int(at) < len(c.f.Insns); n++ {
		if g := c.graph(); g.Blocks[g.Of[at]].Start == int(at) && g.Back(g.Of[from], g.Of[at]) {
			s = begin(g.Of[at])
		}
		in := &c.f.Insns[at]
		from = at
		switch {
		case in.IsGoto():
			at = in.Target
		case compares(in):
			taken, ok := k.branch(in)
			if !ok {
				taken, ok = s.branch(in)
			}
			if !ok {
				return found
			}
			if at++; taken {
				at = in.Target
			}
			found = &way{at, sets, k}
		case in.OpCode.Class().IsALU():
			// What the program computes of two constants is none to verifier.Check.
			two := in.OpCode.Source() == asm.RegSource && !moves(in)
			if in.Origin >= 0 && two || !k.step(in) {
				k.known &^= regset(in.Dst)
			}
			s.step(int(at), in)
			sets |= regset(in.Dst)
			at++
		default:
			return found
		}
	}
	return found
}

// maxSets is how many constants may be set before a branch for a way it then
// does not need to go: where they take the place of the same ones further down.
// In front of each of a walk's branches they would add up.
const maxSets = 2

// retarget redirects the branch at i when what the way sets is not looked at
// where it ends, or can be set before the branch, that many constants, without harm
// to the other way.
func (c *cleaner) retarget(i int, w *way, there, next registers, sets int, edit *code.Edit) bool {
	br := &c.f.Insns[i]
	movs, ok := w.constants(br, there, sets)
	if !ok {
		return false
	}
	for k := range movs {
		r := movs[k].Dst
		operand := compares(br) && (br.Dst == r || br.OpCode.Source() == asm.RegSource && br.Src == r)
		if next.has(r) || operand {
			return false
		}
	}
	edit.Insert(i, movs...)
	edit.Retarget(i, w.to)
	return true
}

// landing does so behind the function.
func (c *cleaner) landing(i int, w *way, there registers, sets int, edit *code.Edit) {
	br := &c.f.Insns[i]
	movs, ok := w.constants(br, there, sets)
	at := len(c.f.Insns)
	if !ok || distance(i, int32(at)) > maxBranch || distance(at, w.to) > maxBranch {
		return
	}
	goTo := code.Goto(w.to)
	goTo.For = br.For
	c.f.Insns = append(append(c.f.Insns, movs...), goTo)
	edit.Retarget(i, int32(at))
}

// constants sets what a way sets and something looks at where it ends, for branch br;
// false: they are no constants, or too many.
func (w *way) constants(br *code.Insn, there registers, sets int) (movs []code.Insn, ok bool) {
	for r := asm.R0; r <= asm.R9; r++ {
		if !w.sets.has(r) || !there.has(r) {
			continue
		}
		v := w.k.value[r]
		if !w.k.known.has(r) || v > maxMask || len(movs) == sets {
			return nil, false
		}
		mov := code.New(asm.Mov.Imm(r, int32(v)))
		mov.For = br.For
		movs = append(movs, mov)
	}
	return movs, true
}

// near tells which blocks lead to an inserted branch, nil: none does.
func (c *cleaner) near() []bool {
	g := c.graph()
	var work []int32
	for _, b := range g.Order {
		if in := &c.f.Insns[g.Blocks[b].End-1]; in.Origin < 0 && in.IsBranch() {
			work = append(work, b)
		}
	}
	if work == nil {
		return nil
	}
	near := make([]bool, len(g.Blocks))
	for len(work) > 0 {
		b := work[len(work)-1]
		work = work[:len(work)-1]
		if !near[b] {
			near[b] = true
			work = append(work, g.Blocks[b].Pred...)
		}
	}
	return near
}

// propagate shows each block that is reached, in their order, with the constants
// known at its start, which show turns into those known at its end; those blocks that are
// in within, nil: all.
func (c *cleaner) propagate(within []bool, show func(b int32, k *constants)) {
	g := c.graph()
	p := propagation{g: g, within: within, at: make([]*constants, len(g.Blocks)), last: !g.Loops()}
	p.at[0] = new(constants)
	if p.last {
		p.sweep(show)
		return
	}
	for p.sweep(func(b int32, k *constants) { c.follow(k, g.Blocks[b].Start, g.Blocks[b].End) }) {
	}
	for _, b := range g.Order {
		if within == nil || within[b] {
			show(b, p.at[b])
		}
	}
}

// propagation is what is known at the start of each block, as far as one has come.
type propagation struct {
	g      *flow.Graph
	within []bool
	at     []*constants
	idle   []*constants // that were in at
	last   bool         // no way leads back: a block is looked at once
}

// sweep goes over the blocks once, and tells whether something changed where a way
// leads back.
func (p *propagation) sweep(follow func(b int32, k *constants)) (again bool) {
	var k constants
	for _, b := range p.g.Order {
		if p.within != nil && !p.within[b] {
			continue
		}
		k = *p.at[b]
		if p.last {
			p.idle, p.at[b] = append(p.idle, p.at[b]), nil
		}
		follow(b, &k)
		for _, s := range p.g.Blocks[b].Succ {
			if p.within != nil && !p.within[s] {
				continue
			}
			if p.at[s] == nil {
				p.at[s] = p.fresh()
				*p.at[s] = k
			} else if p.at[s].meet(&k) {
				again = again || p.g.Back(b, s)
			}
		}
	}
	return again
}

func (p *propagation) fresh() *constants {
	last := len(p.idle) - 1
	if last < 0 {
		return new(constants)
	}
	k := p.idle[last]
	p.idle = p.idle[:last]
	return k
}

// meet forgets what the other does not know to be the same.
func (k *constants) meet(o *constants) (changed bool) {
	for r := asm.R0; r <= asm.R9; r++ {
		if k.known.has(r) && (!o.known.has(r) || o.value[r] != k.value[r]) {
			k.known &^= regset(r)
			changed = true
		}
	}
	return changed
}

// follow goes over the instructions [start, end) of one block.
func (c *cleaner) follow(k *constants, start, end int) {
	for i := start; i < end; i++ {
		if in := &c.f.Insns[i]; !k.step(in) {
			k.known &^= writes(in)
		}
	}
}

// dropKnown drops instructions that set a register to what it holds: thread
// sets constants of the program's own earlier.
func (c *cleaner) dropKnown() bool {
	g := c.graph()
	edit := code.NewEdit(c.f)
	c.propagate(nil, func(b int32, k *constants) {
		for i := g.Blocks[b].Start; i < g.Blocks[b].End; i++ {
			in := &c.f.Insns[i]
			class := in.OpCode.Class()
			if class.IsALU() && in.OpCode.ALUOp() == asm.Mov && in.OpCode.Source() == asm.ImmSource && in.CORE == nil &&
				k.known.has(in.Dst) && in.Constant >= 0 && k.value[in.Dst] == uint64(in.Constant) {
				edit.Replace(i)
			}
			c.follow(k, i, i+1)
		}
	})
	return c.apply(edit)
}

// dropDead drops inserted instructions whose result nobody looks at.
func (c *cleaner) dropDead() bool {
	edit := code.NewEdit(c.f)
	flow.Demanded(c.graph(), c.arity, func(i int, after *flow.Bits) {
		in := &c.f.Insns[i]
		if in.Origin >= 0 || after[in.Dst] != 0 {
			return
		}
		if class := in.OpCode.Class(); class.IsALU() || class == asm.LdXClass || class == asm.LdClass {
			edit.Replace(i)
		}
	})
	return c.apply(edit)
}

// dropUnreached drops what no way leads to any more; a kernel refuses it.
func (c *cleaner) dropUnreached() bool {
	g := c.graph()
	edit := code.NewEdit(c.f)
	for b := range g.Blocks {
		for i := g.Blocks[b].Start; i < g.Blocks[b].End && !g.Reached(int32(b)); i++ {
			edit.Replace(i)
		}
	}
	return c.apply(edit)
}

// dropEmpty drops branches to the next instruction, the program's own among
// them: what they went around is gone.
func (c *cleaner) dropEmpty() bool {
	edit := code.NewEdit(c.f)
	g := c.graph()
	for b := range g.Blocks {
		i := g.Blocks[b].End - 1
		if in := &c.f.Insns[i]; in.IsBranch() && !in.IsMayGoto() && int(in.Target) == i+1 {
			edit.Replace(i)
		}
	}
	return c.apply(edit)
}

func (c *cleaner) apply(e *code.Edit) bool {
	if e.Empty() {
		return false
	}
	e.Apply()
	c.g = nil
	return true
}
