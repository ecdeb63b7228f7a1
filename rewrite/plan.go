package rewrite

import (
	"math/bits"
	"slices"
	"sort"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/flow"
	"github.com/hintjit/hintjit/layouts"
)

// plan is what is to be done to a function: which instructions go, what stands
// in for each load, which words of the descriptor are read where and kept in
// which register or stack slot.
type plan struct {
	*found
	t     *target
	u     *code.Unit
	main  *declaration // the struct that is built in memory
	decls []*declaration

	callAt map[int]bool  // calls of hintjit_rx
	gone   map[int]bool  // instructions that are dropped
	reads  map[int]*read // loads that are replaced, by instruction
	tests  map[int]*test // branches that test the descriptor directly
	copies bool          // some call builds the struct in memory
	copyAt int           // where, from r10
	words  []word
	held   map[int][]layouts.Condition // conditions that have been seen to hold on every way to i
	first  []layouts.Condition         // ready conditions that are tested where words are fetched
	ready  []layouts.Condition         // and those that are tested with each hint
	entry  bool                        // words are fetched at the function's entry, not at the calls

	uses     map[int]uint64    // words that instruction i reads, by bit
	fetch    map[int]uint64    // words that call i has to bring
	inUse    map[int]registers // program registers that are live after i, or written by it
	before   map[int]registers // and before i
	alive    map[int]uint64    // words live after i
	borrowed int               // registers saved on the stack for a while
	short    bool              // a piece of code found no register
	tables   *tables
	bottom   int // bytes of stack in use, the program's and ours
}

// registers is a set of r0..r10.
type registers uint16

func (r registers) has(x asm.Register) bool { return r>>x&1 != 0 }

func regset(rs ...asm.Register) (out registers) {
	for _, r := range rs {
		out |= 1 << r
	}
	return out
}

// read is one load through the hint pointer and what is left to compute of it.
type read struct {
	load
	parts    []part
	demanded uint64 // bits of the result that something looks at
}

// test is a conditional branch that asks for presence bits and nothing else.
type test struct {
	hints   []*layouts.Hint
	present bool // branch when all are present; false: when one is absent
	spare   asm.Register
}

// makePlan decides everything about f but the instructions.
func makePlan(u *code.Unit, x *found, t *target, ds *declarations, ts *tables) (*plan, error) {
	p := &plan{found: x, t: t, u: u, main: ds.main, decls: ds.list, tables: ts, gone: map[int]bool{}, held: map[int][]layouts.Condition{}, reads: map[int]*read{}, tests: map[int]*test{},
		uses: map[int]uint64{}, fetch: map[int]uint64{}, inUse: map[int]registers{}, before: map[int]registers{}, alive: map[int]uint64{}}
	p.callAt = map[int]bool{}
	for _, c := range p.calls {
		p.callAt[c.insn] = true
	}
	p.dropMoves()
	if err := p.readLoads(); err != nil {
		return nil, err
	}
	p.demand(p.narrow)
	p.fuse()
	p.demand(p.narrow)
	p.know()
	p.chooseWords()
	if err := t.reach.when(p); err != nil {
		return nil, err
	}
	p.liveWords()
	p.liveRegisters()
	p.place()
	return p, p.checkStack(p.f)
}

// dropMoves drops the instructions that only carry a pointer which no longer
// exists.
func (p *plan) dropMoves() {
	for _, m := range p.moves {
		if m.sites&p.escaped == 0 {
			p.gone[m.insn] = true
		}
	}
	p.copies = p.escaped != 0
}

func (p *plan) readLoads() error {
	for _, l := range p.loads {
		if l.off < 0 || l.off+int64(l.size) > int64(l.decl.size) {
			return refuse(p.f, l.insn, "read members by name", "reads bytes %d to %d of struct %s, which has %d",
				l.off, l.off+int64(l.size)-1, l.decl.typ.Name, l.decl.size)
		}
		if !l.tagged {
			if d := p.otherwise(l); d != nil {
				return refuse(p.f, l.insn, "read the members one by one, through a type with preserve_access_index",
					"reads bytes %d to %d through the hint pointer, which mean one thing in struct %s and another in struct %s",
					l.off, l.off+int64(l.size)-1, l.decl.typ.Name, d.typ.Name)
			}
		}
		p.reads[l.insn] = &read{load: l, demanded: ones(l.size * 8)}
	}
	if d := p.flavoured(); p.copies && d != nil {
		return refuse(p.f, p.calls[0].insn, "hand on single values, or use one struct only",
			"the struct has to be built in memory, and the program knows it as struct %s and as struct %s", p.main.typ.Name, d.typ.Name)
	}
	return nil
}

