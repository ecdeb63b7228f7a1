package driver

import (
	"slices"

	"github.com/hintjit/hintjit/layouts"
)

// step makes a step of the walk come to what it should; a check that is broken
// does not hold.
func (b *memory) step(s *layouts.Step, broken bool) {
	switch s.Op {
	case layouts.Copy:
		b.copyStep(s)
	case layouts.ContainerOf:
		if b.at[s.Name] == 0 {
			b.at[s.Name] = b.at[s.A.Value] - b.offset(s.B.Member)
		}
	case layouts.AddScaled:
		n := b.number(s.B) * b.number(s.Factor)
		if _, stands := b.stands(s.A); stands || !s.A.Loads() || !s.A.Int.Pointer {
			b.at[s.Name] = b.number(s.A) + n
			return
		}
		b.at[s.Name] = b.room()
		b.put(s.A, b.at[s.Name]-n)
	case layouts.Sub64:
		if _, stands := b.stands(s.A); !stands && s.A.Loads() && b.masks(s.Name) { // a ring's entries
			b.put(s.A, 2<<b.rng.IntN(6))
		}
		from := b.number(s.A)
		v, ok := b.wanted(s.Name)
		if ok && s.B.Kind == layouts.MemberValue {
			b.put(s.B, from-v)
		} else {
			v = from - b.number(s.B)
		}
		b.at[s.Name] = v
	case layouts.And64:
		b.at[s.Name] = b.bits(s.A, b.number(s.B), 0, s.Name)
	case layouts.ShiftRight:
		n := b.number(s.B)
		b.at[s.Name] = b.bits(s.A, ones(64)<<n, int(n), s.Name)
	case layouts.Previous:
		count := 2 + b.rng.Uint64N(63)
		i := b.rng.Uint64N(count)
		if b.rng.IntN(3) == 0 {
			i = 0
		}
		b.put(s.A, i)
		b.put(s.B, count)
		b.at[s.Name] = (i + count - 1) % count
	case layouts.Same:
		if same, ok := b.wanted(s.Name); ok && s.A.Kind == layouts.MemberValue {
			b.put(s.A, b.number(s.B)+1-same)
		}
	case layouts.Require, layouts.Differ:
		a, other := s.A, s.B
		if _, stands := b.stands(a); stands || !a.Loads() {
			a, other = other, a
		}
		if _, stands := b.stands(a); stands || !a.Loads() {
			return
		}
		v := b.number(other)
		if broken != (s.Op == layouts.Differ) {
			v ^= 1 << b.rng.IntN(min(7, a.Int.Bits)) // differs in a bit that a has
		}
		b.put(a, v)
	}
}

// masks tells whether a value is what an index in a ring is masked with: one less
// than a power of two.
func (b *memory) masks(name string) bool {
	return slices.ContainsFunc(b.Kernel.Walk.Steps, func(s layouts.Step) bool {
		return s.Op == layouts.And64 && s.B.Kind == layouts.Named && s.B.Value == name
	})
}

// bits is what mask leaves of an operand, moved down by shift; where the record
// says what that is, the operand has it.
func (b *memory) bits(o layouts.Operand, mask uint64, shift int, name string) uint64 {
	v, wanted := b.wanted(name)
	if _, stands := b.stands(o); wanted && !stands && o.Loads() {
		b.put(o, v<<shift&mask|b.rng.Uint64()&^mask)
	}
	return b.number(o) & mask >> shift
}

func (b *memory) copyStep(s *layouts.Step) {
	switch {
	case !s.A.Loads():
		b.at[s.Name] = b.number(s.A)
		return
	case !s.A.Int.Pointer:
		v, ok := b.wanted(s.Name)
		if b.at[s.Name] = v; !ok {
			b.at[s.Name] = b.number(s.A)
		}
		b.put(s.A, b.at[s.Name])
		return
	}
	if v, ok := b.wanted(s.Name); ok && v == 0 {
		b.at[s.Name] = 0
	} else if b.at[s.Name] == 0 {
		b.at[s.Name] = b.room()
	}
	b.put(s.A, b.at[s.Name])
}

// number is what an operand is: chosen, when it is a member nobody asked for
// yet, and put there.
func (b *memory) number(o layouts.Operand) uint64 {
	switch o.Kind {
	case layouts.Number:
		return o.N
	case layouts.Named:
		return b.at[o.Value]
	case layouts.MemberAddress:
		return b.at[o.Value] + b.offset(o.Member)
	case layouts.Enumerator:
		return b.Kernel.Enums[o.Member.String()]
	case layouts.SizeOf:
		return (uint64(b.Kernel.Sizes[o.Member.Type]) + o.N - 1) &^ (o.N - 1)
	}
	switch o.String() {
	case "rxq.dev":
		return b.at[layouts.Dev]
	case "xdp.rxq":
		return b.at[layouts.RXQ]
	case "xdp.data":
		if b.data == 0 {
			b.data = b.room()
			b.put(xdpData, b.data)
		}
		return b.data
	}
	if v, ok := b.stands(o); ok {
		return v
	}
	v, ok := b.wanted(o.String())
	if !ok {
		v = b.rng.Uint64N(100)
	}
	b.put(o, v)
	v, _ = b.stands(o) // as much of it as the member has room for
	return v
}
