// Package driver models what lies in memory behind an XDP program's context: a
// kernel's structures and a driver's, as a walk to the descriptor goes through
// them. It is the ground that rewritten programs are executed on.
//
// It knows layouts and kernels. Like everything below verifier it knows nothing
// of how a program was made, so that it can not share a mistake with that.
package driver

import (
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/hintjit/hintjit/internal/kernel"
	"github.com/hintjit/hintjit/layouts"
)

// Kernel says where one kernel has what a walk names.
type Kernel struct {
	Walk *layouts.Walk
	// Descriptor is the layout's, without what needs a state that the walk does not
	// come by on this kernel.
	Descriptor *layouts.Descriptor
	Places     map[string]kernel.Place // of members: "i40e_ring.desc"
	Sizes      map[string]int          // of structs
	Enums      map[string]uint64       // of enumerators: "idpf_queue_flags_t.__IDPF_Q_PTP"
	Carriers   map[string]int64        // type ids of structs that memory can be read as
}

// Where Random puts things.
const (
	structSize  = 8192
	memberSlots = 120  // of 8 bytes
	wrapped     = 1024 // where members lie that are behind an xdp_buff
	embedded    = 2048 // where structs in structs lie
	apart       = 2048 // and how far from each other: twice the slots, as one may start late and have members of its own
)

// Random makes a kernel that a walk is for and whose members lie wherever chance
// put them: programs may count on no offset. d is the descriptor that the walk
// leads to.
func Random(rng *rand.Rand, d *layouts.Descriptor, w *layouts.Walk) *Kernel {
	k := &Kernel{Walk: w, Places: map[string]kernel.Place{}, Sizes: map[string]int{}, Enums: map[string]uint64{},
		Carriers: map[string]int64{kernel.Endless: 1 + rng.Int64N(1<<20)}}
	for _, o := range named(d, w) {
		k.scatter(rng, o.Member, o.Int)
	}
	for _, o := range operands(w) {
		if o.Kind == layouts.Enumerator {
			k.Enums[o.Member.String()] = rng.Uint64N(8) // a bit's number of a flag word, or one of a few kinds
		}
	}
	k.Sizes[deviceQueue] = 192 + 64*rng.IntN(2)
	k.Places[deviceQueue+".xdp_rxq"] = kernel.Place{Offset: 64 * rng.IntN(2), Size: 64}
	k.restrict(d)
	return k
}

// restrict leaves of a descriptor what the walk comes by.
func (k *Kernel) restrict(d *layouts.Descriptor) {
	k.Descriptor = d.Restrict(func(s *layouts.State) bool {
		typ, ok := k.Walk.TypeOf(s.At.Value)
		if !ok || s.At.Kind != layouts.MemberValue {
			return ok
		}
		_, ok = k.Places[layouts.Member{Type: typ, Path: s.At.Member.Path}.String()]
		return ok
	})
}

// deviceQueue is the struct that a device has an array of, one a receive queue.
const deviceQueue = "netdev_rx_queue"

// Members of the kernel's own that every walk and its guards go by.
var (
	xdpRXQ     = ofKernel(layouts.XDP, "xdp_buff", "rxq", 64)
	xdpData    = ofKernel(layouts.XDP, "xdp_buff", "data", 64)
	xdpDataEnd = ofKernel(layouts.XDP, "xdp_buff", "data_end", 64)
	xdpFlags   = ofKernel(layouts.XDP, "xdp_buff", "flags", 32)
	rxqDev     = ofKernel(layouts.RXQ, "xdp_rxq_info", "dev", 64)
	rxqIndex   = ofKernel(layouts.RXQ, "xdp_rxq_info", "queue_index", 32)
	devQueues  = ofKernel(layouts.Dev, "net_device", "_rx", 64)
)

func ofKernel(value, typ, member string, bits int) layouts.Operand {
	return layouts.Operand{Kind: layouts.MemberValue, Value: value, Member: layouts.Member{Type: typ, Path: []string{member}},
		Int: layouts.Integer{Bits: bits, Pointer: bits == 64}}
}

// named lists the members that a walk, its guards and the descriptor's state are
// about; those of the kernel's own first.
func named(d *layouts.Descriptor, w *layouts.Walk) []layouts.Operand {
	out := []layouts.Operand{xdpRXQ, xdpData, xdpDataEnd, xdpFlags, rxqDev, rxqIndex, devQueues}
	for _, q := range w.Has {
		out = append(out, layouts.Operand{Member: q.Member, Int: q.Form})
	}
	for _, o := range operands(w) {
		switch o.Kind {
		case layouts.MemberValue, layouts.MemberAddress, layouts.SizeOf, layouts.MemberOffset:
			out = append(out, o)
		}
	}
	for _, s := range d.State {
		if typ, ok := w.TypeOf(s.At.Value); ok && s.At.Kind == layouts.MemberValue {
			out = append(out, layouts.Operand{Member: layouts.Member{Type: typ, Path: s.At.Member.Path}, Int: s.At.Int})
		}
	}
	return out
}

// operands lists what the steps of a walk take.
func operands(w *layouts.Walk) (out []layouts.Operand) {
	for i := range w.Steps {
		out = append(out, w.Steps[i].Operands()...)
	}
	return out
}

// scatter gives a member a place that no other has.
func (k *Kernel) scatter(rng *rand.Rand, m layouts.Member, form layouts.Integer) {
	if k.Sizes[m.Type] == 0 {
		k.Sizes[m.Type] = structSize
	}
	name := m.String()
	if _, ok := k.Places[name]; ok || len(m.Path) == 0 {
		return
	}
	taken := map[int]bool{}
	structs := 0
	for other, p := range k.Places {
		if strings.HasPrefix(other, m.Type+".") {
			taken[p.Offset/8] = true
			if !p.Integer {
				structs++
			}
		}
	}
	p := kernel.Place{Size: form.Bits / 8, Integer: form.Bits > 0, Enum: form.Enum, Array: form.Array}
	if form.Array { // as a struct, in which there is room for more than one
		form.Bits, p.Integer = 0, false
	}
	first := 0
	switch {
	case form.Bits == 0: // apart: one may be the descriptor, or the queue with members of its own
		first = embedded + apart*structs
		p.Size = 64
	case k.isWrapper(m.Type):
		first = wrapped
	}
	for p.Offset = first + 8*rng.IntN(memberSlots); taken[p.Offset/8]; {
		p.Offset = first + 8*rng.IntN(memberSlots)
	}
	if form.Bits == 8 || form.BitField {
		p.Offset += rng.IntN(8)
	}
	if form.BitField {
		p.Size, p.Bit, p.Bits = 1, rng.IntN(9-form.Bits), form.Bits
	}
	k.Places[name] = p
}

// isWrapper tells whether a struct begins with an xdp_buff.
func (k *Kernel) isWrapper(typ string) bool {
	return slices.ContainsFunc(k.Walk.Steps, func(s layouts.Step) bool {
		return s.Type == typ && s.Op == layouts.Copy && s.A.Kind == layouts.Named && s.A.Value == layouts.XDP
	})
}

// Proves tells whether a check of the walk shows the queue to be the driver's: no
// packet in generic mode comes past it.
func (k *Kernel) Proves() bool {
	return slices.ContainsFunc(k.Walk.Steps, func(s layouts.Step) bool { return s.Strict == layouts.Own })
}
