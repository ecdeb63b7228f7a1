package rewrite

import (
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/layouts"
)

// copier makes the struct in memory, as the program declares it, for a pointer that is
// used in other ways than by loads: padding and absent hints are 0.
type copier struct {
	*emitter
	presence unit         // where presence bits are gathered,
	gathered asm.Register // and the register that gathers them; of no meaning without a unit
}

// unit is some bytes of the struct that are written at once.
type unit struct{ at, size int }

// copied is a hint with what the struct has of it: one of both at least.
type copied struct {
	hint       *layouts.Hint
	value, has *member
}

// buildCopy makes the code.
func (p *plan) buildCopy(e *emitter) {
	for off := 0; off < int(p.main.size); off += 8 {
		e.zeroStack(p.copyAt + off)
	}
	c := copier{emitter: e}
	hints := p.copied()
	if c.presence = p.t.presenceUnit(hints); c.presence.size > 0 {
		r, free := e.temp()
		defer free()
		e.op(asm.Mov.Imm(r, 0))
		c.gathered = r
	}
	if p.crowded {
		for _, h := range hints {
			c.alone(h)
		}
	} else {
		c.behindReady(hints)
	}
	if c.presence.size > 0 {
		e.op(asm.StoreMem(asm.R10, int16(p.copyAt+c.presence.at), c.gathered, sizeOf(c.presence.size)))
	}
}

// copied lists the hints that the struct has members for, in their order.
func (p *plan) copied() (out []copied) {
	for i := range p.main.members {
		m := &p.main.members[i]
		h, has := p.t.hint(m)
		if h == nil {
			continue
		}
		k := slices.IndexFunc(out, func(c copied) bool { return c.hint == h })
		if k < 0 {
			k = len(out)
			out = append(out, copied{hint: h})
		}
		if has {
			out[k].has = m
		} else {
			out[k].value = m
		}
	}
	return out
}

// presenceUnit is the smallest piece of memory that has all the presence bits and no
// value; of no size where there is none.
func (t *target) presenceUnit(hints []copied) unit {
	for size := 1; size <= 8; size *= 2 {
		u := unit{at: -1, size: size}
		for _, h := range hints {
			if h.has != nil && u.at < 0 {
				at, _ := t.lowest(h.has)
				u.at = at / size * size
			}
		}
		mixed := func(h copied) bool {
			if h.has != nil {
				if at, _ := t.lowest(h.has); !u.overlaps(at, 1) {
					return true
				}
			}
			return h.value != nil && u.overlaps(int(h.value.bit)/8, h.hint.Decl.Bytes)
		}
		if u.at >= 0 && !slices.ContainsFunc(hints, mixed) {
			return u
		}
	}
	return unit{}
}

// overlaps tells whether some of size bytes at that offset are in the unit.
func (u unit) overlaps(at, size int) bool { return at < u.at+u.size && u.at < at+size }

// lowest is the byte of the struct that has the lowest bit of a member, and its place
// there.
func (t *target) lowest(m *member) (at, bit int) {
	if t.bigEndian() {
		last := int(m.bit + m.width - 1)
		return last / 8, 7 - last%8
	}
	return int(m.bit / 8), int(m.bit % 8)
}

// behindReady copies hints, of a descriptor of which nothing is known.
func (c *copier) behindReady(hints []copied) {
	end := c.label()
	ready := c.p.left(-1, c.p.ready)
	c.tests(ready, end)
	c.each(hints, ready)
	c.at(end)
}

// each copies hints where so much is known. What several of them ask is asked once.
func (c *copier) each(hints []copied, known []layouts.Condition) {
	for len(hints) > 0 {
		asked, group, rest := alike(hints, known)
		if len(group) == 1 {
			c.either(ofHint(group[0].hint, group[0].value != nil, known, false), group[0])
		} else {
			end := c.label()
			c.tests(asked, end)
			c.each(group, append(slices.Clip(known), asked...))
			c.at(end)
		}
		hints = rest
	}
}

// alike finds those of hints that have a condition with the first in common: all they
// have in common, and the other hints.
func alike(hints []copied, known []layouts.Condition) (asked []layouts.Condition, group, rest []copied) {
	var first layouts.Condition
	for _, c := range asks(hints[0], known) {
		var with []copied
		for _, h := range hints {
			if slices.ContainsFunc(asks(h, known), c.Equal) {
				with = append(with, h)
			}
		}
		if len(with) > len(group) {
			first, group = c, with
		}
	}
	if len(group) < 2 {
		return nil, hints[:1], hints[1:]
	}
	var all [][]layouts.Condition
	for _, h := range hints {
		if conds := asks(h, known); slices.ContainsFunc(conds, first.Equal) {
			all = append(all, conds)
		} else {
			rest = append(rest, h)
		}
	}
	return inAll(all), group, rest
}

