package prove

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/bdd"
	"github.com/hintjit/hintjit/layouts"
)

// places are where the bits of a descriptor stand in the order, by byte: as bits
// of the number that the field says.
func places(d *layouts.Descriptor) map[int][8]uint32 {
	type bit struct{ at, width int }
	wide := make(map[[2]int]bit) // by byte and bit: the widest field that has it
	for _, f := range d.Fields {
		at := f.Width()
		for _, r := range f.Bits {
			for b := r.MSB; b >= r.LSB; b-- {
				at--
				if r.Word >= layouts.FirstState {
					continue
				}
				k := [2]int{byteOf(d, r.Word, b), b % 8}
				if wide[k].width < f.Width() {
					wide[k] = bit{at, f.Width()}
				}
			}
		}
	}
	out := make(map[int][8]uint32)
	for k := range d.Size {
		var at [8]uint32
		for b := range at {
			at[b] = place(wide[[2]int{k, b}].at)
		}
		out[k] = at
	}
	return out
}

// byteOf is the byte of the descriptor that has a bit of a word.
func byteOf(d *layouts.Descriptor, word, bit int) int {
	size := d.Word.Bits / 8
	if d.Word.BigEndian {
		return word*size + size - 1 - bit/8
	}
	return word*size + bit/8
}

// field is a field's value.
func (e *engine) field(f *layouts.Field) (w bdd.Word) {
	at := f.Width()
	for _, r := range f.Bits {
		for b := r.MSB; b >= r.LSB; b-- {
			at--
			w[at] = e.descriptorBit(r.Word, b)
		}
	}
	return w
}

func (e *engine) descriptorBit(word, bit int) bdd.Ref {
	if i := word - layouts.FirstState; i >= 0 {
		if e.walk == nil || i >= len(e.walk.states) {
			return bdd.False
		}
		return e.walk.states[i][bit]
	}
	if e.walk != nil {
		return e.walk.desc[byteOf(e.meaning.Descriptor, word, bit)][bit%8]
	}
	return e.metaByte(byteOf(e.meaning.Descriptor, word, bit))[bit%8]
}

// hold is where all of the conditions do.
func (e *engine) hold(conditions []layouts.Condition) bdd.Ref {
	all := bdd.True
	for _, c := range conditions {
		v, any := e.field(c.Field), bdd.False
		for _, n := range c.Values {
			k := bdd.Number(n)
			any = e.m.Or(any, e.m.Equal(&v, &k))
		}
		if c.Not {
			any = any.Not()
		}
		all = e.m.And(all, any)
	}
	return all
}

// hint is where a hint is present, and its value in the member: 0 elsewhere.
func (e *engine) hint(h *layouts.Hint) (present bdd.Ref, v bdd.Word) {
	st := &state{when: bdd.True}
	for _, a := range slices.Backward(h.Alternatives) {
		holds, value := e.alternative(st, &a)
		present = e.m.Or(holds, present)
		v = e.m.IfWord(holds, &value, &v)
	}
	ready := e.m.And(e.reached(), e.hold(e.meaning.Descriptor.Ready))
	present = e.m.And(ready, present)
	member := e.member(v, h.Decl)
	return present, e.m.IfWord(present, &member, &bdd.Word{})
}

// reached is where there is a descriptor at all.
func (e *engine) reached() bdd.Ref {
	if e.walk != nil {
		return e.walk.checks
	}
	have := e.spans[0].meta
	end, size := have[63], bdd.Number(uint64(e.meaning.Descriptor.Size))
	return e.m.And(end.Not(), e.m.Below(&have, &size).Not())
}

