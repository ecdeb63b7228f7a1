package rewrite

import (
	"maps"
	"math/bits"
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/layouts"
)

// chain is a load, what is made of the loaded value, and the branch that alone
// looks at the result.
type chain struct {
	p      *plan
	r      *read
	reg    asm.Register
	steps  []int // instructions that compute reg from what was loaded
	branch *code.Insn
}

// computes tells whether an instruction makes something of the value in place.
func (c *chain) computes(in *code.Insn) bool {
	if !in.OpCode.Class().IsALU() || in.Dst != c.reg {
		return false
	}
	op, imm := in.OpCode.ALUOp(), in.OpCode.Source() == asm.ImmSource
	return op == asm.Swap || imm && op != asm.Mov
}

// result is what the steps make of a loaded value; false: it can not be told.
func (c *chain) result(loaded uint64) (constants, bool) {
	var k constants
	k.set(c.p.f.Insns[c.r.insn].Dst, loaded)
	for _, i := range c.steps {
		in := &c.p.f.Insns[i]
		if in.OpCode.ALUOp() == asm.Swap {
			k.set(in.Dst, c.p.t.swapped(in, k.value[in.Dst]))
		} else if !k.step(in) {
			return k, false
		}
	}
	return k, true
}

// swapped is what one of the byte swaps of RFC 9669, section 4.2, makes of v.
func (t *target) swapped(in *code.Insn, v uint64) uint64 {
	unused := 64 - int(in.Constant)
	if in.OpCode.Class() == asm.ALUClass && t.bigEndian() == (in.OpCode.Endianness() == asm.BE) {
		return v << unused >> unused
	}
	return bits.ReverseBytes64(v) >> unused
}

// taken tells whether the branch is taken for a loaded value.
func (c *chain) taken(loaded uint64) (taken, ok bool) {
	k, ok := c.result(loaded)
	if !ok {
		return false, false
	}
	return k.branch(c.branch)
}

// maxAsked is how many presence bits a branch may ask for at once.
const maxAsked = 6

// test reads the branch as a test of hints; nil: it is none, or the value is the
// cheaper way to it.
func (c *chain) test() *test {
	has := 0
	for _, pt := range c.r.parts {
		if pt.has {
			has++
		}
	}
	switch {
	case has == len(c.r.parts) && has <= maxAsked:
		return c.presence()
	case has == 0 && len(c.r.parts) == 1:
		return c.value(&c.r.parts[0])
	}
	return nil
}

// presence reads a branch on presence bits: one that is taken when all of them
// are set, or when not.
func (c *chain) presence() *test {
	none, ok := c.taken(0)
	if !ok {
		return nil
	}
	all := uint64(1)<<len(c.r.parts) - 1
	for set := range all + 1 {
		loaded := uint64(0)
		for k, pt := range c.r.parts {
			if set>>k&1 != 0 {
				loaded |= pt.mask
			}
		}
		if taken, _ := c.taken(loaded); (taken != none) != (set == all) {
			return nil
		}
	}
	t := &test{present: !none}
	for _, pt := range c.r.parts {
		a := ask{hint: pt.hint}
		for k := range pt.hint.Alternatives {
			alt := &pt.hint.Alternatives[k]
			w := answer{when: slices.Clone(alt.When), holds: true}
			if partial(alt) {
				keys := layouts.Condition{Field: alt.From, Values: keysOf(alt.Map)}
				if !cheap(&keys) {
					return nil
				}
				w.when = append(w.when, keys)
			}
			a.answers = append(a.answers, w)
		}
		t.asks = append(t.asks, a)
	}
	return t
}

// lookupPrice is what the value of a map takes, beyond the field: the table's
// address, which is two instructions long, a shift, an addition, a load, which
// is worth two, and the branch of what has no translation.
const lookupPrice = 7

// cheap tells whether a condition on a mapped field is cheaper than the map.
func cheap(c *layouts.Condition) bool {
	if _, _, ok := masked(c); ok {
		return true
	}
	_, _, price := listed(c)
	return price <= lookupPrice
}

// value reads a branch on a hint's value. As an absent hint is 0, it asks whether
// the hint is there and its value goes the other way than 0.
func (c *chain) value(pt *part) *test {
	none, ok := c.taken(0)
	if !ok {
		return nil
	}
	q := question{chain: c, part: pt, none: none}
	a := ask{hint: pt.hint, value: true}
	for k := range pt.hint.Alternatives {
		answers, ok := q.ask(&pt.hint.Alternatives[k])
		if !ok {
			return nil
		}
		a.answers = append(a.answers, answers...)
	}
	for len(a.answers) > 0 && !a.answers[len(a.answers)-1].holds {
		a.answers = a.answers[:len(a.answers)-1]
	}
	return &test{asks: []ask{a}, present: !none}
}

