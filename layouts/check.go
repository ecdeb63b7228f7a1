package layouts

import (
	"fmt"
	"math/bits"
	"slices"
)

const (
	maxSize     = 256 // bytes of a descriptor; the largest known have 128
	maxMapWidth = 16  // bits of a field that a map translates
)

// check holds a layout against the rules that make it safe to compile: bits that
// are there, conditions that can hold, values that fit. It adds what it finds to
// errs and is silent about what the loader has reported already (a field without
// bits, a condition without a field).
func check(l *Layout, errs *Errors) {
	c := &checker{errs: errs, ranges: make(map[*ValueMap]mapRange)}
	for i, d := range l.Descriptors {
		c.in = d.label()
		c.bits(d)
		ready := c.ready(d)
		for _, h := range d.Hints {
			c.hint(h, ready)
			c.sameType(h, l.Descriptors[:i])
		}
	}
}

type checker struct {
	errs   *Errors
	in     string // where the rules are being checked, for messages
	ranges map[*ValueMap]mapRange
}

// mapRange is what an alternative needs to know of a map, computed once a map.
type mapRange struct{ maxKey, maxValue uint64 }

func (c *checker) errorf(pos Pos, format string, args ...any) {
	c.errs.addf(pos, "%s"+format, append([]any{c.in}, args...)...)
}

// bits sees that every field lies in the descriptor and no two in one place.
func (c *checker) bits(d *Descriptor) {
	owner := make(map[[2]int]*Field) // by word and bit
	for _, f := range d.Fields {
		if !c.inside(d, f) {
			continue
		}
		overlapped := make(map[*Field]bool)
		for _, r := range f.Bits {
			for bit := r.LSB; bit <= r.MSB; bit++ {
				at := [2]int{r.Word, bit}
				other := owner[at]
				owner[at] = f
				if other == nil || overlapped[other] || inherited(d, f) {
					continue
				}
				overlapped[other] = true
				name := other.Name
				if other == f {
					name = "itself"
				}
				c.errorf(f.Pos, "field %s: overlaps %s at %v", f.Name, name, BitRange{r.Word, bit, bit})
			}
		}
	}
}

// inherited tells whether f came by extends, so that what is wrong with its bits
// is reported where it stands.
func inherited(d *Descriptor, f *Field) bool { return f.Pos.Line < d.Pos.Line }

// inside sees that a field's bits are in the descriptor. A descriptor whose size
// is faulty has size -1, and no end.
func (c *checker) inside(d *Descriptor, f *Field) bool {
	words := d.Size / (d.Word.Bits / 8)
	beyond := func(r BitRange) bool { return d.Size >= 0 && r.Word >= words && r.Word < FirstState }
	if inherited(d, f) {
		if i := slices.IndexFunc(f.Bits, beyond); i >= 0 {
			c.errorf(d.Pos, "inherited field %s: %v lies outside the descriptor: %d bytes are w0 to w%d",
				f.Name, f.Bits[i], d.Size, words-1)
		}
		return f.Width() <= 64
	}
	if f.Width() > 64 {
		c.errorf(f.Pos, "field %s: has %d bits, want at most 64", f.Name, f.Width())
		return false
	}
	for _, r := range f.Bits {
		switch {
		case r.Word >= FirstState: // the loader has looked
		case r.MSB >= d.Word.Bits:
			c.errorf(f.Pos, "field %s: %v lies outside the word: %v has bits %d to 0", f.Name, r, d.Word, d.Word.Bits-1)
			return false
		case beyond(r) && words == 0:
			c.errorf(f.Pos, "field %s: %v of a descriptor without bytes: want at", f.Name, r)
			return false
		case beyond(r):
			c.errorf(f.Pos, "field %s: %v lies outside the descriptor: %d bytes are w0 to w%d", f.Name, r, d.Size, words-1)
			return false
		}
	}
	return true
}

// ready sees that a descriptor of zeros holds no hint: it stands for "no
// descriptor", and drivers clear a descriptor before they give it back.
// It returns the conditions that hold wherever a hint is looked for.
func (c *checker) ready(d *Descriptor) []Condition {
	if d.Ready == nil || !c.conditions(d.Ready, nil) {
		return nil
	}
	for _, r := range d.Ready {
		if r.Field == nil || !r.Holds(0) {
			return d.Ready
		}
	}
	c.errorf(d.Ready[0].Pos, `ready holds for a descriptor of zeros, which stands for "no descriptor": add a written-back bit`)
	return d.Ready
}

// conditions sees that each condition can hold, and all of them together with
// those in before.
func (c *checker) conditions(list, before []Condition) bool {
	ok := true
	for _, cond := range list {
		if cond.Field == nil {
			continue
		}
		width := cond.Field.Width()
		for _, v := range cond.Values {
			if width > 0 && bits.Len64(v) > width {
				c.errorf(cond.Pos, "%s is %s wide and is never %d", cond.Field.Name, plural(width, "bit"), v)
				ok = false
			}
		}
	}
	if !ok {
		return false
	}
	all := slices.Concat(before, list)
	seen := make(map[*Field]bool)
	for _, cond := range list {
		if cond.Field == nil || seen[cond.Field] {
			continue
		}
		seen[cond.Field] = true
		if !possible(cond.Field, all) {
			c.errorf(cond.Pos, "conditions on %s never hold together: %s", cond.Field.Name, on(cond.Field, all))
			ok = false
		}
	}
	return ok
}