// asks is what all alternatives of a hint ask, beyond what is known.
func asks(h copied, known []layouts.Condition) []layouts.Condition {
	return without(inAll(whens(h.hint)), known)
}

// either copies a hint of which so much is to be decided.
func (c *copier) either(d *decision, h copied) {
	end := c.label()
	c.follow(d, end, end, end, func(a *layouts.Alternative, untranslated int) {
		c.present(a, h, untranslated)
	})
}

// alone copies a hint without a thought of the others.
func (c *copier) alone(h copied) {
	if c.p.maskable(-1, h.hint) {
		c.masked(h)
		return
	}
	c.either(c.p.behindReady(-1, ofHint(h.hint, h.value != nil, nil, false)), h)
}

// present copies a hint whose alternative a holds.
func (c *copier) present(a *layouts.Alternative, h copied, untranslated int) {
	t, free := c.temp()
	defer free()
	if h.value != nil || partial(a) {
		c.value(t, h.hint, a, slice{0, h.hint.Decl.Bytes * 8}, untranslated)
	}
	if h.value != nil {
		c.storeValue(h, t)
	}
	switch {
	case h.has == nil:
	case c.presence.size > 0:
		c.setBit(c.gathered, c.bit(h.has))
	default:
		c.op(asm.Mov.Imm(t, 1))
		c.orBit(h.has, t)
	}
}

// masked is present without a branch, for a hint that may be absent.
func (c *copier) masked(h copied) {
	there, free := c.temp()
	defer free()
	c.emitter.present(there, h.hint)
	if h.value != nil {
		v, free := c.temp()
		c.value(v, h.hint, &h.hint.Alternatives[0], slice{0, h.hint.Decl.Bytes * 8}, 0)
		c.op(asm.Neg.Imm(there, 0)) // all ones or none
		c.op(asm.And.Reg(v, there))
		c.op(asm.Neg.Imm(there, 0))
		c.storeValue(h, v)
		free()
	}
	switch {
	case h.has == nil:
	case c.presence.size > 0:
		if bit := c.bit(h.has); bit > 0 {
			c.op(asm.LSh.Imm(there, int32(bit)))
		}
		c.op(asm.Or.Reg(c.gathered, there))
	default:
		c.orBit(h.has, there)
	}
}

// storeValue stores a hint's value, which is in r, in single bytes where a packed
// struct has it across a boundary, which the kernel does not take on the stack
// (kernel/bpf/verifier.c, check_ptr_alignment: strict for PTR_TO_STACK).
func (c *copier) storeValue(h copied, r asm.Register) {
	off, size := c.p.copyAt+int(h.value.bit/8), h.hint.Decl.Bytes
	if off%size == 0 {
		c.op(asm.StoreMem(asm.R10, int16(off), r, sizeOf(size)))
		return
	}
	for i := 0; i < size; i++ {
		at := off + i
		if c.p.t.bigEndian() {
			at = off + size - 1 - i
		}
		c.op(asm.StoreMem(asm.R10, int16(at), r, asm.Byte))
		if i < size-1 {
			c.op(asm.RSh.Imm(r, 8))
		}
	}
}

// bit is where a presence bit is in the register that gathers them.
func (c *copier) bit(m *member) int {
	at, bit := c.p.t.lowest(m)
	if c.p.t.bigEndian() {
		return 8*(c.presence.at+c.presence.size-1-at) + bit
	}
	return 8*(at-c.presence.at) + bit
}

// orBit ors the bit 0 that is in r into a presence bit in memory.
func (c *copier) orBit(m *member, r asm.Register) {
	at, bit := c.p.t.lowest(m)
	off := int16(c.p.copyAt + at)
	t, free := c.temp()
	defer free()
	if bit > 0 {
		c.op(asm.LSh.Imm(r, int32(bit)))
	}
	c.op(asm.LoadMem(t, asm.R10, off, asm.Byte))
	c.op(asm.Or.Reg(t, r))
	c.op(asm.StoreMem(asm.R10, off, t, asm.Byte))
}
