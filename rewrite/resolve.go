package rewrite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sort"
	"strings"
	"sync"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/layouts"
)

// target is what a unit is rewritten for: one descriptor of one NIC, read on a
// machine of one byte order.
type target struct {
	layout *layouts.Layout
	whole  *layouts.Descriptor // as the layout has it
	desc   *layouts.Descriptor // and what of it the reach can give
	order  binary.ByteOrder
	reach  reach
}

// resolve turns the options into a target.
func resolve(opts Options, u *code.Unit) (*target, error) {
	l, err := layoutOf(opts)
	if err != nil {
		return nil, err
	}
	d, err := chosen(l, opts.Descriptor)
	if err != nil {
		return nil, &UsageError{err.Error()}
	}
	t := &target{layout: l, whole: d, desc: d, order: u.Order}
	if err := t.chooseReach(u, opts); err != nil {
		return nil, err
	}
	t.desc = t.flatten(t.desc)
	return t, nil
}

// chosen is the descriptor of that name, or the layout's default. Where there is
// none, one has to be named: on a device that has another, every hint would be absent
// and nobody told why.
func chosen(l *layouts.Layout, name string) (*layouts.Descriptor, error) {
	if name != "" || l.Default() != nil {
		return l.Descriptor(name)
	}
	var names []string
	for _, d := range l.Walked() {
		names = append(names, fmt.Sprintf("%s (%s)", d.Name, d.Doc))
	}
	return nil, fmt.Errorf("which descriptor %s has depends on the device, and with the wrong one every hint is absent: name it, in Options.Descriptor or by --descriptor: %s",
		l.NIC, strings.Join(names, " or "))
}

func layoutOf(opts Options) (*layouts.Layout, error) {
	if opts.Layout != nil {
		return opts.Layout, nil
	}
	if opts.NIC == "" {
		return nil, usagef("no NIC named: want one of %s", strings.Join(layouts.Names(), ", "))
	}
	l, err := layouts.Shipped(opts.NIC)
	var never *layouts.UnsupportedNICError
	if errors.As(err, &never) {
		return nil, &UnsupportedError{Insn: -1, Msg: never.Error()}
	}
	if err != nil {
		return nil, &UsageError{err.Error()}
	}
	return l, nil
}

// hint returns the layout's hint for a member, nil when this NIC never gives
// it, and whether the member is its presence bit.
func (t *target) hint(m *member) (h *layouts.Hint, has bool) {
	name := m.name
	if hint, ok := m.has(); ok {
		name, has = hint, true
	}
	return t.desc.Hint(name), has
}

// answer is the constant for a CO-RE record about a hint struct that is not an
// offset. What it asks of the struct's types is what the compiler put there: the
// struct in the program is the struct that is read.
func (t *target) answer(c *code.CORE, compiled int64) (int64, error) {
	switch c.Kind {
	case code.FieldExists:
		name, err := accessed(asHintStruct(c.Type), c.Access)
		if err != nil {
			return 0, err
		}
		if h, _ := t.hint(&member{name: name}); h == nil && name != "" {
			return 0, nil
		}
		return 1, nil
	case code.TypeExists, code.TypeMatches:
		return 1, nil
	case code.FieldByteSize, code.FieldLShiftU64, code.FieldRShiftU64:
		return t.shape(c, compiled)
	case code.TypeIDTarget:
		return 0, fmt.Errorf("asks for the kernel's type id of struct %s, which no kernel has", c.Type.TypeName())
	}
	return compiled, nil
}

// shape answers what BPF_CORE_READ_BITFIELD asks: which integer holds a bit-field,
// and by which shifts it comes out. The integer is the one whose offset locate
// tells, which need not be the one the compiler thought of.
func (t *target) shape(c *code.CORE, compiled int64) (int64, error) {
	p, err := locate(asHintStruct(c.Type), c.Access)
	if err != nil || !p.bitfield {
		return compiled, err
	}
	switch c.Kind {
	case code.FieldByteSize:
		return p.size, nil
	case code.FieldRShiftU64:
		return 64 - p.width, nil
	}
	first := p.bit - p.off*8
	if t.order == binary.ByteOrder(binary.BigEndian) {
		return 64 - p.size*8 + first, nil
	}
	return 64 - first - p.width, nil
}

// possible has a bit for every bit of a load of size bytes at off that the NIC
// may set.
func (t *target) possible(d *declaration, off int64, size int) (mask uint64) {
	for _, p := range t.parts(d, off, size, ^uint64(0)) {
		mask |= p.mask
	}
	return mask
}

// part is what one member gives to a load.
type part struct {
	hint  *layouts.Hint
	has   bool
	width int    // bits of the member
	shift int    // the member's value, shifted left by this, lies in the register
	mask  uint64 // the register's bits it fills
}

