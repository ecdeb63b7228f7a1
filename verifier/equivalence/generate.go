package equivalence

import (
	"math/rand/v2"
	"slices"

	"github.com/hintjit/hintjit/verifier"
)

// seeds makes the inputs that a search starts from.
func (s *scene) seeds(rng *rand.Rand, subject *verifier.Subject) []*Input {
	var out []*Input
	records := recordsOf(rng, s.descriptor)
	for _, record := range records {
		in := s.fresh(rng, subject)
		s.place(in, record)
		out = append(out, in)
		if s.way == nil && rng.IntN(4) == 0 {
			out = append(out, s.oddMeta(rng, in))
		}
	}
	if s.way == nil {
		return out
	}
	var broken []*Input
	for i, step := range s.way.Walk.Steps {
		if step.Name != "" {
			continue
		}
		for range 2 {
			in := out[rng.IntN(len(out))].clone()
			in.Breaks = i
			broken = append(broken, in)
		}
	}
	for range 2 {
		generic, foreign := out[rng.IntN(len(out))].clone(), out[rng.IntN(len(out))].clone()
		generic.Generic, foreign.Foreign = s.knowsGeneric(), s.Strict
		broken = append(broken, generic, foreign)
	}
	return append(broken, out...)
}

// knowsGeneric tells whether guards see that a packet came in generic mode in a way
// of its own; else one of the walk's checks does.
func (s *scene) knowsGeneric() bool { return !s.way.Proves() }

// fresh is an input that chance made, but for the descriptor.
func (s *scene) fresh(rng *rand.Rand, subject *verifier.Subject) *Input {
	in := &Input{Breaks: -1, Packet: someFrame(rng), Seed: rng.Uint64(), Ifindex: 1 + rng.Uint32N(8), Queue: rng.Uint32N(8)}
	if rng.IntN(2) == 0 {
		in.Entries = randomEntries(rng, subject)
	}
	return in
}

// place puts a record where the program finds it.
func (s *scene) place(in *Input, record []byte) {
	if s.way != nil {
		s.way.Settle(record, s.order)
		in.Record = record
		return
	}
	in.Meta = record[:s.descriptor.Size]
	if n := len(in.Meta) % 4; n > 0 { // metadata has whole words
		in.Meta = append(in.Meta, make([]byte, 4-n)...)
	}
}

// oddMeta is an input whose metadata is too short for a descriptor, longer, or not
// there; or where the descriptor does not start it.
func (s *scene) oddMeta(rng *rand.Rand, from *Input) *Input {
	in := from.clone()
	words := len(in.Meta) / 4
	more := func() []byte {
		b := make([]byte, min(4*(1+rng.IntN(12)), verifier.MaxMeta-len(in.Meta)))
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return b
	}
	switch rng.IntN(4) {
	case 0: // and who reads on regardless finds the rest in the packet,
		cut := 4 * rng.IntN(max(words, 1))
		in.Packet = slices.Concat(in.Meta[cut:], in.Packet)
		in.Meta = in.Meta[:cut]
	case 1:
		return cutShort(from, 1+rng.IntN(3))
	case 2:
		in.Meta = append(in.Meta, more()...)
	case 3:
		in.Meta = append(more(), in.Meta...)
	}
	return in
}

// cutShort is an input whose metadata lacks words of the descriptor at its end. They
// start the packet: who reads on regardless finds them, and where they are no longer
// than two addresses the packet stays what it was.
func cutShort(from *Input, words int) *Input {
	in := from.clone()
	cut := max(0, len(in.Meta)-4*words)
	copy(in.Packet, in.Meta[cut:])
	in.Meta = in.Meta[:cut]
	return in
}

// randomEntries fills some maps: with few keys that a program may come to, and
// values of chance, of zeros or of small numbers.
func randomEntries(rng *rand.Rand, subject *verifier.Subject) []Entry {
	in := &Input{}
	for _, name := range sortedMaps(subject) {
		spec := subject.Maps[name]
		if !fits(subject, Entry{name, make([]byte, spec.KeySize), make([]byte, spec.ValueSize)}) || rng.IntN(3) == 0 {
			continue
		}
		for range 1 + rng.IntN(4) {
			key := numberBytes(subject.Unit.Order, rng.Uint64N(min(uint64(spec.MaxEntries), 4)+1), int(spec.KeySize))
			if e := (Entry{name, key, someValue(rng, subject, int(spec.ValueSize))}); fits(subject, e) {
				in.set(e)
			}
		}
	}
	return in.Entries
}

// someValue is what a map's value may be.
func someValue(rng *rand.Rand, subject *verifier.Subject, size int) []byte {
	v := make([]byte, size)
	switch rng.IntN(3) {
	case 0:
		for i := range v {
			v[i] = byte(rng.Uint32())
		}
	case 1: // small numbers
		for at := 0; at+4 <= size; at += 4 {
			putNumber(v[at:at+4], subject.Unit.Order, rng.Uint64N(4))
		}
	}
	return v
}