// possible tells whether a field has a value that all conditions on it allow.
func possible(f *Field, conditions []Condition) bool {
	wanted := make(map[uint64]int) // how many conditions want the value
	excluded := make(map[uint64]bool)
	wants := 0
	for _, c := range conditions {
		switch {
		case c.Field != f:
		case c.Not:
			for _, v := range c.Values {
				excluded[v] = true
			}
		default:
			wants++
			for _, v := range c.Values {
				wanted[v]++
			}
		}
	}
	if wants == 0 {
		width := f.Width()
		return width == 0 || width > 32 || len(excluded) < 1<<width
	}
	for v, n := range wanted {
		if n == wants && !excluded[v] {
			return true
		}
	}
	return false
}

// on lists the conditions on a field.
func on(f *Field, conditions []Condition) string {
	text := ""
	for _, c := range conditions {
		if c.Field == f {
			if text != "" {
				text += ", "
			}
			text += c.String()
		}
	}
	return text
}

func (c *checker) hint(h *Hint, ready []Condition) {
	defer func(in string) { c.in = in }(c.in)
	c.in += "hint " + h.Name + ": "
	for i := range h.Alternatives {
		a := &h.Alternatives[i]
		c.conditions(a.When, ready)
		c.value(h, a, slices.Concat(ready, a.When))
		if i+1 < len(h.Alternatives) && len(a.When) == 0 && a.Map == nil {
			c.errorf(h.Alternatives[i+1].Pos, "never tried: the alternative before it holds always")
			break
		}
	}
}

// value sees that what an alternative gives fits the hint's type. It follows the
// largest value there can be, and the smallest as far as it is needed, through map
// and conversions.
func (c *checker) value(h *Hint, a *Alternative, conditions []Condition) {
	if h.Decl.Bytes == 0 {
		return
	}
	limit := ones(8 * h.Decl.Bytes)
	member := fmt.Sprintf("%s is %s", h.Name, plural(h.Decl.Bytes, "byte"))
	if a.From == nil {
		if a.Value > limit {
			c.errorf(a.Pos, "%s, %#x does not fit", member, a.Value)
		}
		return
	}
	width := a.From.Width()
	smallest, largest := least(a.From, conditions), ones(width)
	what := fmt.Sprintf("field %s has %s: take fewer bits, shr or map it", a.From.Name, plural(width, "bit"))
	if a.Map != nil {
		if !c.mapped(a) {
			return
		}
		smallest, largest = 0, c.rangeOf(a.Map).maxValue
		what = fmt.Sprintf("map %s gives %#x", a.Map.Name, largest)
	}
	for _, conv := range a.Convert {
		var ok bool
		if conv.Op == Sub && conv.With == nil && conv.Arg <= smallest { // nothing wraps
			smallest, largest = smallest-conv.Arg, largest-conv.Arg
		} else if largest, ok = conv.largest(largest); ok {
			smallest = 0
		} else {
			c.errorf(a.Pos, "%v of %#x, which the value can be, does not fit", conv, largest)
			return
		}
		what = fmt.Sprintf("after %v the value can be %#x", conv, largest)
	}
	if largest > limit {
		c.errorf(a.Pos, "%s, %s", member, what)
	}
}

// least is the smallest value that conditions leave a field, as far as there are
// few below it.
func least(f *Field, conditions []Condition) (v uint64) {
	const few = 1 << 8
	excluded := func(c Condition) bool { return c.Field == f && !c.Holds(v) }
	for v < few && slices.ContainsFunc(conditions, excluded) {
		v++
	}
	return v
}

// mapped sees that the keys of an alternative's map are values of its field.
func (c *checker) mapped(a *Alternative) bool {
	width := a.From.Width()
	key := c.rangeOf(a.Map).maxKey
	switch {
	case width == 0:
		return false
	case width > maxMapWidth:
		c.errorf(a.Pos, "map %s: field %s has %d bits, a map takes at most %d", a.Map.Name, a.From.Name, width, maxMapWidth)
		return false
	case key > ones(width):
		c.errorf(a.Pos, "map %s: %s is %s wide and is never %d", a.Map.Name, a.From.Name, plural(width, "bit"), key)
		return false
	}
	return true
}

func (c *checker) rangeOf(m *ValueMap) mapRange {
	r, known := c.ranges[m]
	if !known {
		for key, value := range m.Values {
			r = mapRange{max(r.maxKey, key), max(r.maxValue, value)}
		}
		c.ranges[m] = r
	}
	return r
}

// largest returns the largest result for values up to v. It is not ok, and
// returns v, when v is more than the conversion can take: bits would be lost.
func (c Conversion) largest(v uint64) (uint64, bool) {
	result, lost := v, uint64(0)
	switch c.Op {
	case Add:
		result, lost = bits.Add64(v, c.Arg, 0)
	case Mul:
		lost, result = bits.Mul64(v, c.Arg)
	case Shl:
		result, lost = v<<c.Arg, v>>(64-c.Arg)
	case Shr:
		result = v >> c.Arg
	case Net16:
		result, lost = ones(16), v>>16
	case Net32:
		result, lost = ones(32), v>>32
	case Sub, Extend32: // what is earlier than 0 wraps, as time does in the drivers
		result = ones(64)
	case SecNs:
		result = v>>32*1e9 + ones(32)
	}
	if lost != 0 {
		return v, false
	}
	return result, true
}

// sameType sees that a hint has one type in all descriptors: a program declares
// it once.
func (c *checker) sameType(h *Hint, before []*Descriptor) {
	for _, d := range before {
		other := d.Hint(h.Name)
		if other != nil && other.Decl != h.Decl && other.Decl.Bytes != 0 && h.Decl.Bytes != 0 {
			c.errorf(h.Pos, "hint %s: type %v, but %v in descriptor %s", h.Name, h.Decl, other.Decl, d.Name)
			return
		}
	}
}

// ones returns the largest number of that many bits.
func ones(width int) uint64 { return 1<<width - 1 }

func plural(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}
