package rewrite

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/layouts"
)

// lower carries the plan out: it replaces the calls, the loads and the tests.
func (p *plan) lower() error {
	edit := code.NewEdit(p.f)
	if p.entry {
		e := newEmitter(p, 0)
		e.context = home{reg: asm.R1, placed: true}
		p.t.reach.fetch(e, p.fetch[-1], p.before[0]|regset(asm.R1))
		if p.fetch[-1] != 0 {
			edit.Enter(p.fetching(e.finish())...)
		}
	}
	p.pieces(func(i int, fetch, instead []code.Insn) {
		if p.sunkAt(i) != 0 {
			edit.Insert(i, p.fetching(fetch)...)
		}
		switch {
		case p.gone[i]:
			edit.Replace(i)
		case p.isCall(i):
			edit.Replace(i, p.fetching(fetch)...)
		case p.reads[i] != nil:
			edit.Replace(i, inserted(instead, "computes", p.reads[i].names())...)
		case p.tests[i] != nil:
			edit.Replace(i, inserted(instead, "asks for", p.tests[i].names())...)
		}
	})
	was := *p.f
	edit.Apply()
	return p.checkStack(&was)
}

// pieces shows, for each instruction that changes, the code that fetches words
// there, and what stands in its place.
func (p *plan) pieces(show func(i int, fetch, instead []code.Insn)) {
	for i := range p.f.Insns {
		var fetch, instead []code.Insn
		sunk := p.sunkAt(i) != 0
		if sunk {
			fetch = p.lowerSunk(i)
		}
		switch {
		case p.gone[i]:
		case p.isCall(i):
			fetch = p.lowerCall(i)
		case p.reads[i] != nil:
			instead = p.lowerRead(p.reads[i])
		case p.tests[i] != nil:
			instead = p.lowerTest(i)
		case !sunk:
			continue
		}
		show(i, fetch, instead)
	}
}

// inserted says of code what it is for.
func inserted(insns []code.Insn, does string, names []string) []code.Insn {
	purpose := &code.Purpose{Does: does, Names: names}
	for i := range insns {
		insns[i].For = purpose
	}
	return insns
}

// fetching says so of code that stands for a call of hintjit_rx, or at the entry.
func (p *plan) fetching(insns []code.Insn) []code.Insn {
	names := map[string]bool{}
	for h := range p.hints {
		names[h.Name] = true
	}
	return inserted(insns, "reads the descriptor for", sorted(names))
}