// otherwise finds a declaration by which the bytes of a load are other members
// than by the one assumed: which of them the program means is not to be known
// without a CO-RE record.
func (p *plan) otherwise(l load) *declaration {
	mine := p.t.parts(l.decl, l.off, l.size, ^uint64(0))
	for _, d := range p.decls {
		if !slices.Equal(mine, p.t.parts(d, l.off, l.size, ^uint64(0))) {
			return d
		}
	}
	return nil
}

// flavoured finds a declaration that has members elsewhere than the main one.
func (p *plan) flavoured() *declaration {
	for _, d := range p.decls {
		for off := int64(0); off < int64(max(d.size, p.main.size)); off += 8 {
			if !slices.Equal(p.t.parts(d, off, 8, ^uint64(0)), p.t.parts(p.main, off, 8, ^uint64(0))) {
				return d
			}
		}
	}
	return nil
}

// narrow drops the parts of a load that nobody looks at, and the constants that
// only a folded branch had looked at.
func (p *plan) narrow(i int, after *flow.Bits) {
	demanded := after[p.f.Insns[i].Dst]
	if _, ok := p.answers[i]; ok && demanded == 0 {
		p.gone[i] = true
	}
	r, ok := p.reads[i]
	if !ok {
		return
	}
	r.demanded = demanded
	if r.signed {
		if demanded &= ones(r.size * 8); r.demanded>>(r.size*8-1) != 0 {
			demanded |= 1 << (r.size*8 - 1)
		}
	}
	r.parts = p.t.parts(r.decl, r.off, r.size, demanded)
}

// demand runs the demanded-bits analysis as the function will be, and shows
// each reached instruction with the bits demanded after it.
func (p *plan) demand(visit func(i int, after *flow.Bits)) {
	d := flow.NewDemand(p.graph, p.effect, func(in *code.Insn) int { return arity(p.u, in) })
	for _, b := range p.graph.Order {
		d.Walk(b, visit)
	}
}

// effect is what the instructions that change will do to the demanded bits.
func (p *plan) effect(i int, d *flow.Bits) bool {
	in := &p.f.Insns[i]
	switch {
	case p.gone[i] || p.tests[i] != nil:
		return true
	case p.reads[i] != nil:
		d[in.Dst] = 0
		return true
	case p.isCall(i):
		for r := asm.R0; r <= asm.R5; r++ {
			d[r] = 0
		}
		d[asm.R1] = ^uint64(0)
		return true
	}
	return false
}

func (p *plan) isCall(i int) bool { return p.callAt[i] }

// fuse finds presence bits that are loaded only to be branched on, and turns
// the branch into one on the descriptor: the load, the mask and the test of a
// bit that would first have to be computed all go.
func (p *plan) fuse() {
	after := map[int]uint64{} // bits of a branch's register that are looked at after it
	p.demand(func(i int, d *flow.Bits) {
		in := &p.f.Insns[i]
		if in.IsBranch() && !in.IsGoto() && !in.IsMayGoto() {
			after[i] = d[in.Dst]
		}
	})
	for _, l := range p.loads {
		r := p.reads[l.insn]
		if len(r.parts) == 0 || r.signed {
			continue
		}
		onlyHas := true
		for _, pt := range r.parts {
			onlyHas = onlyHas && pt.has && plain(pt.hint)
		}
		if onlyHas {
			p.fuseLoad(r, after)
		}
	}
}

// plain tells whether a hint's presence is decided by comparisons alone.
func plain(h *layouts.Hint) bool {
	for i := range h.Alternatives {
		if h.Alternatives[i].Map != nil {
			return false
		}
	}
	return true
}

