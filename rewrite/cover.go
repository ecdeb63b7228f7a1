package rewrite

import (
	"math/bits"
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/layouts"
)

// piece is a part of a list of values that one test finds: all from low to high,
// or those of them whose bit is set in bitmap, where bit 0 stands for low.
type piece struct {
	low, high uint64
	bitmap    uint64
}

func (pc piece) whole() bool { return pc.bitmap == ones(int(pc.high-pc.low)+1) }

// price is how many instructions the test of a piece takes, once a field of that
// width is in a register.
func (pc piece) price(width int) int {
	n := 1 // the branch
	switch {
	case pc.low == pc.high:
		return n
	case !pc.whole():
		n += 2 // the constant, and the shift
		if pc.bitmap>>32 != 0 {
			n++
		}
		if width > 6 {
			n++ // a shift by 64 is none
		}
		if pc.high >= 64 {
			n++
		}
	case pc.low > 0 && pc.high < ones(width):
		n++
	}
	return n
}

// cover cuts a sorted list of values into pieces, for the fewest instructions.
func cover(values []uint64, width int) (pieces []piece, price int) {
	type best struct {
		price, from int // of the pieces up to a value, and where the last begins
		last        piece
	}
	upTo := make([]best, len(values)+1)
	for k, v := range values {
		pc := piece{v, v, 1}
		upTo[k+1] = best{upTo[k].price + 1, k, pc}
		for from := k - 1; from >= 0 && v <= maxMask && v-values[from] < 64; from-- {
			pc.bitmap = pc.bitmap<<(pc.low-values[from]) | 1
			pc.low = values[from]
			if n := upTo[from].price + pc.price(width); n < upTo[k+1].price {
				upTo[k+1] = best{n, from, pc}
			}
		}
	}
	for k := len(values); k > 0; k = upTo[k].from {
		pieces = append(pieces, upTo[k].last)
	}
	slices.Reverse(pieces)
	return pieces, upTo[len(values)].price
}

// listable is the width up to which all values of a field may be gone through.
const listable = 10

// others is what a field of that width may be besides the sorted values.
func others(values []uint64, width int) (out []uint64) {
	for v := range uint64(1) << width {
		if _, ok := slices.BinarySearch(values, v); !ok {
			out = append(out, v)
		}
	}
	return out
}

// listed says a condition as a list that is cheap to test: of the values it wants
// or, with not, of those it does not want.
func listed(c *layouts.Condition) (pieces []piece, not bool, price int) {
	values, width := slices.Compact(slices.Sorted(slices.Values(c.Values))), c.Field.Width()
	pieces, price = cover(values, width)
	if width <= listable {
		if rest, n := cover(others(values, width), width); n > 0 && n < price {
			return rest, !c.Not, n
		}
	}
	return pieces, c.Not, price
}

// compareList tests a field against pieces.
func (e *emitter) compareList(c *comparison, label int, holds bool) {
	t, free := e.temp()
	defer free()
	e.field(t, c.field)
	l := listTest{e: e, t: t, width: c.field.Width()}
	if c.not != holds { // what is in the list goes to label
		for _, pc := range c.pieces {
			l.find(pc, label, true)
		}
		return
	}
	over := e.label()
	for _, pc := range c.pieces[:len(c.pieces)-1] {
		l.find(pc, over, true)
	}
	l.find(c.pieces[len(c.pieces)-1], label, false)
	e.at(over)
}

// listTest looks for the number in t in one piece after another, lowest first.
type listTest struct {
	e     *emitter
	t     asm.Register
	width int
	base  uint64 // has been subtracted from t: what was below is far above now
}

// find goes to label when t is in the piece, or with hit false, when it is not.
func (l *listTest) find(pc piece, label int, hit bool) {
	e := l.e
	switch {
	case pc.low == pc.high:
		e.ifEqual(l.t, pc.low-l.base, label, hit)
	case !pc.whole():
		l.findBit(pc, label, hit)
	case l.base == 0 && pc.high == ones(l.width):
		e.ifImm(either(hit, asm.JGE, asm.JLT), l.t, int32(pc.low), label)
	default:
		if pc.low > 0 {
			l.subtract(pc.low)
		}
		e.ifImm(either(hit, asm.JLE, asm.JGT), l.t, int32(pc.high-l.base), label)
	}
}

func (l *listTest) subtract(low uint64) {
	if low != l.base {
		l.e.op(asm.Sub.Imm(l.t, int32(low-l.base)))
		l.base = low
	}
}

// findBit looks into a bitmap. A shift counts modulo 64: past the bitmap's end
// there is nothing to look for, unless no value of the field lies there.
func (l *listTest) findBit(pc piece, label int, hit bool) {
	e := l.e
	if l.base == 0 && pc.high < 64 {
		pc.bitmap, pc.low = pc.bitmap<<pc.low, 0
	}
	l.subtract(pc.low)
	outside := label
	if hit {
		outside = e.label()
	} else {
		pc.bitmap = ^pc.bitmap
	}
	switch {
	case l.width > 6:
		pc.bitmap &= ones(int(pc.high-pc.low) + 1)
		e.ifImm(asm.JGT, l.t, int32(pc.high-pc.low), outside)
	case l.base == 0:
		pc.bitmap &= ones(1 << l.width)
	}
	m, free := e.temp()
	defer free()
	e.constant(m, pc.bitmap)
	e.op(asm.RSh.Reg(m, l.t))
	e.ifImm(asm.JSet, m, 1, label)
	if hit {
		e.at(outside)
	}
}

func either(first bool, a, b asm.JumpOp) asm.JumpOp {
	if first {
		return a
	}
	return b
}

// ifEqual goes to label when r is v, or with hit false, when it is not.
func (e *emitter) ifEqual(r asm.Register, v uint64, label int, hit bool) {
	if v <= maxMask {
		e.ifImm(equals(hit), r, int32(v), label)
		return
	}
	t, free := e.temp()
	e.constant(t, v)
	e.ifReg(equals(hit), r, t, label)
	free()
}

// cube says a list of values as (field & mask) == value, where it can be said so:
// where all bits that differ between them take all the values they can.
func cube(values []uint64, width int) (mask, value uint64, ok bool) {
	every, some := ^uint64(0), uint64(0)
	for _, v := range values {
		every, some = every&v, some|v
	}
	free := every ^ some
	return ones(width) &^ free, every, len(values) > 0 && len(values) == 1<<bits.OnesCount64(free)
}
