package bdd

import "math/bits"

// Word is a number of 64 bits, the least significant first. Words of one Manager
// can be compared with ==. The zero Word is the number 0.
type Word [64]Ref

// Number is a constant.
func Number(n uint64) (w Word) {
	for i := range w {
		w[i] = Ref(n >> i & 1)
	}
	return w
}

// Constant is the number that w always is; ok is unset when it depends on
// anything.
func (w Word) Constant() (n uint64, ok bool) {
	for i, b := range w {
		switch b {
		case True:
			n |= 1 << i
		case False:
		default:
			return 0, false
		}
	}
	return n, true
}

// Low keeps the low n bits and clears the others.
func (w Word) Low(n int) Word {
	for i := n; i < len(w); i++ {
		w[i] = False
	}
	return w
}

// Extend copies the highest of the low n bits into all above it.
func (w Word) Extend(n int) Word {
	for i := n; i < len(w); i++ {
		w[i] = w[n-1]
	}
	return w
}

// Shl shifts left by n bits, which can be any number.
func (w Word) Shl(n int) (out Word) {
	for i := n; i < len(w); i++ {
		out[i] = w[i-n]
	}
	return out
}

// Shr shifts right by n bits, which can be any number; what comes in is fill.
func (w Word) Shr(n int, fill Ref) (out Word) {
	for i := range out {
		out[i] = fill
		if n < len(w)-i {
			out[i] = w[i+n]
		}
	}
	return out
}

// Swap reverses the order of the low n bytes and clears the others.
func (w Word) Swap(n int) Word {
	var out Word
	for i := range 8 * n {
		out[8*(n-1-i/8)+i%8] = w[i]
	}
	return out
}

// Not complements each bit.
func (w Word) Not() Word {
	for i := range w {
		w[i] = w[i].Not()
	}
	return w
}

// Each applies a function to the bits of two words, place by place.
func Each(a, b *Word, op func(f, g Ref) Ref) (out Word) {
	for i := range out {
		out[i] = op(a[i], b[i])
	}
	return out
}

// IfWord is a where f holds and b where it does not.
func (m *Manager) IfWord(f Ref, a, b *Word) Word {
	return Each(a, b, func(x, y Ref) Ref { return m.If(f, x, y) })
}

// Add is a + b + carry.
func (m *Manager) Add(a, b *Word, carry Ref) (out Word) {
	for i := range out {
		both := m.Xor(a[i], b[i])
		out[i] = m.Xor(both, carry)
		carry = m.If(both, carry, a[i])
	}
	return out
}

// Sub is a - b.
func (m *Manager) Sub(a, b *Word) Word {
	n := b.Not()
	return m.Add(a, &n, True)
}

// Times is a * n.
func (m *Manager) Times(a *Word, n uint64) Word {
	var out Word
	for ; n != 0; n &= n - 1 {
		part := a.Shl(bits.TrailingZeros64(n))
		out = m.Add(&out, &part, False)
	}
	return out
}

// Shift shifts by as many bits as the low 6 bits of by say, with one of the
// functions that shift by a constant.
func (m *Manager) Shift(a, by *Word, shift func(w Word, n int) Word) Word {
	out := *a
	for i := range 6 {
		moved := shift(out, 1<<i)
		out = m.IfWord(by[i], &moved, &out)
	}
	return out
}

// Equal holds where a and b are the same number.
func (m *Manager) Equal(a, b *Word) Ref {
	same := True
	for i := range a {
		if same = m.And(same, m.Xor(a[i], b[i]).Not()); same == False {
			break
		}
	}
	return same
}

// Below holds where a is less than b, both without sign.
func (m *Manager) Below(a, b *Word) Ref {
	less := False
	for i := range a {
		less = m.If(m.Xor(a[i], b[i]), b[i], less)
	}
	return less
}

// Value is the number where the variables are what set says.
func (m *Manager) Value(w *Word, set func(Var) bool) (n uint64) {
	for i, b := range w {
		if m.Eval(b, set) {
			n |= 1 << i
		}
	}
	return n
}