func (p *plan) fuseLoad(r *read, after map[int]uint64) {
	reg := p.f.Insns[r.insn].Dst
	mask, shift := ones(r.size*8), 0 // bits of the load still in reg, and how far they moved
	absorbed := []int{r.insn}
	end := p.graph.Blocks[p.graph.Of[r.insn]].End
	for i := r.insn + 1; i < end; i++ {
		in := &p.f.Insns[i]
		imm := in.OpCode.Source() == asm.ImmSource
		switch {
		case p.gone[i]:
		case in.OpCode.Class().IsALU() && in.Dst == reg && imm && in.OpCode.ALUOp() == asm.And:
			mask &= uint64(in.Constant) << shift
			absorbed = append(absorbed, i)
		case in.OpCode.Class().IsALU() && in.Dst == reg && imm && in.OpCode.ALUOp() == asm.RSh && in.Constant < 32:
			shift += int(in.Constant)
			absorbed = append(absorbed, i)
		case in.IsBranch() && !in.IsGoto() && !in.IsMayGoto() && in.Dst == reg && imm:
			if t := p.branchTest(r, in, mask, shift); t != nil && after[i] == 0 {
				t.spare = reg
				p.tests[i] = t
				for _, a := range absorbed {
					p.gone[a] = true
					delete(p.reads, a)
				}
			}
			return
		default:
			if p.reads[i] != nil && in.Dst != reg {
				continue
			}
			if touches(in, reg) || in.IsBranch() || in.IsCall() || in.IsExit() {
				return
			}
		}
	}
}

// touches tells whether in reads or writes reg.
func touches(in *code.Insn, reg asm.Register) bool {
	var d flow.Bits
	d[reg] = 1
	flow.Before(in, &d, 5)
	return d[reg] != 1 || in.Dst == reg || in.Src == reg
}

// branchTest reads a branch on masked presence bits as a test of hints.
func (p *plan) branchTest(r *read, in *code.Insn, mask uint64, shift int) *test {
	k := uint64(in.Constant)
	op := in.OpCode.JumpOp()
	if op == asm.JSet {
		mask &= k << shift
		op, k = asm.JNE, 0
	}
	mask &= ^uint64(0) << shift
	t := &test{}
	all := uint64(0)
	for _, pt := range p.t.parts(r.decl, r.off, r.size, mask) {
		t.hints = append(t.hints, pt.hint)
		all |= pt.mask
	}
	switch {
	case len(t.hints) == 0:
		return nil
	case op == asm.JEq && k == 0 && len(t.hints) == 1:
	case op == asm.JNE && k == 0 && len(t.hints) == 1:
		t.present = true
	case op == asm.JEq && k == mask>>shift && all == mask:
		t.present = true
	case op == asm.JNE && k == mask>>shift && all == mask:
	default:
		return nil
	}
	return t
}

// know finds the hints that a test has shown present on every way to a load.
func (p *plan) know() {
	number := map[*layouts.Hint]uint{}
	for i := range p.f.Insns {
		t := p.tests[i]
		if t == nil {
			continue
		}
		for _, h := range t.hints {
			if _, ok := number[h]; !ok && len(h.Alternatives) == 1 && len(number) < 64 {
				number[h] = uint(len(number))
			}
		}
	}
	if len(number) == 0 {
		return
	}
	in := make([]uint64, len(p.graph.Blocks))
	for i := range in {
		in[i] = ^uint64(0)
	}
	in[0] = 0
	for again := true; again; {
		again = false
		for _, b := range p.graph.Order {
			blk := &p.graph.Blocks[b]
			for _, s := range blk.Succ {
				if now := in[s] & (in[b] | p.gained(number, blk.End-1, s)); now != in[s] {
					in[s], again = now, true
				}
			}
		}
	}
	for i := range p.f.Insns {
		if p.reads[i] == nil && p.tests[i] == nil {
			continue
		}
		for h, n := range number {
			if in[p.graph.Of[i]]>>n&1 != 0 {
				p.held[i] = append(p.held[i], p.t.desc.Ready...)
				p.held[i] = append(p.held[i], h.Alternatives[0].When...)
			}
		}
	}
}

// left is what of conds is not known to hold at instruction i.
func (p *plan) left(i int, conds []layouts.Condition) (out []layouts.Condition) {
	for _, c := range conds {
		if !slices.ContainsFunc(p.held[i], c.Equal) {
			out = append(out, c)
		}
	}
	return out
}

// sure tells whether hint h is known to be there at instruction i.
func (p *plan) sure(i int, h *layouts.Hint) bool {
	return len(h.Alternatives) == 1 && plain(h) &&
		len(p.left(i, p.t.desc.Ready)) == 0 && len(p.left(i, h.Alternatives[0].When)) == 0
}

// gained is what the edge from the branch at i to block s shows present.
func (p *plan) gained(number map[*layouts.Hint]uint, i int, s int32) (bits uint64) {
	t := p.tests[i]
	if t == nil {
		return 0
	}
	taken, next := p.graph.Of[p.f.Insns[i].Target] == s, i+1 < len(p.f.Insns) && p.graph.Of[i+1] == s
	if taken == next || taken != t.present {
		return 0
	}
	for _, h := range t.hints {
		if n, ok := number[h]; ok {
			bits |= 1 << n
		}
	}
	return bits
}