// question is what a branch asks of a hint's value.
type question struct {
	*chain
	part *part
	none bool // whether it is taken where the hint is absent
}

// ask says for which descriptors an alternative's value answers the question.
func (q *question) ask(a *layouts.Alternative) (answers []answer, ok bool) {
	if a.From == nil {
		holds, ok := q.holds(a, a.Value)
		return []answer{{when: a.When, holds: holds}}, ok
	}
	if a.Map != nil {
		return q.mapped(a)
	}
	c, ok := q.direct(a)
	answers = append(answers, q.when(a, c, true))
	if q.later(a) {
		answers = append(answers, answer{when: a.When})
	}
	return answers, ok
}

func (q *question) when(a *layouts.Alternative, c layouts.Condition, holds bool) answer {
	return answer{when: append(a.When[:len(a.When):len(a.When)], c), holds: holds}
}

// keysOf is the numbers that a map translates.
func keysOf(m *layouts.ValueMap) []uint64 { return slices.Sorted(maps.Keys(m.Values)) }

// mapped goes through all numbers that have a translation.
func (q *question) mapped(a *layouts.Alternative) (answers []answer, ok bool) {
	yes := layouts.Condition{Field: a.From}
	keys := keysOf(a.Map)
	for _, raw := range keys {
		holds, ok := q.holds(a, a.Map.Values[raw])
		if !ok {
			return nil, false
		}
		if holds {
			yes.Values = append(yes.Values, raw)
		}
	}
	if len(yes.Values) > 0 {
		if !cheap(&yes) {
			return nil, false
		}
		answers = append(answers, q.when(a, yes, true))
	}
	if len(yes.Values) < len(keys) && q.later(a) {
		no := layouts.Condition{Field: a.From, Values: keys}
		if !cheap(&no) {
			return nil, false
		}
		answers = append(answers, q.when(a, no, false))
	}
	return answers, true
}

// later tells whether an alternative after a may hold where a does.
func (q *question) later(a *layouts.Alternative) bool {
	after := false
	for k := range q.part.hint.Alternatives {
		other := &q.part.hint.Alternatives[k]
		if after && !exclude(a.When, other.When) {
			return true
		}
		after = after || other == a
	}
	return false
}

// exclude tells whether two conjunctions can be seen never to hold together.
func exclude(a, b []layouts.Condition) bool {
	for _, x := range a {
		for _, y := range b {
			if x.Field != y.Field || x.Not && y.Not {
				continue
			}
			if x.Not {
				x, y = y, x
			}
			if !slices.ContainsFunc(x.Values, func(v uint64) bool { return slices.Contains(y.Values, v) != y.Not }) {
				return true
			}
		}
	}
	return false
}

// holds tells whether a value of an alternative, before its conversions, answers
// the question.
func (q *question) holds(a *layouts.Alternative, v uint64) (holds, ok bool) {
	loaded, ok := q.loaded(a, v)
	if !ok {
		return false, false
	}
	taken, ok := q.taken(loaded)
	return taken != q.none, ok
}

// loaded is what the load gives for a value of an alternative.
func (q *question) loaded(a *layouts.Alternative, v uint64) (loaded uint64, ok bool) {
	v, ok = q.p.t.converted(v, a.Convert)
	if !ok {
		return 0, false
	}
	if d := q.part.hint.Decl; d.Network {
		v = q.p.t.inNetworkOrder(v, d.Bytes)
	}
	return shifted(v&ones(q.part.width), q.part.shift) & ones(q.r.size*8), true
}

// converted is what conversions make of a number known beforehand; false: they
// make a clock of it, whose values nobody goes through.
func (t *target) converted(v uint64, cs []layouts.Conversion) (uint64, bool) {
	for _, c := range cs {
		switch c.Op {
		case layouts.Add:
			v += c.Arg
		case layouts.Sub:
			if c.With != nil {
				return 0, false
			}
			v -= c.Arg
		case layouts.Mul:
			v *= c.Arg
		case layouts.Shl:
			v <<= c.Arg
		case layouts.Shr:
			v >>= c.Arg
		case layouts.Net16:
			v = t.inNetworkOrder(v, 2)
		case layouts.Net32:
			v = t.inNetworkOrder(v, 4)
		default:
			return 0, false
		}
	}
	return v, true
}

