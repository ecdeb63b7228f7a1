package equivalence

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"

	"github.com/hintjit/hintjit/verifier"
)

// comparison is what a branch compared, of which one side only was seen.
type comparison struct {
	at   place
	a, b uint64
}

// lookedUp is a value of a map that a program came to; value is nil when there was
// none.
type lookedUp struct {
	mp         string
	key, value []byte
}

// places bounds in how many places of one part of the input a number is looked for.
const places = 6

// steer makes inputs for which a comparison may come out the other way: where a
// number that was compared stands in the input, what it was compared with is put
// there, or one more or less.
func (s *search) steer(in *Input, c comparison, seen []lookedUp) []*Input {
	var likely, others []*Input
	for _, delta := range []uint64{0, 1, ^uint64(0)} {
		for _, pair := range [][2]uint64{{c.a, c.b}, {c.b, c.a}} {
			from, to := pair[0], pair[1]+delta
			if from == to {
				continue
			}
			likely = append(likely, s.inHints(in, from, to)...)
			likely = append(likely, inContext(in, from, to)...)
			likely = append(likely, s.inMaps(in, from, to, seen)...)
			others = append(others, s.inPacket(in, from, to)...)
		}
		if delta == 0 {
			likely = append(likely, s.resized(in, c)...)
		}
	}
	s.rng.Shuffle(len(others), func(i, k int) { others[i], others[k] = others[k], others[i] })
	const each = 40
	return append(likely[:min(each, len(likely))], others[:min(each, len(others))]...)
}

// swaps calls try with a number, and as the program has it after swapping its bytes.
func swaps(from, to uint64, try func(from, to uint64)) {
	try(from, to)
	if from>>16 == 0 && to>>16 == 0 {
		try(uint64(bits.ReverseBytes16(uint16(from))), uint64(bits.ReverseBytes16(uint16(to))))
	} else if from>>32 == 0 && to>>32 == 0 {
		try(uint64(bits.ReverseBytes32(uint32(from))), uint64(bits.ReverseBytes32(uint32(to))))
	}
}

// inBytes calls put with copies of data in which one occurrence of a number is
// replaced: in 8, 4, 2 or 1 bytes, in either order, alone or as the part of its
// bytes that a mask leaves. Of a number that stands in many places, as 0 does, those
// behind a place of chance's choice are taken: the next time others.
func inBytes(rng *rand.Rand, data []byte, from, to uint64, put func([]byte)) {
	if len(data) == 0 {
		return
	}
	start := rng.IntN(len(data))
	for _, size := range []int{8, 4, 2, 1} {
		if limit := uint64(1) << (8*size - 1) << 1; size < 8 && (from >= limit || to >= limit) {
			continue
		}
		for _, order := range []binary.ByteOrder{binary.BigEndian, binary.LittleEndian} {
			if size == 1 && order == binary.LittleEndian {
				continue
			}
			found := 0
			for i := range data {
				at := (start + i) % len(data)
				if found == places {
					break
				}
				if at+size > len(data) {
					continue
				}
				old := readNumber(data[at:at+size], order)
				v, ok := replaced(old, from, to)
				if !ok || from == 0 && old != 0 && found > 0 {
					continue
				}
				found++
				b := append([]byte(nil), data...)
				putNumber(b[at:at+size], order, v)
				put(b)
			}
		}
	}
}

// replaced is a number with from in it turned into to: as a whole, in the bits that
// either has, or shifted down. ok tells whether from may have been read of it.
func replaced(old, from, to uint64) (v uint64, ok bool) {
	if old == from {
		return to, true
	}
	mask := from | to
	if from != 0 && old&mask == from {
		return old&^mask | to, true
	}
	low := uint64(1)<<bits.Len64(mask) - 1
	for shift := 1; from != 0 && shift < 64 && bits.Len64(mask)+shift <= 64; shift++ {
		if old>>shift&low == from {
			return old&^(low<<shift) | to<<shift, true
		}
	}
	return 0, false
}

