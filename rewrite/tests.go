package rewrite

import (
	"math/bits"
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/layouts"
)

// comparison is one test of a word. Conditions on bits of the same word that
// ask for a value become one: (w1 & 0x3003) == 0x3003.
type comparison struct {
	word   *word
	mask   uint64 // bits of the kept word
	want   uint64 // equal: the masked word is want
	any    bool   // instead: some bit of mask is set
	field  *layouts.Field
	pieces []piece // instead: field is in one of the pieces,
	not    bool    // or in none of them
	last   bool    // nothing looks at the word after this
}

// maxMask is the most that the constant of a 64-bit operation can say without
// setting the upper half: constants are sign-extended.
const maxMask = 1<<31 - 1

// compile turns a conjunction into comparisons, in the order of the words.
func (p *plan) compile(conds []layouts.Condition) []comparison { return compile(conds, p.wordOf) }

func compile(conds []layouts.Condition, wordOf func(layouts.BitRange) *word) []comparison {
	equal := map[*word]*comparison{}
	var order []*comparison
	var rest []comparison
	want := func(w *word, mask, value uint64) {
		c := equal[w]
		if c == nil || c.mask&mask&(c.want^value) != 0 { // what contradicts it fails by itself
			c = &comparison{word: w}
			equal[w] = c
			order = append(order, c)
		}
		c.mask |= mask
		c.want |= value
	}
	for i := range conds {
		c := &conds[i]
		f := c.Field
		switch mask, value, ok := masked(c); {
		case ok:
			for k := len(f.Bits) - 1; k >= 0; k-- {
				r := f.Bits[k]
				n, w := r.MSB-r.LSB+1, wordOf(r)
				want(w, (mask&ones(n))<<(r.LSB-w.low), (value&ones(n))<<(r.LSB-w.low))
				mask, value = shifted(mask, -n), shifted(value, -n)
			}
		case someBit(c):
			w := wordOf(f.Bits[0])
			some := comparison{word: w, any: true}
			for _, r := range f.Bits {
				some.mask |= ones(r.MSB-r.LSB+1) << (r.LSB - w.low)
			}
			rest = append(rest, some)
		default:
			pieces, not, _ := listed(c)
			rest = append(rest, comparison{field: f, pieces: pieces, not: not})
		}
	}
	var out []comparison
	for _, c := range order {
		out = append(out, c.split()...)
	}
	return append(out, rest...)
}

// someBit tells whether a condition wants a field that is not 0, and is in one
// word.
func someBit(c *layouts.Condition) bool {
	if !c.Not || len(c.Values) != 1 || c.Values[0] != 0 {
		return false
	}
	for _, r := range c.Field.Bits {
		if r.Word != c.Field.Bits[0].Word {
			return false
		}
	}
	return true
}

// masked says a condition as (field & mask) == value, where it can be said so.
func masked(c *layouts.Condition) (mask, value uint64, ok bool) {
	values, width := slices.Compact(slices.Sorted(slices.Values(c.Values))), c.Field.Width()
	if c.Not {
		if width > listable {
			return 0, 0, false
		}
		values = others(values, width)
	}
	return cube(values, width)
}

// whole tells whether a comparison is one of a word of up to 32 bits as it is.
func (c *comparison) whole() bool { return c.word.size <= 4 && c.mask == ones(c.word.size*8) }

// top tells whether a mask is the highest bits of the word, 32 at most: once they
// are shifted down there is nothing to mask.
func (c *comparison) top(mask uint64) bool {
	left := c.word.size*8 - bits.TrailingZeros64(mask)
	return left <= 32 && mask>>bits.TrailingZeros64(mask) == ones(left)
}

// split cuts a comparison into ones whose mask fits a constant once shifted, or is
// not needed then.
func (c comparison) split() (out []comparison) {
	for mask := c.mask; mask != 0; {
		piece := mask & (maxMask << bits.TrailingZeros64(mask))
		if c.top(mask) {
			piece = mask
		}
		out = append(out, comparison{word: c.word, mask: piece, want: c.want & piece})
		mask &^= piece
	}
	return out
}

// testReady goes to fail unless the conditions hold that are tested once, on
// words of the descriptor at base + at which are looked at in passing.
func (e *emitter) testReady(base asm.Register, at int, through asm.Register, fail int) {
	var here *word
	all := compile(e.p.first, e.p.passed)
	for i, c := range all {
		c.last = i+1 == len(all) || all[i+1].word != c.word
		if c.word != here {
			here = c.word
			here.home = home{reg: through, placed: true}
			e.bring(here, base, at, through)
		}
		e.compare(&c, fail, false)
	}
}

// tests goes to fail unless all conditions hold.
func (e *emitter) tests(conds []layouts.Condition, fail int) {
	for _, c := range e.p.compile(conds) {
		e.compare(&c, fail, false)
	}
}

// testsTo goes to label when all conditions hold, and on otherwise.
func (e *emitter) testsTo(conds []layouts.Condition, label int) {
	cs := e.p.compile(conds)
	if len(cs) == 0 {
		e.goTo(label)
		return
	}
	skip := e.label()
	for i := range cs[:len(cs)-1] {
		e.compare(&cs[i], skip, false)
	}
	e.compare(&cs[len(cs)-1], label, true)
	e.at(skip)
}

