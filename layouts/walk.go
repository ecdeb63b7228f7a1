package layouts

import (
	"slices"
	"strings"
)

// Walk is one way from an XDP program's context to a descriptor, through the
// driver's own structures, on the kernels whose BTF has what it names. Versions
// are never asked: backports move members.
type Walk struct {
	Name string // "next_to_process"
	Doc  string
	// Descriptor is the name of the form it leads to, "" the layout's first.
	Descriptor string
	Source     string // kernel file and function, versions read
	// Has and Lacks choose the walk: it is for kernels whose BTF has all of the
	// one and none of the other.
	Has, Lacks []Question
	// Refuse is why there is no sound way on these kernels; there are no Steps
	// then.
	Refuse string
	Steps  []Step
	Pos    Pos
}

// Step is one operation of a walk, in single assignment: a value with a name, or
// a check that leaves the packet without hints when it fails.
type Step struct {
	Op   StepOp
	Name string // of the value; "" for a check
	// Type is the struct that the value points to: "i40e_ring"; "" when it is a
	// number, or an address nothing is known of.
	Type   string
	A, B   Operand
	Factor Operand // AddScaled
	// Strict says of a check who may leave it out.
	Strict Strictness
	Pos    Pos
}

// StepOp names a step's operation.
type StepOp uint8

const (
	Copy        StepOp = iota // NAME = A, also as TYPE(A)
	ContainerOf               // A minus the offset of the member that is B
	AddScaled                 // A + B * Factor
	Sub64                     // A - B
	And64                     // the bits that A and B both have
	ShiftRight                // A / 2^B, B being known before the program runs: below 64
	Previous                  // A - 1, or B - 1 when A is 0: the slot before A in a ring of B
	Same                      // 1 when A equals B, 0 when not
	Require                   // A must equal B
	Differ                    // A must not equal B
)

// Strictness tells who may leave a check out.
type Strictness uint8

const (
	// Always: the walk is wrong without it, or right only in this ring mode.
	Always Strictness = iota
	// Guard: it tells the driver's own packets from others that run the same
	// program; --guard off leaves it out.
	Guard
	// Own is a Guard that proves the receive queue to be the driver's: in generic
	// mode and under BPF_PROG_RUN it fails, without a further question.
	Own
)

// Operands lists what the step takes.
func (s *Step) Operands() []Operand {
	switch s.Op {
	case Copy:
		return []Operand{s.A}
	case AddScaled:
		return []Operand{s.A, s.B, s.Factor}
	}
	return []Operand{s.A, s.B}
}

// Operand is what a step or a field takes.
type Operand struct {
	Kind   OperandKind
	Value  string // the value it starts from: of a step, or xdp, rxq, dev
	Member Member // of the struct that Value points to; for SizeOf, the type; for Enumerator, the enum and its name for the number
	Int    Integer
	N      uint64 // Number; for SizeOf, the multiple it is rounded up to; for AtOffset, bytes
}

// Loads tells whether the operand is an integer in memory.
func (o Operand) Loads() bool { return o.Kind == MemberValue || o.Kind == AtOffset }

// OperandKind says what an Operand is.
type OperandKind uint8

const (
	Number        OperandKind = iota // N
	Named                            // Value itself
	MemberValue                      // Value.Member, an integer of form Int
	MemberAddress                    // &Value.Member
	SizeOf                           // the size of Member.Type, rounded up to a multiple of N
	MemberOffset                     // the offset of Member in Member.Type
	AtOffset                         // Value[N], an integer of form Int so many bytes behind an address
	Enumerator                       // the number of Member in the kernel's BTF
)

// Member is a struct of the kernel's, or with a path a member of one.
type Member struct {
	Type string   // "i40e_ring"
	Path []string // "comp_ring", "base": members of members; nil: the struct itself
}