// inNetworkOrder is a number of size bytes that lies in memory in network order,
// as the machine reads it.
func (t *target) inNetworkOrder(v uint64, size int) uint64 {
	if t.bigEndian() {
		return v & ones(size*8)
	}
	return bits.ReverseBytes64(v) >> (64 - 8*size)
}

// direct says a question as a condition on the field itself. Where the field has
// few values it goes through them.
func (q *question) direct(a *layouts.Alternative) (c layouts.Condition, ok bool) {
	if c, ok := q.bitwise(a); ok {
		return c, true
	}
	if a.From.Width() > listable {
		return c, false
	}
	c.Field = a.From
	for v := range uint64(1) << a.From.Width() {
		holds, ok := q.holds(a, v)
		if !ok {
			return c, false
		}
		if holds {
			c.Values = append(c.Values, v)
		}
	}
	if len(c.Values) == 0 {
		return c, false
	}
	if _, _, ok := masked(&c); ok {
		return c, true
	}
	_, _, price := listed(&c)
	return c, price <= len(a.Convert)+len(q.steps)+1
}

// bitwise says a question as one about bits of the field, where these come to the
// branch each by itself, wherever they have moved to.
func (q *question) bitwise(a *layouts.Alternative) (c layouts.Condition, ok bool) {
	for _, conv := range a.Convert {
		if conv.Op != layouts.Net16 && conv.Op != layouts.Net32 && conv.Op != layouts.Shl && conv.Op != layouts.Shr {
			return c, false
		}
	}
	for _, i := range q.steps {
		switch q.p.f.Insns[i].OpCode.ALUOp() {
		case asm.And, asm.LSh, asm.RSh, asm.Swap, asm.Mov:
		default:
			return c, false
		}
	}
	looked, want, ok := q.compared()
	if !ok {
		return c, false
	}
	var mask, value, seen uint64 // of the field, and of what the branch sees
	for bit := range a.From.Width() {
		loaded, ok := q.loaded(a, 1<<bit)
		k, ok2 := q.result(loaded)
		there := k.value[q.reg] & looked
		if !ok || !ok2 || there&seen != 0 || bits.OnesCount64(there) > 1 {
			return c, false
		}
		seen |= there
		if there != 0 {
			mask |= 1 << bit
		}
		if there&want != 0 {
			value |= 1 << bit
		}
	}
	if mask == 0 || want&^seen != 0 {
		return c, false // the same for every packet
	}
	c.Field, value = within(a.From, mask, value)
	c.Not, c.Values = value == 0, []uint64{value}
	return c, true
}

// compared tells which bits the branch looks at, and what it compares them with.
// Where that is 0, it is a branch on whether any of them is set.
func (q *question) compared() (looked, want uint64, ok bool) {
	within := ^uint64(0)
	if q.branch.OpCode.Class() == asm.Jump32Class {
		within = ones(32)
	}
	k := uint64(q.branch.Constant) & within
	switch q.branch.OpCode.JumpOp() {
	case asm.JEq, asm.JNE:
		return within, k, true
	case asm.JSet:
		return k, 0, true
	case asm.JGE, asm.JLT:
		k--
	case asm.JGT, asm.JLE:
	default:
		return 0, 0, false
	}
	return within &^ k, 0, k&(k+1) == 0 // more than 0, 1, 3, 7 ...
}

// within makes the bits of a field that are in mask a field of their own, and
// gathers those bits of value.
func within(f *layouts.Field, mask, value uint64) (part *layouts.Field, v uint64) {
	part = &layouts.Field{Name: f.Name, Source: f.Source, Pos: f.Pos}
	at := f.Width()
	for _, r := range f.Bits {
		for bit := r.MSB; bit >= r.LSB; bit-- {
			at--
			if mask>>at&1 == 0 {
				continue
			}
			v = v<<1 | value>>at&1
			if last := len(part.Bits) - 1; last >= 0 && part.Bits[last].Word == r.Word && part.Bits[last].LSB == bit+1 {
				part.Bits[last].LSB = bit
			} else {
				part.Bits = append(part.Bits, layouts.BitRange{Word: r.Word, MSB: bit, LSB: bit})
			}
		}
	}
	return part, v
}