// compare goes to label when the comparison's outcome is holds.
func (e *emitter) compare(c *comparison, label int, holds bool) {
	if c.field != nil {
		e.compareList(c, label, holds)
		return
	}
	r, free := e.readable(c.word)
	defer free()
	direct := c.word.home.slot == 0 && !e.p.crowded
	flips := c.any || c.want == c.mask && bits.OnesCount64(c.mask) == 1
	switch {
	case c.any && c.mask == ones(c.word.size*8) && (direct || !e.p.crowded):
		e.ifImm(equals(!holds), r, 0, label)
	case !c.any && c.whole() && (direct || !e.p.crowded):
		e.ifEqual(r, c.want, label, holds)
	case c.mask <= maxMask && (flips || c.want == 0) && (direct || !e.p.crowded) && (flips == holds || !e.spends(c.word)):
		if flips == holds {
			e.ifImm(asm.JSet, r, int32(c.mask), label)
			return
		}
		over := e.label()
		e.ifImm(asm.JSet, r, int32(c.mask), over)
		e.goTo(label)
		e.at(over)
	default:
		e.compareMasked(c, r, label, holds)
	}
}

// readable returns a register with the word: its home, or a temporary.
func (e *emitter) readable(w *word) (asm.Register, func()) {
	if w.home.slot == 0 {
		return w.home.reg, func() {}
	}
	t, free := e.temp()
	e.op(asm.LoadMem(t, asm.R10, int16(w.home.slot), asm.DWord))
	return t, free
}

func equals(holds bool) asm.JumpOp {
	if holds {
		return asm.JEq
	}
	return asm.JNE
}

func (e *emitter) compareMasked(c *comparison, r asm.Register, label int, holds bool) {
	t := r
	if c.word.home.slot == 0 && !e.spends(c.word) && !c.last {
		var free func()
		t, free = e.temp()
		defer free()
		e.op(asm.Mov.Reg(t, r))
	}
	mask, want := c.mask, c.want
	left := c.word.size * 8 // bits of the word that are still there
	if mask > maxMask {
		n := bits.TrailingZeros64(mask)
		if n > 0 {
			e.op(asm.RSh.Imm(t, int32(n)))
		}
		mask >>= n
		want >>= n
		left -= n
	}
	switch {
	case mask == ones(left):
	case mask <= maxMask:
		e.op(asm.And.Imm(t, int32(mask)))
	case mask&(mask+1) == 0: // an any over more than 31 bits in a row
		e.op(asm.LSh.Imm(t, int32(64-bits.Len64(mask))))
	default:
		m, free := e.temp()
		e.constant(m, mask)
		e.op(asm.And.Reg(t, m))
		free()
	}
	if c.any {
		e.ifImm(equals(!holds), t, 0, label)
		return
	}
	e.ifEqual(t, want, label, holds)
}

// maskable tells whether present can say that the hint is there: by comparisons
// of words alone, and one way only.
func (p *plan) maskable(i int, h *layouts.Hint) bool {
	if len(h.Alternatives) != 1 || partial(&h.Alternatives[0]) {
		return false
	}
	for _, c := range p.compile(p.conditions(i, h.Alternatives[0].When)) {
		if c.field != nil || c.any && c.mask>>bits.TrailingZeros64(c.mask) > maxMask {
			return false
		}
	}
	return true
}

// present makes dst 1 where the hint is there and 0 where not, without a
// branch: the kernel's verifier follows both ways of each branch, and a struct
// of twenty hints would have a million. It does so with a mask and a constant
// too (kernel/bpf/verifier.c of 6.18, maybe_fork_scalars), so that masks are
// made from this, and only to be applied to a value.
func (e *emitter) present(dst asm.Register, h *layouts.Hint) {
	cs := e.p.compile(e.p.conditions(e.insn, h.Alternatives[0].When))
	if len(cs) == 0 {
		e.op(asm.Mov.Imm(dst, 1))
		return
	}
	for i := range cs {
		if i == 0 {
			e.fails(dst, &cs[i])
			continue
		}
		t, free := e.temp()
		e.fails(t, &cs[i])
		e.op(asm.Or.Reg(dst, t))
		free()
	}
	e.isZero(dst)
}

// isZero makes dst 1 if it is 0, and 0 if it is anything below 2^63.
func (e *emitter) isZero(dst asm.Register) {
	e.op(asm.Sub.Imm(dst, 1))
	e.op(asm.RSh.Imm(dst, 63))
}

// fails makes dst 0 when the comparison holds, and a positive number otherwise.
func (e *emitter) fails(dst asm.Register, c *comparison) {
	mask, want := c.mask, c.want
	n := 0
	if mask > maxMask {
		n = bits.TrailingZeros64(mask)
	}
	e.copyTo(dst, c.word, 0, 64)
	if n > 0 {
		e.op(asm.RSh.Imm(dst, int32(n)))
	}
	if mask>>n != ones(c.word.size*8-n) {
		e.op(asm.And.Imm(dst, int32(mask>>n)))
	}
	switch {
	case c.any:
		e.isZero(dst)
	case want>>n > maxMask:
		t, free := e.temp()
		e.constant(t, want>>n)
		e.op(asm.Xor.Reg(dst, t))
		free()
	case want != 0:
		e.op(asm.Xor.Imm(dst, int32(want>>n)))
	}
}
