package layouts

import (
	"fmt"
	"slices"
	"strings"
)

// Layout is what one driver's NICs write about a received packet, and what it
// means. It is loaded from a YAML file (Load, LoadFile) and does not change
// afterwards.
type Layout struct {
	NIC     string   // the Linux driver's name: "i40e", "mlx5_core"
	Aliases []string // other names people use: "mlx5"
	Doc     string   // one line: the hardware
	Module  string   // kernel module whose BTF names the driver's types
	// Descriptors are the forms of descriptor this driver is known to use; the
	// first is what an unmodified current kernel uses.
	Descriptors []*Descriptor
	// Never gives, for standard hints that no descriptor of this layout holds,
	// the reason in one line ("latched in MMIO registers, not in the descriptor").
	Never map[string]string
	// Walks are the ways to the descriptor on stock kernels; the first that the
	// kernel's BTF has everything for is the one to take.
	Walks []*Walk
	// Needs names, for hints that a descriptor of this layout holds, the setting
	// (one of Settings) that has to be on for the NIC to give them.
	Needs map[string]string
	File  string // where it was loaded from, for messages
}

// Descriptor is one form of receive descriptor (or completion entry).
type Descriptor struct {
	Name string // "wb16", what --descriptor takes
	Doc  string
	Type string // the kernel's name in BTF, "i40e_16byte_rx_desc"
	Size int    // bytes; 0: all fields lie beside it
	Word Word
	// Ready is a conjunction put before every alternative of every hint: written
	// back, last of the packet, a known profile. It never holds for a descriptor
	// of zero bytes (checked on loading): zeroes stand for "no descriptor".
	Ready  []Condition
	Fields []*Field
	State  []State // what fields take from beside the descriptor
	Hints  []*Hint
	Pos    Pos
}

// Word is the unit in which a descriptor's bits are counted.
type Word struct {
	Bits      int  // 16, 32 or 64
	BigEndian bool // byte order of the word in memory
}

// Field says where bits are, unconditionally.
type Field struct {
	Name string
	// Bits are joined, most significant first. At most 64 bits in all.
	Bits   []BitRange
	Doc    string
	Source string // kernel file and macro, datasheet section
	Pos    Pos
}

// BitRange is wN[msb:lsb]: word N counted from 0, bits from 0 = least
// significant.
type BitRange struct{ Word, MSB, LSB int }

// Hint is one member of struct hintjit_rx.
type Hint struct {
	Name string
	Decl Declaration
	// Doc and Source are the layout's own words, or what the hint means on every
	// NIC and nothing.
	Doc    string
	Source string
	// Alternatives are tried in order; the first that holds gives the value. When
	// none holds the hint is absent from the packet.
	Alternatives []Alternative
	Pos          Pos
}

// Alternative is one way to get a hint's value. It holds when the descriptor's
// Ready and all of When hold and, with a Map, the field's value is one of its
// keys.
type Alternative struct {
	When []Condition
	// From is the field the value comes from; nil for a constant.
	From    *Field
	Value   uint64    // the constant, when From is nil
	Map     *ValueMap // nil: the field's own value
	Convert []Conversion
	Pos     Pos
}

// SameValue tells whether two alternatives give the same value wherever both hold.
func (a Alternative) SameValue(o Alternative) bool {
	return a.From == o.From && a.Value == o.Value && a.Map == o.Map && slices.Equal(a.Convert, o.Convert)
}

// Condition compares a field with constants: it holds when the field's value
// is one of Values, or with Not, when it is none of them.
type Condition struct {
	Field  *Field
	Not    bool
	Values []uint64
	Pos    Pos
}

// Equal tells whether two conditions say the same.
func (c Condition) Equal(o Condition) bool {
	return c.Field == o.Field && c.Not == o.Not && slices.Equal(c.Values, o.Values)
}

// ValueMap translates a field's value. Keys that are not in Values have no
// translation.
type ValueMap struct {
	Name   string
	Values map[uint64]uint64
	Source string
	Pos    Pos
}

// Conversion is one arithmetic step on a value, in 64 bits.
type Conversion struct {
	Op   ConvOp
	Arg  uint64
	With *Field // Extend32; of Sub, in the place of Arg where it is not nil
}

// ConvOp names a conversion.
type ConvOp uint8

const (
	Add   ConvOp = iota // value + Arg
	Mul                 // value * Arg
	Shl                 // value << Arg
	Shr                 // value >> Arg
	Net16               // the 16-bit number as it lies in memory in network order
	Net32               // the same for 32 bits
	Sub                 // value - Arg or - With, in 64 bits
	SecNs               // seconds in the high 32 bits, nanoseconds in the low: all in nanoseconds
	// Extend32 takes the value as the low 32 bits of a clock that With has read
	// less than 2^31 ticks before or after, and gives all 64.
	Extend32
)

// Declaration is a hint's type in C, the part of it that a rewriter must
// respect.
type Declaration struct {
	Bytes   int  // 1, 2, 4, 8
	Network bool // __be16, __be32: the member holds the number in network order
}

// Pos is a place in a layout file.
type Pos struct {
	File         string
	Line, Column int
}

// Default returns the descriptor that is meant where none is named. It is the first,
// or nil where walks lead to several: then the device decides which it has.
func (l *Layout) Default() *Descriptor {
	if len(l.Walked()) > 1 {
		return nil
	}
	return l.Descriptors[0]
}

// Descriptor returns the descriptor of that name, the first when the name is
// empty.
func (l *Layout) Descriptor(name string) (*Descriptor, error) {
	names := make([]string, len(l.Descriptors))
	for i, d := range l.Descriptors {
		if name == "" || d.Name == name {
			return d, nil
		}
		names[i] = d.Name
		if d == l.Default() {
			names[i] += " (the default)"
		}
	}
	return nil, fmt.Errorf("%s has no descriptor %q: it has %s", l.NIC, name, strings.Join(names, ", "))
}

// Hint returns the hint of that name, nil when this descriptor never gives it.
func (d *Descriptor) Hint(name string) *Hint {
	for _, h := range d.Hints {
		if h.Name == name {
			return h
		}
	}
	return nil
}