// needs is what instruction i reads of the descriptor.
func (p *plan) needs(i int) need {
	n := need{}
	presence := func(h *layouts.Hint) {
		for k := range h.Alternatives {
			a := &h.Alternatives[k]
			n.conditions(p.left(i, a.When))
			if a.Map != nil {
				n.field(a.From)
			}
		}
	}
	if t := p.tests[i]; t != nil {
		for _, h := range t.hints {
			presence(h)
		}
	}
	if r := p.reads[i]; r != nil {
		for _, pt := range r.parts {
			presence(pt.hint)
			if !pt.has {
				n.value(pt.hint)
			}
		}
	}
	return n
}

// copyNeeds is what building the struct in memory reads.
func (p *plan) copyNeeds() need {
	n := need{}
	d := p.main
	for i := range d.members {
		if h, has := p.t.hint(&d.members[i]); h != nil {
			n.presence(h)
			if !has {
				n.value(h)
			}
		}
	}
	return n
}

// chooseWords cuts the descriptor into the words this function keeps, and notes
// who reads which.
func (p *plan) chooseWords() {
	each := map[int]need{}
	for i := range p.tests {
		each[i] = p.needs(i)
	}
	for i := range p.reads {
		each[i] = p.needs(i)
	}
	if p.copies {
		n := p.copyNeeds()
		for _, c := range p.calls {
			if c.site&p.escaped != 0 {
				each[c.insn] = n
			}
		}
	}
	total := need{}
	for _, n := range each {
		total.add(n)
	}
	p.splitReady(total)
	for i, n := range each {
		n.conditions(p.left(i, p.ready))
		total.add(n)
	}
	passing := need{}
	passing.conditions(p.first)
	for index, mask := range total {
		p.words = append(p.words, p.t.cut(index, mask))
	}
	for index, mask := range passing {
		w := p.t.cut(index, mask)
		w.passing = true
		p.words = append(p.words, w)
	}
	sort.Slice(p.words, func(a, b int) bool { return p.words[a].index < p.words[b].index })
	for i, n := range each {
		for w := range p.words {
			if n[p.words[w].index] != 0 {
				p.uses[i] |= 1 << w
			}
		}
	}
}

// splitReady decides which of the descriptor's ready conditions are tested once,
// where it is fetched: those on words that are read for nothing else. A
// descriptor that fails them then is as good as none, and its words are 0; so
// every hint in use must have another condition that 0 fails.
func (p *plan) splitReady(total need) {
	p.ready = p.t.desc.Ready
	kept := need{}
	kept.add(total)
	for _, c := range p.t.desc.Ready {
		if _, _, ok := masked(&c); !ok {
			kept.field(c.Field) // needs more than a comparison in passing
		}
	}
	var first, rest []layouts.Condition
	for again := true; again; { // a condition that stays keeps its words for others
		again = false
		first, rest = nil, nil
		for _, c := range p.t.desc.Ready {
			alone := true
			for _, b := range c.Field.Bits {
				alone = alone && kept[b.Word] == 0
			}
			if alone {
				first = append(first, c)
				continue
			}
			rest = append(rest, c)
			for _, b := range c.Field.Bits {
				again = again || kept[b.Word] == 0
			}
			kept.field(c.Field)
		}
	}
	for h := range p.hintsInUse() {
		for k := range h.Alternatives {
			if !failsOnZero(rest) && !failsOnZero(h.Alternatives[k].When) {
				return
			}
		}
	}
	p.first, p.ready = first, rest
}

func failsOnZero(conds []layouts.Condition) bool {
	for _, c := range conds {
		zero := false
		for _, v := range c.Values {
			zero = zero || v == 0
		}
		if zero == c.Not {
			return true
		}
	}
	return false
}

func (p *plan) hintsInUse() map[*layouts.Hint]bool {
	out := map[*layouts.Hint]bool{}
	for _, t := range p.tests {
		for _, h := range t.hints {
			out[h] = true
		}
	}
	for _, r := range p.reads {
		for _, pt := range r.parts {
			out[pt.hint] = true
		}
	}
	if p.copies {
		for i := range p.main.members {
			if h, _ := p.t.hint(&p.main.members[i]); h != nil {
				out[h] = true
			}
		}
	}
	return out
}

