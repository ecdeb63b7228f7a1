package equivalence

import (
	"slices"

	"github.com/hintjit/hintjit/layouts"
)

// shrinkRuns bounds how often a counterexample is tried to be made smaller.
const shrinkRuns = 1500

// shrink makes an input smaller as long as the two programs differ on it.
func (s *search) shrink(d *Difference, in *Input) (*Difference, *Input) {
	left := shrinkRuns
	try := func(edit func(*Input)) bool {
		if left == 0 {
			return false
		}
		left--
		next := in.clone()
		edit(next)
		s.settle(next)
		if next.equal(in) || !s.canHave(next) {
			return false
		}
		if found := s.differs(next); found != nil {
			d, in = found, next
			return true
		}
		return false
	}
	for again := true; again && left > 0; {
		again = false
		for _, edit := range s.simpler(in) {
			again = try(edit) || again
		}
	}
	return d, in
}

// differs runs both programs without anybody looking on.
func (s *search) differs(in *Input) *Difference {
	before := s.before.run(s.program, in, watch{})
	if before.err != nil {
		return nil
	}
	return s.verdict(before, s.after.run(s.program, in, watch{}))
}

// simpler lists edits of an input, coarse ones first.
func (s *search) simpler(in *Input) (out []func(*Input)) {
	add := func(edit func(*Input)) { out = append(out, edit) }
	add(func(in *Input) { in.Entries = nil })
	for i := range in.Entries {
		add(func(in *Input) {
			if i < len(in.Entries) {
				in.Entries = slices.Delete(in.Entries, i, i+1)
			}
		})
	}
	add(func(in *Input) { in.Breaks = -1 })
	add(func(in *Input) { in.Generic = false })
	add(func(in *Input) { in.Foreign = false })
	add(func(in *Input) { in.Ifindex, in.Queue, in.Egress = 0, 0, 0 })
	if s.way != nil {
		add(func(in *Input) { in.Meta = nil })
		add(func(in *Input) { clear(in.Record) })
	} else {
		add(func(in *Input) { in.Meta = in.Meta[:min(len(in.Meta), (s.descriptor.Size+3)&^3)] })
		add(func(in *Input) { clear(in.Meta) })
	}
	for _, f := range s.descriptor.Fields {
		add(func(in *Input) { s.zeroField(in, f) })
	}
	for n := len(in.Packet) / 2; n > 0; n /= 2 {
		add(func(in *Input) { in.Packet = in.Packet[:max(shortest, len(in.Packet)-n)] })
	}
	for _, bytes := range []func(*Input) []byte{
		func(in *Input) []byte { return in.Record },
		func(in *Input) []byte { return in.Meta },
		func(in *Input) []byte { return in.Packet },
	} {
		for n := len(bytes(in)); n > 0; n /= 2 {
			for at := 0; at < len(bytes(in)); at += n {
				add(func(in *Input) { b := bytes(in); clear(b[min(at, len(b)):min(at+n, len(b))]) })
			}
			if n == 1 {
				break
			}
		}
	}
	return out
}

func (s *search) zeroField(in *Input, f *layouts.Field) {
	if record := s.record(in); record != nil {
		setField(s.descriptor, record, f, 0)
	}
}

// equal tells whether two inputs are the same but for chance.
func (in *Input) equal(o *Input) bool {
	return slices.Equal(in.Record, o.Record) && slices.Equal(in.Meta, o.Meta) && slices.Equal(in.Packet, o.Packet) &&
		in.Breaks == o.Breaks && in.Generic == o.Generic && in.Foreign == o.Foreign &&
		in.Ifindex == o.Ifindex && in.Queue == o.Queue && in.Egress == o.Egress && len(in.Entries) == len(o.Entries)
}
