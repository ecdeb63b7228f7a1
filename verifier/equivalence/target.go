package equivalence

import (
	"slices"

	"encoding/binary"

	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/verifier/driver"
)

// Target is what a program was rewritten for.
type Target struct {
	// Descriptor holds what there is to know of a packet.
	Descriptor *layouts.Descriptor
	// Gives are the hints that the rewritten program says it can have. Of the others
	// the original is told that there are none.
	Gives []string
	// Ways are the kernels to walk on; none: the descriptor lies in the metadata.
	Ways []*driver.Kernel
	// Unguarded says that the program does not look whether the packet is its
	// driver's, Strict that it compares the packet's length.
	Unguarded, Strict bool
}

// scene is a target on one kernel.
type scene struct {
	*Target
	way        *driver.Kernel // nil: metadata
	descriptor *layouts.Descriptor
	order      binary.ByteOrder
}

// scenes are what a program has to be equivalent in.
func (t *Target) scenes(order binary.ByteOrder) []*scene {
	if len(t.Ways) == 0 {
		return []*scene{{t, nil, given(t.Descriptor.Bare(), t.Gives), order}}
	}
	var out []*scene
	for _, k := range t.Ways {
		known := *k
		known.Descriptor = given(k.Descriptor, t.Gives)
		out = append(out, &scene{t, &known, known.Descriptor, order})
	}
	return out
}

// given leaves the hints that a program can have.
func given(d *layouts.Descriptor, gives []string) *layouts.Descriptor {
	out := *d
	out.Hints = nil
	for _, name := range gives {
		if h := d.Hint(name); h != nil {
			out.Hints = append(out.Hints, h)
		}
	}
	return &out
}

// refused tells whether the scene is a kernel on which the program must not load.
func (s *scene) refused() bool { return s.way != nil && s.way.Walk.Refuse != "" }

// name is the walk's.
func (s *scene) name() string {
	if s.way == nil {
		return ""
	}
	return s.way.Walk.Name
}

// hints is the truth about an input.
func (s *scene) hints(in *Input) map[string]uint64 {
	if s.refused() {
		return map[string]uint64{}
	}
	if s.way != nil {
		return s.packet(in).Hints(s.order)
	}
	d := s.descriptor
	return d.Decode(in.Meta[:min(len(in.Meta), d.Size)], s.order)
}

// packet is how the driver hands an input over.
func (s *scene) packet(in *Input) *driver.Packet {
	p := s.way.Intact(in.Record, in.Seed)
	p.Breaks, p.Generic = in.Breaks, in.Generic
	if length, ok := s.descriptor.Decode(in.Record, s.order)["pkt_len"]; s.Strict && ok && tellsLength(s.descriptor) {
		p.Length, p.Sized = length, true
		if p.Foreign = in.Foreign; in.Foreign {
			p.Length ^= 1
		}
	}
	return p
}

// tellsLength tells whether a strict guard can know a packet by the descriptor's
// length (docs/reach.md): it is told in one way, which asks nothing beside the
// descriptor.
func tellsLength(d *layouts.Descriptor) bool {
	h := d.Hint("pkt_len")
	return h != nil && len(h.Alternatives) == 1 && !slices.ContainsFunc(h.Alternatives[0].When, func(c layouts.Condition) bool {
		return d.StateOf(c.Field.Bits[0].Word) != nil
	})
}

// canHave tells whether an input is one that the program was made for: without
// guards it is told nothing of packets that are not its driver's.
func (s *scene) canHave(in *Input) bool {
	return s.way == nil || s.refused() || !s.Unguarded || !s.packet(in).Unguarded()
}

// record is where the descriptor lies in an input, nil where it has none.
func (s *scene) record(in *Input) []byte {
	if s.way != nil {
		return in.Record
	}
	if len(in.Meta) < s.descriptor.Size {
		return nil
	}
	return in.Meta[:s.descriptor.Size]
}