// String is the member as a layout file writes it: "i40e_ring.desc".
func (m Member) String() string {
	return strings.Join(append([]string{m.Type}, m.Path...), ".")
}

// Question asks the kernel's BTF for a struct, or for a member of it. A loader
// that answers it compares the member's form as well.
type Question struct {
	Member
	Form Integer
}

// Integer is the form of a member in the driver's memory.
type Integer struct {
	Bits     int  // 8, 16, 32, 64; for a bit-field, its width; 0: no integer, a struct
	Pointer  bool // 64 bits that are an address
	BitField bool // a C bit-field: BTF tells where its bits are
	Enum     bool // an enum, of 32 bits: loaders tell it from an integer
	Array    bool // of an address: that of an array of such
	Order    ByteOrder
}

// pointer is the form of a member that says none.
var pointer = Integer{Bits: 64, Pointer: true}

// ByteOrder is the order of an integer's bytes in memory.
type ByteOrder uint8

const (
	HostOrder ByteOrder = iota
	LittleEndian
	BigEndian
)

// State is an integer that lies beside the descriptor, where a walk comes by. To
// fields the i-th of them is word FirstState + i of the descriptor.
type State struct {
	At Operand // Named, AtOffset, or MemberValue of whatever struct the walk has there
	// Maybe says that not every kernel has it: it is 0 there, and a hint that needs
	// it has to ask.
	Maybe bool
	Pos   Pos
}

// FirstState is above every index of a word that the notation can say.
const FirstState = 1000

// The values every walk starts from.
const (
	XDP = "xdp" // struct xdp_buff
	RXQ = "rxq" // its struct xdp_rxq_info
	Dev = "dev" // that one's struct net_device
	// Desc is the value that is the descriptor's address.
	Desc = "desc"
)

// starts are the types of the values every walk starts from.
var starts = map[string]string{XDP: "xdp_buff", RXQ: "xdp_rxq_info", Dev: "net_device"}

// WalksTo lists the ways to a descriptor of this layout, in their order.
func (l *Layout) WalksTo(d *Descriptor) (out []*Walk) {
	for _, w := range l.Walks {
		if l.LeadsTo(w) == d {
			out = append(out, w)
		}
	}
	return out
}

// Walked lists the descriptors that walks of this layout lead to, in the layout's
// order.
func (l *Layout) Walked() (out []*Descriptor) {
	for _, d := range l.Descriptors {
		if len(l.WalksTo(d)) > 0 {
			out = append(out, d)
		}
	}
	return out
}

// LeadsTo is the descriptor that a walk of this layout leads to.
func (l *Layout) LeadsTo(w *Walk) *Descriptor {
	for _, d := range l.Descriptors {
		if w.Descriptor == "" || d.Name == w.Descriptor {
			return d
		}
	}
	return nil
}

// StateOf returns where word i lies, nil when it is one of the descriptor's own.
func (d *Descriptor) StateOf(i int) *State {
	if i -= FirstState; i < 0 || i >= len(d.State) {
		return nil
	}
	return &d.State[i]
}

// Where says where a field's bits are, as a layout file does: "w1[37:30]", or
// "ring.flags:u8[4]" beside the descriptor.
func (d *Descriptor) Where(f *Field) string {
	var parts []string
	for _, r := range f.Bits {
		s := d.StateOf(r.Word)
		switch {
		case s == nil:
			parts = append(parts, r.String())
		case r.width() == s.At.Int.Bits:
			parts = append(parts, s.At.String())
		default:
			_, inside, _ := strings.Cut(r.String(), "[")
			parts = append(parts, s.At.String()+"["+inside)
		}
	}
	return strings.Join(parts, " ")
}

// RecordSize is how many bytes Decode takes: the descriptor, and 8 bytes, most
// significant first, for each of its State.
func (d *Descriptor) RecordSize() int { return d.Size + 8*len(d.State) }

