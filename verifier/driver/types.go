package driver

import (
	"fmt"
	"strings"

	"github.com/hintjit/hintjit/internal/kernel"
	"github.com/hintjit/hintjit/layouts"
)

// FromTypes is a kernel whose BTF is at hand. It chooses the layout's walk itself:
// the first that the BTF has everything for.
// d is the descriptor that the walk has to lead to.
func FromTypes(types *kernel.Types, l *layouts.Layout, d *layouts.Descriptor) (*Kernel, error) {
	w, err := choose(types, l, d)
	if err != nil {
		return nil, err
	}
	carrier, err := types.Carrier()
	if err != nil {
		return nil, err
	}
	k := &Kernel{Walk: w, Places: map[string]kernel.Place{}, Sizes: map[string]int{}, Enums: map[string]uint64{},
		Carriers: map[string]int64{carrier.Type: int64(carrier.ID)}}
	queue := layouts.Member{Type: deviceQueue, Path: []string{"xdp_rxq"}}
	for _, o := range append(named(d, w), layouts.Operand{Member: queue}) {
		if len(o.Member.Path) > 0 {
			if p, err := types.Member(l.Module, o.Member.Type, o.Member.Path...); err == nil {
				k.Places[o.Member.String()] = p
			}
		}
		if whole, err := types.Member(l.Module, o.Member.Type); err == nil {
			k.Sizes[o.Member.Type] = whole.Size
		}
	}
	for _, o := range operands(w) {
		if o.Kind == layouts.Enumerator {
			if n, err := types.Enumerator(l.Module, o.Member.Type, o.Member.Path[0]); err == nil {
				k.Enums[o.Member.String()] = n
			}
		}
	}
	k.restrict(d)
	return k, nil
}

// choose finds the walk that a kernel's types ask for.
func choose(types *kernel.Types, l *layouts.Layout, d *layouts.Descriptor) (*layouts.Walk, error) {
	has := func(q layouts.Question) bool {
		_, err := types.Member(l.Module, q.Type, q.Path...)
		return err == nil
	}
	var names []string
	for _, w := range l.WalksTo(d) {
		names = append(names, w.Name)
		switch fits := suits(w, has); {
		case fits && w.Refuse != "":
			return nil, fmt.Errorf("%s on %s: %s", l.NIC, types.Name(), w.Refuse)
		case fits:
			return w, nil
		}
	}
	return nil, fmt.Errorf("%s: none of its walks (%s) is for %s", l.NIC, strings.Join(names, ", "), types.Name())
}