// names are the members that a load looks at.
func (r *read) names() (out []string) {
	for i := range r.parts {
		name := r.parts[i].hint.Name
		if r.parts[i].has {
			name = hasPrefix + name
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		out = append(out, "0, for a hint that is never there")
	}
	return out
}

func (t *test) names() (out []string) {
	for _, a := range t.asks {
		if a.value {
			out = append(out, a.hint.Name)
		} else {
			out = append(out, hasPrefix+a.hint.Name)
		}
	}
	return out
}

// lowerCall is what becomes of a call of hintjit_rx.
func (p *plan) lowerCall(i int) []code.Insn {
	words := p.fetch[i]
	copies := p.siteOf(i)&p.escaped != 0
	if p.entry {
		words = 0 // here already
	}
	kept := regset(asm.R10)
	e := newEmitter(p, 0)
	e.context = home{reg: asm.R1, placed: true}
	e.each(p.alive[i]|p.uses[i], func(w *word) { kept |= w.home.register() })
	busy := kept | p.inUse[i]&^regset(asm.R0)
	e.each(words&p.context, func(w *word) { e.put(w.home, asm.R1) })
	words &^= p.context
	if words != 0 {
		p.t.reach.fetch(e, words, busy)
	}
	if copies {
		e.free, e.avoid = ^busy&(1<<10-1), kept
		p.buildCopy(e)
		e.op(asm.Mov.Reg(asm.R0, asm.R10))
		e.op(asm.Add.Imm(asm.R0, int32(p.copyAt)))
	}
	return e.finish()
}

// lowerSunk is a fetch further down, before instruction i.
func (p *plan) lowerSunk(i int) []code.Insn {
	e := newEmitter(p, 0)
	e.each(p.context, func(w *word) { e.context = w.home })
	e.busy = p.before[i] & regset(asm.R0, asm.R1, asm.R2, asm.R3, asm.R4, asm.R5)
	keep := p.before[i] | regset(asm.R10)
	e.each(p.sunk[i], func(w *word) { keep |= w.home.register() })
	p.t.reach.fetch(e, p.sunk[i], keep)
	return e.finish()
}

func (p *plan) siteOf(i int) uint64 {
	for _, c := range p.calls {
		if c.insn == i {
			return c.site
		}
	}
	return 0
}

// emitterAt lends the registers that are free around instruction i.
func (p *plan) emitterAt(i int, avoid registers) *emitter {
	busy := p.before[i] | p.inUse[i] | regset(asm.R10)
	e := newEmitter(p, avoid)
	e.insn = i
	e.each(p.alive[i]|p.uses[i], func(w *word) {
		busy |= w.home.register()
		e.avoid |= w.home.register()
	})
	e.free = ^busy & (1<<10 - 1) &^ avoid
	e.avoid |= regset(asm.R10)
	return e
}

// lowerRead computes what a load through the hint pointer would have loaded.
func (p *plan) lowerRead(r *read) []code.Insn {
	dst := p.f.Insns[r.insn].Dst
	e := p.emitterAt(r.insn, regset(dst))
	switch {
	case len(r.parts) == 0:
		e.op(asm.Mov.Imm(dst, 0))
		return e.finish()
	case len(r.parts) == 1 && !r.parts[0].has && r.parts[0].shift <= 0:
		e.soleValue(dst, r, &r.parts[0])
	default:
		e.op(asm.Mov.Imm(dst, 0))
		for i := range r.parts {
			e.addPart(dst, r, &r.parts[i], r.how[i])
		}
	}
	if r.signed {
		e.signExtend(dst, r.size)
	}
	return e.finish()
}

func (e *emitter) signExtend(r asm.Register, size int) {
	e.op(asm.LSh.Imm(r, int32(64-size*8)))
	e.op(asm.ArSh.Imm(r, int32(64-size*8)))
}

// soleValue makes dst the one hint value that a load reads, or the piece of it.
func (e *emitter) soleValue(dst asm.Register, r *read, pt *part) {
	piece := slice{-pt.shift, min(pt.width+pt.shift, r.size*8)}
	e.spend = e.p.spent(r.insn, r.how[0])
	if a, ok := e.p.sure(r.insn, r.how[0]); ok {
		e.value(dst, pt.hint, a, piece, 0)
		return
	}
	if a := &pt.hint.Alternatives[0]; r.how[0] != none && !e.spare() && len(pt.hint.Alternatives) == 1 && !partial(a) {
		e.inPlace(dst, pt.hint, a, piece)
		return
	}
	e.op(asm.Mov.Imm(dst, 0))
	e.zeroes = true
	e.either(r.how[0], func(a *layouts.Alternative, untranslated int) {
		e.value(dst, pt.hint, a, piece, untranslated)
	})
}

// inPlace does with dst alone, for one goto more.
func (e *emitter) inPlace(dst asm.Register, h *layouts.Hint, a *layouts.Alternative, piece slice) {
	none, end := e.label(), e.label()
	e.free |= regset(dst)
	e.tests(e.p.conditions(e.insn, a.When), none)
	e.free &^= regset(dst)
	e.value(dst, h, a, piece, none)
	e.goTo(end)
	e.at(none)
	e.op(asm.Mov.Imm(dst, 0))
	e.at(end)
}

// addPart adds to dst what one member gives to a load of several.
func (e *emitter) addPart(dst asm.Register, r *read, pt *part, how *decision) {
	piece := slice{0, pt.width}
	if pt.shift < 0 {
		piece = slice{-pt.shift, pt.width + pt.shift}
	}
	shift := max(pt.shift, 0)
	piece.width = min(piece.width, r.size*8-shift)
	if how == none {
		return
	}
	if e.p.crowded && e.p.maskable(e.insn, pt.hint) {
		e.addMasked(dst, pt, piece, shift)
		return
	}
	e.either(how, func(a *layouts.Alternative, untranslated int) {
		if pt.has {
			if partial(a) {
				t, free := e.temp()
				e.value(t, pt.hint, a, slice{0, 64}, untranslated)
				free()
			}
			e.setBit(dst, shift)
			return
		}
		t, free := e.temp()
		e.value(t, pt.hint, a, piece, untranslated)
		if shift > 0 {
			e.op(asm.LSh.Imm(t, int32(shift)))
		}
		e.op(asm.Or.Reg(dst, t))
		free()
	})
}

// addMasked is addPart without a branch.
func (e *emitter) addMasked(dst asm.Register, pt *part, piece slice, shift int) {
	a := &pt.hint.Alternatives[0]
	sure := len(e.p.conditions(e.insn, a.When)) == 0
	if pt.has && sure {
		e.setBit(dst, shift)
		return
	}
	t, free := e.temp()
	defer free()
	if pt.has {
		e.present(t, pt.hint)
	} else {
		e.value(t, pt.hint, a, piece, 0)
	}
	if !pt.has && !sure {
		mask, free := e.temp()
		e.present(mask, pt.hint)
		e.op(asm.Neg.Imm(mask, 0))
		e.op(asm.And.Reg(t, mask))
		free()
	}
	if shift > 0 {
		e.op(asm.LSh.Imm(t, int32(shift)))
	}
	e.op(asm.Or.Reg(dst, t))
}

func (e *emitter) setBit(dst asm.Register, bit int) {
	if bit < 31 {
		e.op(asm.Or.Imm(dst, 1<<bit))
		return
	}
	t, free := e.temp()
	e.op(asm.Mov.Imm(t, 1))
	e.op(asm.LSh.Imm(t, int32(bit)))
	e.op(asm.Or.Reg(dst, t))
	free()
}

// either makes the code of a hint that may be there: body that of the alternative that
// holds.
func (e *emitter) either(d *decision, body func(a *layouts.Alternative, untranslated int)) {
	end := e.label()
	e.follow(e.p.behindReady(e.insn, d), end, end, end, body)
}

// inAll is what every one of several conjunctions asks.
func inAll(whens [][]layouts.Condition) (out []layouts.Condition) {
	for _, c := range whens[0] {
		if !slices.ContainsFunc(whens, func(when []layouts.Condition) bool { return !slices.ContainsFunc(when, c.Equal) }) {
			out = append(out, c)
		}
	}
	return out
}

// whens is what a hint's alternatives ask.
func whens(h *layouts.Hint) (out [][]layouts.Condition) {
	for k := range h.Alternatives {
		out = append(out, h.Alternatives[k].When)
	}
	return out
}

func without(conds, drop []layouts.Condition) (out []layouts.Condition) {
	for _, c := range conds {
		if !slices.ContainsFunc(drop, c.Equal) {
			out = append(out, c)
		}
	}
	return out
}

// slice is the bits [low, low+width) of a value.
type slice struct{ low, width int }

// value makes dst the slice of an alternative's value, its conditions holding.
// Where a map has no translation it goes to absent, with 0 in dst if that is
// what absent means there (zeroes).
func (e *emitter) value(dst asm.Register, h *layouts.Hint, a *layouts.Alternative, s slice, absent int) {
	swap := h.Decl.Network && h.Decl.Bytes > 1 && !e.p.t.bigEndian()
	switch {
	case a.From == nil:
		v := a.Value
		if swap {
			v = bits.ReverseBytes64(v) >> (64 - 8*h.Decl.Bytes)
		}
		e.constant(dst, v>>s.low&ones(s.width))
		return
	case a.Map == nil && len(a.Convert) == 0 && len(a.From.Bits) == 1 && !swap:
		r := a.From.Bits[0]
		if width := min(r.MSB-r.LSB+1-s.low, s.width); width > 0 {
			w := e.p.wordOf(r)
			e.take(dst, w, r.LSB+s.low-w.low, width)
		} else {
			e.op(asm.Mov.Imm(dst, 0))
		}
		return
	}
	most := ones(a.From.Width()) // the highest value dst may have
	if a.Map == nil {
		e.field(dst, a.From)
	} else {
		most = e.lookup(dst, a.From, a.Map, absent)
	}
	for _, c := range a.Convert {
		most = e.convert(dst, c, most)
	}
	if swap {
		e.op(e.swap(dst, h.Decl.Bytes))
		most = ones(h.Decl.Bytes * 8)
	}
	if s.low > 0 {
		e.op(asm.RSh.Imm(dst, int32(s.low)))
	}
	if most>>s.low > ones(s.width) {
		e.keepLow(dst, s.width)
	}
}

// field joins the bits of a field.
func (e *emitter) field(dst asm.Register, f *layouts.Field) {
	for k, r := range f.Bits {
		w, width := e.p.wordOf(r), r.MSB-r.LSB+1
		if k == 0 {
			e.take(dst, w, r.LSB-w.low, width)
			continue
		}
		t, free := e.temp()
		e.op(asm.LSh.Imm(dst, int32(width)))
		e.take(t, w, r.LSB-w.low, width)
		e.op(asm.Or.Reg(dst, t))
		free()
	}
}

func (e *emitter) constant(dst asm.Register, v uint64) {
	switch {
	case int64(v) == int64(int32(v)):
		e.op(asm.Mov.Imm(dst, int32(v)))
		return
	case v == uint64(uint32(v)):
		e.op(asm.Mov.Imm32(dst, int32(v)))
		return
	}
	e.op(asm.LoadImm(dst, int64(v), asm.DWord))
}

// convert applies one conversion to dst, which is most at the highest; it
// returns what it is at the highest then. The layout's checker has seen to it
// that nothing overflows.
func (e *emitter) convert(dst asm.Register, c layouts.Conversion, most uint64) uint64 {
	op, result := asm.Add, most+c.Arg
	switch c.Op {
	case layouts.Net16:
		return e.network(dst, 2)
	case layouts.Net32:
		return e.network(dst, 4)
	case layouts.SecNs:
		return e.nanoseconds(dst)
	case layouts.Extend32:
		return e.extend(dst, c.With)
	case layouts.Sub:
		if c.With != nil {
			t, free := e.temp()
			e.field(t, c.With)
			e.op(asm.Sub.Reg(dst, t))
			free()
			return ^uint64(0)
		}
		op, result = asm.Sub, ^uint64(0)
	case layouts.Shl:
		op, result = asm.LSh, most<<c.Arg
	case layouts.Shr:
		op, result = asm.RSh, most>>c.Arg
	case layouts.Mul:
		op, result = asm.Mul, most*c.Arg
	}
	if c.Arg <= maxMask {
		e.op(op.Imm(dst, int32(c.Arg)))
		return result
	}
	t, free := e.temp()
	e.constant(t, c.Arg)
	e.op(op.Reg(dst, t))
	free()
	return result
}

// nanoseconds adds up seconds in the high half of dst and nanoseconds in the low.
func (e *emitter) nanoseconds(dst asm.Register) (most uint64) {
	t, free := e.temp()
	e.op(asm.Mov.Reg(t, dst))
	e.op(asm.RSh.Imm(t, 32))
	e.op(asm.Mul.Imm(t, 1e9))
	e.op(asm.Mov.Reg32(dst, dst))
	e.op(asm.Add.Reg(dst, t))
	free()
	return ^uint64(0)
}

// extend makes the clock whose low half is in dst whole: clock plus the signed
// distance of the low halves. The sign is what brings a packet back that came
// before the clock was read.
func (e *emitter) extend(dst asm.Register, clock *layouts.Field) (most uint64) {
	t, free := e.temp()
	e.field(t, clock)
	e.op(asm.Sub.Reg(dst, t))
	e.signExtend(dst, 4)
	e.op(asm.Add.Reg(dst, t))
	free()
	return ^uint64(0)
}

// network makes the number in dst what its size bytes in network order are to
// the machine.
func (e *emitter) network(dst asm.Register, size int) (most uint64) {
	if e.p.t.bigEndian() {
		e.keepLow(dst, size*8)
	} else {
		e.op(e.swap(dst, size))
	}
	return ones(size * 8)
}

// scaled makes dst a field, shifted left by n.
func (e *emitter) scaled(dst asm.Register, f *layouts.Field, n int) {
	r := f.Bits[0]
	w := e.p.wordOf(r)
	low, width := r.LSB-w.low, r.MSB-r.LSB+1
	if n == 0 || len(f.Bits) > 1 || low == 0 || width+n > 31 {
		e.field(dst, f)
		if n > 0 {
			e.op(asm.LSh.Imm(dst, int32(n)))
		}
		return
	}
	e.copyTo(dst, w, 0, 64)
	switch {
	case low > n:
		e.op(asm.RSh.Imm(dst, int32(low-n)))
	case low < n:
		e.op(asm.LSh.Imm(dst, int32(n-low)))
	}
	e.op(asm.And.Imm(dst, int32(ones(width)<<n)))
}

// lookup makes dst what a table of the unit translates a field to. An entry of
// 0 says that there is no translation, unless every number has one; a map that
// has 0 among its values is stored higher (table.bias).
func (e *emitter) lookup(dst asm.Register, f *layouts.Field, m *layouts.ValueMap, absent int) (most uint64) {
	tab := e.p.tables.of(m, f.Width())
	scale := bits.TrailingZeros(uint(tab.size))
	e.scaled(dst, f, scale)
	if !tab.bounded && e.swapped(f) {
		e.keepLow(dst, f.Width()+scale)
	}
	last := int32(tab.entries-1) << scale
	if tab.bounded && !e.zeroes {
		e.ifImm(asm.JGT, dst, last, absent)
	} else if tab.bounded {
		within := e.label()
		e.ifImm(asm.JLE, dst, last, within)
		e.op(asm.Mov.Imm(dst, 0))
		e.goTo(absent)
		e.at(within)
	}
	t, free := e.temp()
	lea := code.New(asm.Instruction{OpCode: asm.LoadImmOp(asm.DWord), Dst: t, Src: asm.PseudoMapValue})
	lea.Ref = code.Ref{Kind: code.RefTable, Index: int32(tab.index)}
	e.code = append(e.code, lea)
	e.op(asm.Add.Reg(t, dst))
	e.op(asm.LoadMem(dst, t, 0, sizeOf(tab.size)))
	free()
	if !tab.total {
		e.ifImm(asm.JEq, dst, 0, absent)
	}
	if tab.bias != 0 {
		e.op(asm.Sub.Imm(dst, int32(tab.bias)))
	}
	return tab.most
}

// swapped tells whether a field reaches up to the end of a word whose bytes were
// swapped. The verifier knows nothing of the result of a swap (6.12,
// adjust_scalar_min_max_vals has no case for BPF_END), so that what is above it
// is not known to be 0.
func (e *emitter) swapped(f *layouts.Field) bool {
	for _, r := range f.Bits {
		w := e.p.wordOf(r)
		s := e.p.t.desc.StateOf(r.Word)
		if (w.swap || s != nil && e.p.t.swaps(s.At.Int)) && r.MSB-w.low+1 == w.size*8 {
			return true
		}
	}
	return false
}

// lowerTest makes a branch on hints one on the descriptor.
func (p *plan) lowerTest(i int) []code.Insn {
	t := p.tests[i]
	e := p.emitterAt(i, 0)
	e.spend = p.spent(i, t.how)
	yes, no := e.outside(p.f.Insns[i].Target), e.label()
	next := no
	if !t.present {
		yes, no = no, yes
	}
	e.follow(p.behindReady(i, t.how), yes, no, next, nil)
	return e.finish()
}

func (t *target) bigEndian() bool { return t.order == binary.ByteOrder(binary.BigEndian) }