func (e *engine) alternative(st *state, a *layouts.Alternative) (bdd.Ref, bdd.Word) {
	holds := e.hold(a.When)
	if a.From == nil {
		return holds, bdd.Number(a.Value)
	}
	v := e.field(a.From)
	if a.Map != nil {
		var keys []uint64
		for k := range a.Map.Values {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		mapped, translated := e.translate(a.Map.Values, keys, &v, a.From.Width())
		holds, v = e.m.And(holds, mapped), translated
	}
	for _, c := range a.Convert {
		v = e.convert(st, &c, v)
	}
	return holds, v
}

// translate looks up the low bits of a number in a map; keys are those that
// agree in the bits above.
func (e *engine) translate(values map[uint64]uint64, keys []uint64, v *bdd.Word, width int) (bdd.Ref, bdd.Word) {
	switch {
	case len(keys) == 0:
		return bdd.False, bdd.Word{}
	case width == 0:
		return bdd.True, bdd.Number(values[keys[0]])
	}
	width--
	cut, _ := slices.BinarySearchFunc(keys, true, func(k uint64, _ bool) int { return int(k>>width&1)*2 - 1 })
	lo, low := e.translate(values, keys[:cut], v, width)
	hi, high := e.translate(values, keys[cut:], v, width)
	return e.m.If(v[width], hi, lo), e.m.IfWord(v[width], &high, &low)
}

// convert is one conversion, as docs/layout-format.md has them.
func (e *engine) convert(st *state, c *layouts.Conversion, v bdd.Word) bdd.Word {
	arg := bdd.Number(c.Arg)
	switch c.Op {
	case layouts.Add:
		return e.add(st, v, arg)
	case layouts.Sub:
		if c.With != nil {
			arg = e.field(c.With)
		}
		return e.sub(st, v, arg)
	case layouts.Mul:
		return e.times(st, v, c.Arg)
	case layouts.Shl:
		return v.Shl(int(min(c.Arg, 64)))
	case layouts.Shr:
		return v.Shr(int(min(c.Arg, 64)), bdd.False)
	case layouts.Net16:
		return e.member(v, layouts.Declaration{Bytes: 2, Network: true})
	case layouts.Net32:
		return e.member(v, layouts.Declaration{Bytes: 4, Network: true})
	case layouts.SecNs:
		const second = 1_000_000_000
		return e.add(st, e.times(st, v.Shr(32, bdd.False), second), v.Low(32))
	case layouts.Extend32:
		now := e.field(c.With)
		return e.add(st, now, e.sub(st, v.Low(32), now.Low(32)).Extend(32))
	}
	return v
}

// member is what a member of that type holds when it was given v.
func (e *engine) member(v bdd.Word, d layouts.Declaration) bdd.Word {
	if d.Network && !e.big {
		return v.Swap(d.Bytes)
	}
	return v.Low(8 * d.Bytes)
}

// hintsOf is a struct hintjit_rx as the program declares it, filled.
func (e *engine) hintsOf(s *btf.Struct) (*region, error) {
	if r := e.images[s]; r != nil {
		return r, nil
	}
	r := &region{kind: imageRegion, name: fmt.Sprintf("hints %d", len(e.images)), image: &image{make([]octet, s.Size)}}
	if err := e.fill(r.image, s.Members, 0, 0); err != nil {
		return nil, fmt.Errorf("struct %s: %w", s.Name, err)
	}
	e.images[s] = r
	return r, nil
}

const maxNesting = 16

func (e *engine) fill(into *image, members []btf.Member, base btf.Bits, depth int) error {
	if depth > maxNesting {
		return fmt.Errorf("nested more than %d deep", maxNesting)
	}
	for _, m := range members {
		at := base + m.Offset
		var width btf.Bits
		switch t := btf.UnderlyingType(m.Type).(type) {
		case *btf.Struct:
			if m.Name == "" {
				if err := e.fill(into, t.Members, at, depth+1); err != nil {
					return err
				}
			}
			continue
		case *btf.Union:
			if m.Name == "" {
				if err := e.fill(into, t.Members, at, depth+1); err != nil {
					return err
				}
			}
			continue
		case *btf.Int:
			width = btf.Bits(8 * t.Size)
		case *btf.Enum:
			width = btf.Bits(8 * t.Size)
		default:
			continue
		}
		if m.BitfieldSize > 0 {
			width = m.BitfieldSize
		}
		name, has := strings.CutPrefix(m.Name, "has_")
		h := e.meaning.Descriptor.Hint(name)
		if h == nil {
			continue
		}
		present, v := e.hint(h)
		if has {
			v = bdd.Word{present}
		}
		if err := into.put(&v, at, width, e.big); err != nil {
			return fmt.Errorf("member %s: %w", m.Name, err)
		}
	}
	return nil
}

// put writes a number of that width at a bit. BTF counts bits from the end of a
// byte that the byte order starts with.
func (im *image) put(v *bdd.Word, at, width btf.Bits, big bool) error {
	if width > 64 || uint64(at)+uint64(width) > uint64(8*len(im.bytes)) {
		return fmt.Errorf("%d bits at %d are not in the struct", width, at)
	}
	for i := range width {
		k, bit := (at+i)/8, (at+i)%8
		if big {
			k, bit = (at+width-1-i)/8, 7-(at+width-1-i)%8
		}
		if to := &im.bytes[k][bit]; *to == bdd.False {
			*to = v[i]
		} else if v[i] != bdd.False {
			return fmt.Errorf("another hint lies in the same place")
		}
	}
	return nil
}
