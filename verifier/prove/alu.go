package prove

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/bdd"
	"github.com/hintjit/hintjit/internal/code"
)

func (e *engine) add(st *state, a, b bdd.Word) bdd.Word {
	return e.word(st, "add", func(a, b *bdd.Word) bdd.Word { return e.m.Add(a, b, bdd.False) }, a, b)
}

func (e *engine) sub(st *state, a, b bdd.Word) bdd.Word { return e.word(st, "sub", e.m.Sub, a, b) }

func (e *engine) times(st *state, a bdd.Word, n uint64) bdd.Word {
	return e.mul(st, a, bdd.Number(n))
}

func (e *engine) mul(st *state, a, b bdd.Word) bdd.Word {
	if n, ok := b.Constant(); ok {
		return e.word(st, "mul", func(_, _ *bdd.Word) bdd.Word { return e.m.Times(&a, n) }, a, b)
	}
	if _, ok := a.Constant(); ok {
		return e.mul(st, b, a)
	}
	return e.word(st, "mul", nil, a, b)
}

// alu is the new value of an ALU or ALU64 instruction's destination (RFC 9669
// section 4).
func (e *engine) alu(st *state, in *code.Insn, dst, src value) (value, error) {
	op := in.OpCode.ALUOp()
	if op == asm.Swap {
		return e.swap(st, in, dst)
	}
	if in.Offset != 0 {
		return value{}, fmt.Errorf("%v with offset %d is not supported", in.OpCode, in.Offset)
	}
	if in.OpCode.Source() == asm.ImmSource && op != asm.Neg {
		src = constant(uint64(int64(int32(in.Constant))))
	}
	if op == asm.Neg {
		src = dst
	}
	if src.kind == nothing || op != asm.Mov && op != asm.MovSX8 && op != asm.MovSX16 && op != asm.MovSX32 && dst.kind == nothing {
		return value{}, errUnset
	}
	wide := in.OpCode.Class() == asm.ALU64Class
	if wide {
		if v, ok := e.pointerALU(st, op, dst, src); ok {
			return v, nil
		}
	}
	var a bdd.Word
	if dst.kind != nothing {
		a = e.address(st, dst)
	}
	b := e.address(st, src)
	if !wide {
		a, b = a.Low(32), b.Low(32)
	}
	out, err := e.arithmetic(st, op, a, b, wide)
	if !wide {
		out = out.Low(32)
	}
	return numeric(out), err
}

var errUnset = errors.New("reads what nothing was written to, or what differs in kind between the ways that lead here")

// pointerALU is what leaves a pointer one, or finds a distance.
func (e *engine) pointerALU(st *state, op asm.ALUOp, dst, src value) (value, bool) {
	switch {
	case op == asm.Mov:
		return src, true
	case op == asm.Add && dst.kind == pointer && src.kind == number:
		dst.word = e.add(st, dst.word, src.word)
		return dst, true
	case op == asm.Add && dst.kind == number && src.kind == pointer:
		src.word = e.add(st, src.word, dst.word)
		return src, true
	case op == asm.Sub && dst.kind == pointer && src.kind == number:
		dst.word = e.sub(st, dst.word, src.word)
		return dst, true
	case op == asm.Sub && dst.kind == pointer && src.kind == pointer && dst.region == src.region:
		return numeric(e.sub(st, dst.word, src.word)), true
	}
	return value{}, false
}

// arithmetic computes in 64 bits, or in the low 32 of words that have no others.
func (e *engine) arithmetic(st *state, op asm.ALUOp, a, b bdd.Word, wide bool) (bdd.Word, error) {
	width := 32
	if wide {
		width = 64
	}
	m := e.m
	switch op {
	case asm.Mov:
		return b, nil
	case asm.MovSX8:
		return b.Extend(8), nil
	case asm.MovSX16:
		return b.Extend(16), nil
	case asm.MovSX32:
		return b.Extend(32), nil
	case asm.Add:
		return e.add(st, a, b), nil
	case asm.Sub:
		return e.sub(st, a, b), nil
	case asm.Neg:
		return e.sub(st, bdd.Word{}, a), nil
	case asm.Mul:
		return e.mul(st, a, b), nil
	case asm.And:
		return e.word(st, "and", func(a, b *bdd.Word) bdd.Word { return bdd.Each(a, b, m.And) }, a, b), nil
	case asm.Or:
		return e.word(st, "or", func(a, b *bdd.Word) bdd.Word { return bdd.Each(a, b, m.Or) }, a, b), nil
	case asm.Xor:
		return e.word(st, "xor", func(a, b *bdd.Word) bdd.Word { return bdd.Each(a, b, m.Xor) }, a, b), nil
	case asm.LSh:
		return e.shift(st, fmt.Sprintf("shl %d", width), a, b, width, bdd.Word.Shl), nil
	case asm.RSh:
		return e.shift(st, fmt.Sprintf("shr %d", width), a, b, width,
			func(w bdd.Word, n int) bdd.Word { return w.Shr(n, bdd.False) }), nil
	case asm.ArSh:
		return e.shift(st, fmt.Sprintf("sar %d", width), a.Extend(width), b, width,
			func(w bdd.Word, n int) bdd.Word { return w.Shr(n, w[63]) }), nil
	case asm.Div, asm.Mod, asm.SDiv, asm.SMod:
		return e.divide(st, op, a, b, width), nil
	}
	return bdd.Word{}, fmt.Errorf("ALU operation %#x is not supported", uint16(op))
}