func (s *search) inPacket(in *Input, from, to uint64) (out []*Input) {
	inBytes(s.rng, in.Packet, from, to, func(b []byte) {
		next := in.clone()
		next.Packet = b
		out = append(out, next)
	})
	inBytes(s.rng, in.Meta, from, to, func(b []byte) {
		next := in.clone()
		next.Meta = b
		out = append(out, next)
	})
	return out
}

// inHints looks for the number among the hints' values.
func (s *search) inHints(in *Input, from, to uint64) (out []*Input) {
	if s.record(in) == nil {
		return nil
	}
	hints := s.hints(in)
	for _, h := range s.descriptor.Hints {
		if !s.declared[h.Name] {
			continue
		}
		swaps(from, to, func(from, to uint64) {
			v, ok := replaced(hints[h.Name], from, to)
			if !ok {
				return
			}
			next := in.clone()
			if record := s.record(next); s.hintTo(s.rng, record, h, v) {
				s.settle(next)
				out = append(out, next)
			}
		})
	}
	return out
}

// settle makes a record say what can be.
func (s *scene) settle(in *Input) {
	if s.way != nil {
		s.way.Settle(in.Record, s.order)
	}
}

// inMaps looks for the number in the values that the program looked up.
func (s *search) inMaps(in *Input, from, to uint64, seen []lookedUp) (out []*Input) {
	for _, l := range seen {
		value := l.value
		if value == nil {
			spec := s.before.subject.Maps[l.mp]
			if spec == nil || !full(spec.Type) {
				continue
			}
			value = make([]byte, spec.ValueSize) // an array has all of its values
		}
		inBytes(s.rng, value, from, to, func(b []byte) {
			if e := (Entry{l.mp, l.key, b}); fits(s.before.subject, e) {
				next := in.clone()
				next.set(e)
				out = append(out, next)
			}
		})
	}
	return out
}

// inContext looks for the number in struct xdp_md.
func inContext(in *Input, from, to uint64) (out []*Input) {
	for _, member := range []func(*Input) *uint32{
		func(in *Input) *uint32 { return &in.Ifindex },
		func(in *Input) *uint32 { return &in.Queue },
		func(in *Input) *uint32 { return &in.Egress },
	} {
		if uint64(*member(in)) == from && to>>32 == 0 {
			next := in.clone()
			*member(next) = uint32(to)
			out = append(out, next)
		}
	}
	return out
}

// resized answers comparisons of pointers into the packet, which are about how long
// it is, or how long the metadata.
func (s *search) resized(in *Input, c comparison) (out []*Input) {
	delta := int64(c.a - c.b)
	if c.a>>52 == 0 || c.a>>52 != c.b>>52 || delta > longest || delta < -longest {
		return nil
	}
	for _, by := range []int64{delta, -delta, delta + 1, delta - 1, 1 - delta, -1 - delta} {
		next := in.clone()
		if n := int64(len(in.Packet)) + by; n >= shortest && n <= longest {
			next.Packet = resize(s.rng, next.Packet, int(n))
			out = append(out, next)
		}
		next = in.clone()
		if n := (int64(len(in.Meta)) + by + 3) &^ 3; n >= 0 && n <= verifier.MaxMeta {
			next.Meta = resize(s.rng, next.Meta, int(n))
			out = append(out, next)
		}
	}
	return out
}

func resize(rng *rand.Rand, b []byte, n int) []byte {
	for len(b) < n {
		b = append(b, byte(rng.Uint32()))
	}
	return b[:n]
}

// noted keeps what a program looked up; few are enough.
func noted(seen *[]lookedUp) func(m *verifier.Map, key, value []byte) {
	return func(m *verifier.Map, key, value []byte) {
		const most = 16
		if len(*seen) < most {
			*seen = append(*seen, lookedUp{m.Name, key, value})
		}
	}
}
