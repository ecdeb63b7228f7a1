package verifier

import (
	"math"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
)

// constants is a small set of numbers that a register may hold.
type constants struct {
	n int32 // how many, above mostConstants: any
	v [mostConstants]int32
}

const mostConstants = 3

func just(v int32) constants { return constants{n: 1, v: [mostConstants]int32{v}} }

func (c *constants) any() bool { return c.n > mostConstants }

func (c *constants) has(v int32) bool {
	for _, x := range c.v[:min(c.n, mostConstants)] {
		if x == v {
			return true
		}
	}
	return c.any()
}

// add puts v into the set and tells whether it was not there.
func (c *constants) add(v int32) bool {
	if c.has(v) {
		return false
	}
	if c.n < mostConstants {
		c.v[c.n] = v
	}
	if c.n++; c.any() {
		c.v = [mostConstants]int32{} // one way to say any, so that sets compare
	}
	return true
}

// addAll tells whether something was added.
func (c *constants) addAll(o *constants) (added bool) {
	if o.any() {
		added = !c.any()
		*c = *o
		return added
	}
	for _, v := range o.v[:o.n] {
		added = c.add(v) || added
	}
	return added
}

// covers tells whether c has all of o. Of a set that became too large to be told
// it asks only that c has some at all.
func (c *constants) covers(o *constants) bool {
	if o.any() {
		return c.n > 0
	}
	for _, v := range o.v[:o.n] {
		if !c.has(v) {
			return false
		}
	}
	return true
}

// after returns what of the set an operation with a constant makes, in so far as
// that is small and positive.
func (c *constants) after(in *code.Insn) (out constants) {
	if c.n == 0 || c.any() {
		return *c
	}
	for _, v := range c.v[:c.n] {
		x, k := uint64(int64(v)), uint64(in.Constant)
		switch in.OpCode.ALUOp() {
		case asm.And:
			x &= k
		case asm.Or:
			x |= k
		case asm.RSh:
			x >>= k & 63
		case asm.LSh:
			x <<= k & 63
		default:
			return constants{}
		}
		if x <= math.MaxInt32 {
			out.add(int32(x))
		}
	}
	return out
}

// moved returns the constant that an instruction sets its register to; a loader
// may set one with a CO-RE record to something else.
func moved(in *code.Insn) (v int32, ok bool) {
	wide := in.OpCode.Class() == asm.ALU64Class
	ok = in.OpCode.Class().IsALU() && in.OpCode.ALUOp() == asm.Mov && in.OpCode.Source() == asm.ImmSource &&
		in.CORE == nil && (wide || in.Constant >= 0)
	return int32(in.Constant), ok
}