// shift counts modulo the width.
func (e *engine) shift(st *state, op string, a, by bdd.Word, width int, shift func(bdd.Word, int) bdd.Word) bdd.Word {
	by = by.Low(bits.Len(uint(width - 1)))
	if n, ok := by.Constant(); ok {
		return shift(a, int(n))
	}
	return e.word(st, op, func(a, by *bdd.Word) bdd.Word { return e.m.Shift(a, by, shift) }, a, by)
}

// divide knows powers of two; all else is a number of which nothing is known.
func (e *engine) divide(st *state, op asm.ALUOp, a, b bdd.Word, width int) bdd.Word {
	if n, ok := b.Constant(); ok && n != 0 && n&(n-1) == 0 {
		switch op {
		case asm.Div:
			return a.Shr(bits.TrailingZeros64(n), bdd.False)
		case asm.Mod:
			return a.Low(bits.TrailingZeros64(n))
		}
	}
	return e.word(st, fmt.Sprintf("divide %#x %d", uint16(op), width), nil, a, b)
}

// swap is the byte swap family of RFC 9669 section 4.2: to little endian, to big
// endian, or always.
func (e *engine) swap(st *state, in *code.Insn, v value) (value, error) {
	if v.kind == nothing {
		return value{}, errUnset
	}
	w := e.address(st, v)
	reverse := true
	if in.OpCode.Class() == asm.ALUClass {
		reverse = e.big != (in.OpCode.Endianness() == asm.BE)
	}
	switch n := in.Constant; {
	case n != 16 && n != 32 && n != 64:
		return value{}, fmt.Errorf("a byte swap of %d bits, wanted 16, 32 or 64", n)
	case reverse:
		return numeric(w.Swap(int(n / 8))), nil
	default:
		return numeric(w.Low(int(n))), nil
	}
}

// taken is where a branch is taken.
func (e *engine) taken(st *state, in *code.Insn, dst, src value) (bdd.Ref, error) {
	op := in.OpCode.JumpOp()
	if op == asm.Ja {
		return bdd.True, nil
	}
	if in.OpCode.Source() == asm.ImmSource {
		src = constant(uint64(int64(int32(in.Constant))))
	}
	if dst.kind == nothing || src.kind == nothing {
		return bdd.False, errUnset
	}
	narrow := in.OpCode.Class() == asm.Jump32Class
	a, b := dst.word, src.word
	switch {
	case dst.kind == pointer && src.kind == pointer && dst.region == src.region && !narrow:
		// No object lies around the end of the address space.
		a[63], b[63] = a[63].Not(), b[63].Not()
	case dst.kind == pointer && !narrow && src.word == (bdd.Word{}) && src.kind == number && (op == asm.JEq || op == asm.JNE):
		return bdd.Bit(op == asm.JNE), nil // no object lies at NULL
	default:
		a, b = e.address(st, dst), e.address(st, src)
	}
	if narrow {
		a, b = a.Low(32), b.Low(32)
	}
	return e.comparison(st, op, a, b, narrow)
}

func (e *engine) comparison(st *state, op asm.JumpOp, a, b bdd.Word, narrow bool) (bdd.Ref, error) {
	signed := func(w bdd.Word) bdd.Word {
		if narrow {
			w = w.Extend(32)
		}
		w[63] = w[63].Not()
		return w
	}
	below := func(a, b bdd.Word) bdd.Ref { return e.test(st, "below", e.m.Below, a, b) }
	switch op {
	case asm.JEq:
		return e.test(st, "equal", e.m.Equal, a, b), nil
	case asm.JNE:
		return e.test(st, "equal", e.m.Equal, a, b).Not(), nil
	case asm.JGT:
		return below(b, a), nil
	case asm.JGE:
		return below(a, b).Not(), nil
	case asm.JLT:
		return below(a, b), nil
	case asm.JLE:
		return below(b, a).Not(), nil
	case asm.JSGT:
		return below(signed(b), signed(a)), nil
	case asm.JSGE:
		return below(signed(a), signed(b)).Not(), nil
	case asm.JSLT:
		return below(signed(a), signed(b)), nil
	case asm.JSLE:
		return below(signed(b), signed(a)).Not(), nil
	case asm.JSet:
		return e.test(st, "common", func(a, b *bdd.Word) bdd.Ref {
			any := bdd.False
			for i := range a {
				any = e.m.Or(any, e.m.And(a[i], b[i]))
			}
			return any
		}, a, b), nil
	}
	return bdd.False, fmt.Errorf("branch operation %#x is not supported", uint8(op))
}