// Bare returns the descriptor as it is where there is nothing beside it: without
// State, and without the alternatives that need any of it.
func (d *Descriptor) Bare() *Descriptor {
	return d.restrict(func(*State) bool { return false }, func(*Alternative) bool { return false })
}

// Restrict returns the descriptor as it is on a kernel, without the alternatives of
// hints that need a state which is not there: it is 0 there, and an alternative that
// asks for another value never holds.
func (d *Descriptor) Restrict(there func(*State) bool) *Descriptor {
	return d.restrict(there, func(a *Alternative) bool {
		return slices.ContainsFunc(a.When, func(c Condition) bool {
			s := d.StateOf(c.Field.Bits[0].Word)
			return s != nil && !there(s) && len(c.Field.Bits) == 1 && !c.Holds(0)
		})
	})
}

func (d *Descriptor) restrict(there func(*State) bool, idle func(*Alternative) bool) *Descriptor {
	out := *d
	can := func(f *Field) bool {
		for _, r := range f.Bits {
			if s := d.StateOf(r.Word); s != nil && !there(s) {
				return false
			}
		}
		return true
	}
	out.Fields = slices.DeleteFunc(slices.Clone(d.Fields), func(f *Field) bool { return !can(f) })
	for _, c := range d.Ready {
		if c.Field != nil && !can(c.Field) {
			out.Hints = nil
			return &out // never ready
		}
	}
	return out.Keep(func(a *Alternative) bool {
		return !slices.ContainsFunc(a.Fields(), func(f *Field) bool { return !can(f) })
	}, idle)
}

// Keep returns the descriptor with those alternatives that can be told. What comes
// after one that can not is said of packets which that does not hold for: it goes
// too, unless the two exclude each other, or idle says that the one never holds.
func (d *Descriptor) Keep(told, idle func(*Alternative) bool) *Descriptor {
	out := *d
	out.Hints = nil
	for _, h := range d.Hints {
		kept := *h
		kept.Alternatives = nil
		var lost []*Alternative
		for i := range h.Alternatives {
			a := &h.Alternatives[i]
			hidden := func(l *Alternative) bool { return !l.excludes(a) }
			switch {
			case told(a) && !slices.ContainsFunc(lost, hidden):
				kept.Alternatives = append(kept.Alternatives, *a)
			case told(a) || !idle(a):
				lost = append(lost, a)
			}
		}
		switch {
		case len(kept.Alternatives) == len(h.Alternatives):
			out.Hints = append(out.Hints, h)
		case len(kept.Alternatives) > 0:
			out.Hints = append(out.Hints, &kept)
		}
	}
	return &out
}

// excludes tells whether two alternatives never hold for one packet, by two
// conditions on one field, or give the same number whichever holds.
func (a *Alternative) excludes(b *Alternative) bool {
	if a.From == nil && b.From == nil && a.Value == b.Value {
		return true
	}
	for _, c := range a.When {
		for _, other := range b.When {
			if c.Field == other.Field && c.excludes(other) {
				return true
			}
		}
	}
	return false
}

// excludes tells whether no value meets two conditions on one field.
func (c Condition) excludes(other Condition) bool {
	if c.Not && !other.Not {
		c, other = other, c
	}
	if c.Not { // both: what is left is what neither names
		if c.Field.Width() > 16 {
			return false
		}
		for v := range uint64(1) << c.Field.Width() {
			if c.Holds(v) && other.Holds(v) {
				return false
			}
		}
		return true
	}
	return !slices.ContainsFunc(c.Values, other.Holds)
}

// Fields lists the fields an alternative reads, besides those of Ready.
func (a *Alternative) Fields() []*Field {
	var out []*Field
	for _, c := range a.When {
		if c.Field != nil {
			out = append(out, c.Field)
		}
	}
	if a.From != nil {
		out = append(out, a.From)
	}
	for _, c := range a.Convert {
		if c.With != nil {
			out = append(out, c.With)
		}
	}
	return out
}