// conditions is all that is left to test for an alternative at instruction i,
// -1: nothing is known there.
func (p *plan) conditions(i int, a *layouts.Alternative) []layouts.Condition {
	return p.left(i, append(p.ready[:len(p.ready):len(p.ready)], a.When...))
}

// wordOf returns the kept word that holds the layout's word index.
func (p *plan) wordOf(index int) *word {
	i := sort.Search(len(p.words), func(i int) bool { return p.words[i].index >= index })
	return &p.words[i]
}

// liveWords finds where each word has to be kept, and which words a call has to
// bring.
func (p *plan) liveWords() {
	in := make([]uint64, len(p.graph.Blocks))
	scan := func(b int32, write bool) uint64 {
		live := uint64(0)
		for _, s := range p.graph.Blocks[b].Succ {
			live |= in[s]
		}
		for i := p.graph.Blocks[b].End - 1; i >= p.graph.Blocks[b].Start; i-- {
			if write && live != 0 {
				p.alive[i] = live
			}
			if p.isCall(i) {
				if write {
					p.fetch[i] = live | p.uses[i]
				}
				if !p.entry {
					live = 0
					continue
				}
			}
			live |= p.uses[i]
		}
		return live
	}
	for again := true; again; {
		again = false
		for k := len(p.graph.Order) - 1; k >= 0; k-- {
			b := p.graph.Order[k]
			if live := scan(b, false); live != in[b] {
				in[b], again = live, true
			}
		}
	}
	for _, b := range p.graph.Order {
		scan(b, true)
	}
	if p.entry {
		p.fetch = map[int]uint64{-1: in[0]}
	}
}

// liveRegisters notes the program's registers around the places that matter:
// where a word is alive and where code is put.
func (p *plan) liveRegisters() {
	p.demand(func(i int, d *flow.Bits) {
		if p.alive[i] == 0 && p.uses[i] == 0 && !p.isCall(i) && i != 0 {
			return
		}
		after := liveSet(d)
		now := *d
		if !p.effect(i, &now) {
			flow.Before(&p.f.Insns[i], &now, arity(p.u, &p.f.Insns[i]))
		}
		p.before[i] = liveSet(&now)
		p.inUse[i] = after | p.written(i)
	})
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
	in := &p.f.Insns[i]
	switch class := in.OpCode.Class(); {
	case p.gone[i] || p.tests[i] != nil:
		return 0
	case p.isCall(i):
		return 0 // its own code chooses
	case in.IsCall():
		return regset(asm.R0, asm.R1, asm.R2, asm.R3, asm.R4, asm.R5)
	case class.IsALU(), class == asm.LdXClass, class == asm.LdClass:
		return regset(in.Dst)
	case class == asm.StXClass && in.OpCode.Mode() == asm.AtomicMode:
		return regset(in.Src, asm.R0)
	}
	return 0
}

// single is the one word that load i reads and nothing else besides, so that
// its home may be the load's own destination.
func (p *plan) single(i int) bool {
	r := p.reads[i]
	return r != nil && bits.OnesCount64(p.uses[i]) == 1 && len(r.parts) == 1 && !r.parts[0].has &&
		p.sure(i, r.parts[0].hint)
}

// spends tells whether the test at branch i is the last to look at the only
// word it reads: the word may then be kept where the test wants it.
func (p *plan) spends(i int) bool {
	t := p.tests[i]
	return t != nil && len(t.hints) == 1 && bits.OnesCount64(p.uses[i]) == 1 && p.spent(i, t.hints[0]) == p.uses[i]
}

// spent is the words that the conditions of hint h are the last to look at, in
// the code for instruction i, and look at once: masking them needs no copy.
func (p *plan) spent(i int, h *layouts.Hint) uint64 {
	if len(h.Alternatives) != 1 {
		return 0
	}
	spent := p.uses[i] &^ p.alive[i]
	value := need{}
	if p.reads[i] != nil {
		value.value(h)
	}
	seen := map[*word]bool{}
	for _, c := range p.compile(p.conditions(i, &h.Alternatives[0])) {
		if c.field != nil {
			value.field(c.field)
		} else if seen[c.word] {
			value[c.word.index] = 1
		} else {
			seen[c.word] = true
		}
	}
	for w := range p.words {
		if value[p.words[w].index] != 0 {
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
	}
	p.interfere(blocked, near, wish, weight)
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
