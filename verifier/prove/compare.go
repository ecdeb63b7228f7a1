package prove

import (
	"fmt"

	"github.com/hintjit/hintjit/internal/bdd"
)

// difference is a place where the two programs do not do the same.
type difference struct {
	where, what string
	when        bdd.Ref // for which inputs
}

func (d *difference) Error() string {
	if d.where == "" {
		return d.what
	}
	return d.where + ": " + d.what
}

// compare holds an end of the rewritten program against the end of the original
// that it belongs to: it is reached by a part of the same inputs.
func (e *engine) compare(original, rewritten *state) error {
	when := rewritten.when
	if original.world != rewritten.world {
		if err := e.compareWorlds(when, original.world, rewritten.world); err != nil {
			return err
		}
	}
	if original.result.kind == nothing || rewritten.result.kind == nothing {
		return errUnset
	}
	a, b := e.address(original, original.result).Low(32), e.address(rewritten, rewritten.result).Low(32)
	if differ := e.differ(when, &a, &b); differ != bdd.False {
		return &difference{what: "another return code", when: differ}
	}
	return nil
}

// compareWorlds finds the first effect of two histories that is not the same.
func (e *engine) compareWorlds(when bdd.Ref, a, b world) error {
	as, bs := e.history(a), e.history(b)
	for i := range min(len(as), len(bs)) {
		x, y := &e.worlds[as[i]], &e.worlds[bs[i]]
		if x.op != y.op || len(x.args) != len(y.args) {
			return &difference{x.where, fmt.Sprintf("%s, and the rewritten program does %s (%s)", x.op, y.op, y.where), when}
		}
		for k := range x.args {
			if differ := e.differ(when, &x.args[k], &y.args[k]); differ != bdd.False {
				return &difference{x.where, x.op + " with another value", differ}
			}
		}
	}
	if len(as) != len(bs) {
		longer, who := as, "the original alone does "
		if len(bs) > len(as) {
			longer, who = bs, "the rewritten program alone does "
		}
		extra := e.worlds[longer[min(len(as), len(bs))]]
		return &difference{extra.where, who + extra.op, when}
	}
	return nil
}

// history lists the effects that led to a world, the first one first.
func (e *engine) history(w world) []world {
	out := make([]world, e.worlds[w].depth)
	for ; w != 0; w = e.worlds[w].before {
		out[e.worlds[w].depth-1] = w
	}
	return out
}

// differ is where two words are not the same.
func (e *engine) differ(when bdd.Ref, a, b *bdd.Word) bdd.Ref {
	any := bdd.False
	for i := range a {
		if a[i] != b[i] {
			any = e.m.Or(any, e.m.And(when, e.m.Xor(a[i], b[i])))
		}
	}
	return any
}

// counterexample makes an input of the first inputs for which the programs
// differ.
func (e *engine) counterexample(d *difference) *Counterexample {
	values, ok := e.m.Solve(d.when)
	if !ok || e.m.Full() {
		return nil
	}
	support := make(map[bdd.Var]bool)
	e.m.Support(d.when, support)
	c := &Counterexample{Where: d.where, What: d.what, Certain: true}
	for v := range support {
		if e.origins[v].kind == unknown {
			c.Certain = false
		}
	}
	set := func(v bdd.Var) bool { return values[v] }
	s := e.spans[0]
	c.Packet = make([]byte, e.m.Value(&s.data, set))
	if n := int64(e.m.Value(&s.meta, set)); n > 0 {
		c.Meta = make([]byte, n)
	} else if n < 0 {
		c.Certain = false // no metadata at all, which is not what an empty Meta says
	}
	if e.walk != nil {
		c.Record = make([]byte, e.meaning.Descriptor.RecordSize())
	}
	for v, set := range values {
		o := e.origins[v]
		switch {
		case !set:
		case o.kind == metaByte && o.index < len(c.Meta):
			c.Meta[o.index] |= 1 << o.bit
		case o.kind == metaByte && o.index-len(c.Meta) < len(c.Packet): // read past its end
			c.Packet[o.index-len(c.Meta)] |= 1 << o.bit
		case o.kind == recordByte && o.index < len(c.Record):
			c.Record[o.index] |= 1 << o.bit
		case o.kind == packetByte && o.index < len(c.Packet):
			c.Packet[o.index] |= 1 << o.bit
		}
	}
	return c
}
