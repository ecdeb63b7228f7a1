package driver

import (
	"maps"
	"math/rand/v2"

	"github.com/hintjit/hintjit/layouts"
)

// Unknown makes kernels that none of a layout's walks is for: one that has nothing
// that they ask for, and for each walk those that lack one member of what it asks
// for, or have one that it must not find. A program must not load there. The walks
// are those to descriptor d.
func Unknown(rng *rand.Rand, l *layouts.Layout, d *layouts.Descriptor) []*Kernel {
	strange := &layouts.Walk{Name: "unknown", Refuse: "none of the layout's walks is for it"}
	out := []*Kernel{Random(rng, d, strange)}
	add := func(from *Kernel, change func(k *Kernel)) {
		k := *from
		k.Places, k.Sizes = maps.Clone(from.Places), maps.Clone(from.Sizes)
		change(&k)
		for _, w := range l.WalksTo(d) {
			if k.fits(w) {
				return
			}
		}
		k.Walk = strange
		k.restrict(d)
		out = append(out, &k)
	}
	for _, w := range l.WalksTo(d) {
		from := Random(rng, d, w)
		for _, q := range w.Has {
			add(from, func(k *Kernel) {
				delete(k.Places, q.String())
				if len(q.Path) == 0 {
					delete(k.Sizes, q.Type)
				}
			})
		}
		for _, q := range w.Lacks {
			add(from, func(k *Kernel) { k.scatter(rng, q.Member, q.Form) })
		}
	}
	return out
}

// fits tells whether a walk is for this kernel.
func (k *Kernel) fits(w *layouts.Walk) bool {
	return suits(w, func(q layouts.Question) bool {
		if len(q.Path) == 0 {
			return k.Sizes[q.Type] > 0
		}
		_, ok := k.Places[q.String()]
		return ok
	})
}

// suits tells whether a walk is for a kernel, by what that has.
func suits(w *layouts.Walk, has func(layouts.Question) bool) bool {
	for _, q := range w.Has {
		if !has(q) {
			return false
		}
	}
	for _, q := range w.Lacks {
		if has(q) {
			return false
		}
	}
	return true
}