// parts splits a load of size bytes at off into the members that this NIC can
// give and whose bits are looked at.
func (t *target) parts(d *declaration, off int64, size int, demanded uint64) []part {
	var out []part
	within := ones(size * 8)
	for i := range d.members {
		m := &d.members[i]
		h, has := t.hint(m)
		if h == nil {
			continue
		}
		p := part{hint: h, has: has, width: int(m.width), shift: m.position(off, size, t.order)}
		width := p.width
		if has {
			width = 1
		}
		if p.mask = shifted(ones(width), p.shift) & within; p.mask&demanded != 0 {
			out = append(out, p)
		}
	}
	return out
}

// ones has the low n bits set.
func ones(n int) uint64 {
	if n >= 64 {
		return ^uint64(0)
	}
	return uint64(1)<<n - 1
}

// shifted shifts left by n, right when n is negative.
func shifted(m uint64, n int) uint64 {
	if n >= 0 {
		return m << n
	}
	return m >> -n
}

// farthest is what the offset in an instruction can say.
const farthest = math.MaxInt16

// check looks at how the unit declares the hints: a wrong size would read a
// neighbour's bytes, an unknown name is most likely a slip.
func (t *target) check(ds *declarations) (warnings []string, err error) {
	for _, d := range ds.list {
		if d.size > farthest {
			return nil, &UnsupportedError{Insn: -1,
				Msg:  fmt.Sprintf("struct %s has %d bytes, and a load reaches %d", d.typ.Name, d.size, farthest),
				Help: "declare it as bpf/hintjit.h does"}
		}
		if d.visited > maxMembers {
			return nil, &UnsupportedError{Insn: -1,
				Msg:  fmt.Sprintf("struct %s has more than %d members", d.typ.Name, maxMembers),
				Help: "declare the hints that are used"}
		}
		for i := range d.members {
			m := &d.members[i]
			name := m.name
			hint, has := m.has()
			if has {
				name = hint
			}
			want, known := declared(t, name)
			switch {
			case !known && m.name != "" && m.integer:
				warnings = append(warnings, fmt.Sprintf("struct %s: no NIC is known to give member %s: it reads as 0", d.typ.Name, m.name))
			case has && known && !m.integer:
				return nil, badMember(d, m, "an integer bit-field: `__u32 "+m.name+":1`")
			case !has && known && (!m.integer || int(m.width) != want.Bytes*8 || m.bit%8 != 0):
				return nil, badMember(d, m, "a "+cType(want))
			}
		}
	}
	return warnings, nil
}

func badMember(d *declaration, m *member, want string) error {
	got := fmt.Sprintf("%d bits", m.width)
	if !m.integer {
		got = "no integer"
	}
	return &UnsupportedError{Insn: -1,
		Msg:  fmt.Sprintf("struct %s: member %s is %s, want %s", d.typ.Name, m.name, got, want),
		Help: "declare it as bpf/hintjit.h does"}
}

func cType(d layouts.Declaration) string {
	if d.Network {
		return fmt.Sprintf("__be%d", d.Bytes*8)
	}
	return fmt.Sprintf("__u%d", d.Bytes*8)
}

// declared finds the type of a hint by name: standard, of this layout, or of
// any layout that is shipped.
func declared(t *target, name string) (layouts.Declaration, bool) {
	for _, s := range layouts.StandardHints {
		if s.Name == name {
			return s.Decl, true
		}
	}
	if d, ok := vendor(t.layout, name); ok {
		return d, true
	}
	for _, l := range shipped() {
		if l.NIC != t.layout.NIC {
			if d, ok := vendor(l, name); ok {
				return d, true
			}
		}
	}
	return layouts.Declaration{}, false
}

// shipped are all layouts, read once: a struct may have a thousand members that
// are to be looked up in them.
var shipped = sync.OnceValue(func() (out []*layouts.Layout) {
	for _, nic := range layouts.Names() {
		if l, err := layouts.Shipped(nic); err == nil {
			out = append(out, l)
		}
	}
	return out
})

func vendor(l *layouts.Layout, name string) (layouts.Declaration, bool) {
	for _, d := range l.Descriptors {
		if h := d.Hint(name); h != nil {
			return h.Decl, true
		}
	}
	return layouts.Declaration{}, false
}

// why tells why the target never gives a hint.
func (t *target) why(name string) string {
	if why, ok := t.layout.Never[name]; ok {
		return why
	}
	if h := t.whole.Hint(name); h != nil {
		if t.reach.name() == Meta {
			return "it lies beside the descriptor, in the driver's memory, which --reach walk reads"
		}
		return "this kernel's driver does not have it where the walk comes by"
	}
	for _, d := range t.layout.Descriptors {
		if d != t.whole && d.Hint(name) != nil {
			return fmt.Sprintf("descriptor %s does not hold it, %s does", t.desc.Name, d.Name)
		}
	}
	return fmt.Sprintf("%s descriptors do not hold it", t.layout.NIC)
}

// sorted returns the keys of a set in order.
func sorted(set map[string]bool) []string {
	out := make([]string, 0, len(set))
	for k := range set {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
