package equivalence

import (
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/hintjit/hintjit/layouts"
)

// setField writes a field of a descriptor, or of what lies beside it.
func setField(d *layouts.Descriptor, record []byte, f *layouts.Field, v uint64) {
	for _, r := range slices.Backward(f.Bits) {
		for bit := r.LSB; bit <= r.MSB; bit++ {
			at := bit / 8
			if d.Word.BigEndian {
				at = d.Word.Bits/8 - 1 - at
			}
			at += r.Word * d.Word.Bits / 8
			if r.Word >= layouts.FirstState {
				at = d.Size + 8*(r.Word-layouts.FirstState) + 7 - bit/8
			}
			if at < len(record) {
				record[at] = record[at]&^(1<<(bit%8)) | byte(v&1)<<(bit%8)
			}
			v >>= 1
		}
	}
}

// randomRecord is a descriptor with what lies beside it, each as wide as it is.
func randomRecord(rng *rand.Rand, d *layouts.Descriptor) []byte {
	record := make([]byte, d.RecordSize())
	for i := range record {
		record[i] = byte(rng.Uint32())
	}
	for k, s := range d.State {
		if at := record[d.Size+8*k:][:8]; s.At.Int.Bits > 0 {
			binary.BigEndian.PutUint64(at, binary.BigEndian.Uint64(at)>>(64-s.At.Int.Bits))
		}
	}
	return record
}

// meet changes a record so that a condition holds, or with miss, does not.
func meet(rng *rand.Rand, d *layouts.Descriptor, record []byte, c layouts.Condition, miss bool) {
	const patience = 1000 // a condition that always holds can not be missed
	for range patience {
		if slices.Contains(c.Values, c.Field.Value(d, record)) != c.Not != miss {
			return
		}
		v := rng.Uint64()
		if c.Not == miss {
			v = c.Values[rng.IntN(len(c.Values))]
		}
		setField(d, record, c.Field, v)
	}
}

// met makes a record for which an alternative holds, but for one condition, Ready's
// counted first; -1: all hold.
func met(rng *rand.Rand, d *layouts.Descriptor, record []byte, a *layouts.Alternative, but int) {
	if a.Map != nil {
		if _, known := a.Map.Values[a.From.Value(d, record)]; !known {
			keys := slices.Sorted(maps.Keys(a.Map.Values))
			setField(d, record, a.From, keys[rng.IntN(len(keys))])
		}
	}
	conditions := slices.Concat(d.Ready, a.When)
	for i, c := range conditions {
		if i != but {
			meet(rng, d, record, c, false)
		}
	}
	if but >= 0 && but < len(conditions) {
		meet(rng, d, record, conditions[but], true)
	}
}

// recordsOf makes records from what a layout says: each alternative of each hint
// met, and missed in each condition; each key of its map and none; the field's
// lowest and highest values. Those come first that show a hint there and not.
func recordsOf(rng *rand.Rand, d *layouts.Descriptor) [][]byte {
	var first, then [][]byte
	fresh := func(a *layouts.Alternative, but int) []byte {
		record := randomRecord(rng, d)
		met(rng, d, record, a, but)
		return record
	}
	for _, h := range d.Hints {
		for i := range h.Alternatives {
			a := &h.Alternatives[i]
			first = append(first, fresh(a, -1))
			for but := range len(d.Ready) + len(a.When) {
				first = append(first, fresh(a, but))
			}
			if a.From == nil {
				continue
			}
			values := []uint64{0, 1, ^uint64(0), 1 << (a.From.Width() - 1)}
			if a.Map != nil {
				values = append(values, slices.Sorted(maps.Keys(a.Map.Values))...)
				values = append(values, rng.Uint64(), rng.Uint64())
			}
			for _, v := range values {
				record := fresh(a, -1)
				setField(d, record, a.From, v)
				meetAll(rng, d, record, a)
				then = append(then, record)
			}
		}
	}
	all := func(c byte) []byte { return slices.Repeat([]byte{c}, d.RecordSize()) }
	first = append(first, make([]byte, d.RecordSize()), all(0xff))
	for range 8 {
		first = append(first, randomRecord(rng, d))
	}
	rng.Shuffle(len(then), func(i, k int) { then[i], then[k] = then[k], then[i] })
	return append(first, then...)
}

func meetAll(rng *rand.Rand, d *layouts.Descriptor, record []byte, a *layouts.Alternative) {
	for _, c := range slices.Concat(d.Ready, a.When) {
		meet(rng, d, record, c, false)
	}
}

// hintTo changes a record so that a hint has a value, on a machine of that order;
// false when no field's value makes it.
func (s *scene) hintTo(rng *rand.Rand, record []byte, h *layouts.Hint, v uint64) bool {
	d := s.descriptor
	before := slices.Clone(record)
	for i := range h.Alternatives {
		a := &h.Alternatives[i]
		copy(record, before)
		met(rng, d, record, a, -1)
		if a.From != nil {
			raw, ok := s.inverse(d, record, h, a, v)
			if !ok {
				continue
			}
			setField(d, record, a.From, raw)
		}
		if got, ok := d.Decode(record, s.order)[h.Name]; ok && got == v {
			return true
		}
	}
	copy(record, before)
	return false
}

// inverse is a field's value of which an alternative makes v.
func (s *scene) inverse(d *layouts.Descriptor, record []byte, h *layouts.Hint, a *layouts.Alternative, v uint64) (uint64, bool) {
	swap := func(v uint64, bytes int) uint64 { // what the member says of a number in network order
		b := numberBytes(s.order, v, bytes)
		return readNumber(b, binary.BigEndian)
	}
	if h.Decl.Network {
		v = swap(v, h.Decl.Bytes)
	}
	for _, c := range slices.Backward(a.Convert) {
		switch c.Op {
		case layouts.Add:
			v -= c.Arg
		case layouts.Sub:
			if c.With != nil {
				v += c.With.Value(d, record)
			}
			v += c.Arg
		case layouts.Mul:
			if c.Arg == 0 || v%c.Arg != 0 {
				return 0, false
			}
			v /= c.Arg
		case layouts.Shl:
			v >>= c.Arg
		case layouts.Shr:
			v <<= c.Arg
		case layouts.Net16:
			v = swap(v, 2)
		case layouts.Net32:
			v = swap(v, 4)
		case layouts.SecNs:
			const second = 1_000_000_000
			v = v/second<<32 | v%second
		case layouts.Extend32:
			setField(d, record, c.With, v)
			v &= 1<<32 - 1
		}
	}
	if a.Map == nil {
		return v, true
	}
	for _, key := range slices.Sorted(maps.Keys(a.Map.Values)) {
		if a.Map.Values[key] == v {
			return key, true
		}
	}
	return 0, false
}
