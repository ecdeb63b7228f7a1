package prove

import (
	"fmt"
	"math/rand/v2"

	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/bdd"
	"github.com/hintjit/hintjit/internal/code"
)

// engine is what both programs share: the inputs, and the functions of which
// nothing is known.
type engine struct {
	m       *bdd.Manager
	big     bool // byte order
	unit    *code.Unit
	meaning Meaning
	limits  Limits
	steps   int
	walk    *walk // nil: the descriptor is in the metadata area
	// nearPacket: what is walked to depends on where the packet is.
	nearPacket bool

	origins map[bdd.Var]origin
	meta    []octet           // the metadata at entry, from data_meta on; made when asked for
	spans   map[world]span    // by epoch
	places  map[int][8]uint32 // of the descriptor's bits, by byte
	regions map[string]*region
	images  map[*btf.Struct]*region
	applied map[string][]application
	worlds  []effect
	shared  map[string]bool // maps that both programs have

	rng     *rand.Rand
	sampled bdd.Ref            // what the samples are of
	samples []map[bdd.Var]bool // inputs
}

// origin is where a variable comes from.
type origin struct {
	kind  originKind
	index int // of the byte or bit
	bit   int
}

type originKind uint8

const (
	unknown    originKind = iota // the result of a function of which nothing is known
	metaByte                     // of the metadata at entry
	packetByte                   // of the packet at entry
	metaLength                   // a bit of it; bit 0: there is none, data_meta is beyond data
	dataLength                   // a bit of it
	recordByte                   // of what a walk comes to
)

// span is how long metadata and packet are.
type span struct{ meta, data bdd.Word }

// Lengths that a packet can have: xdp_metalen_invalid in include/net/xdp.h, ETH_HLEN.
const (
	maxMeta     = 252
	minPacket   = 14
	lengthWidth = 16
	metaWidth   = 8
)

func newEngine(u *code.Unit, meaning Meaning, limits Limits) *engine {
	for _, l := range []struct{ have, or *int }{{&limits.Nodes, &defaults.Nodes}, {&limits.Steps, &defaults.Steps},
		{&limits.Paths, &defaults.Paths}} {
		if *l.have == 0 {
			*l.have = *l.or
		}
	}
	e := &engine{
		m: bdd.New(limits.Nodes), unit: u, meaning: meaning, limits: limits,
		big:     u.Order.Uint16([]byte{1, 0}) != 1,
		origins: make(map[bdd.Var]origin),
		spans:   make(map[world]span),
		regions: make(map[string]*region),
		images:  make(map[*btf.Struct]*region),
		applied: make(map[string][]application),
		worlds:  []effect{{}},
		shared:  make(map[string]bool),
		rng:     rand.New(rand.NewPCG(1, 2)), // the same every time
	}
	e.places = places(meaning.Descriptor)
	e.spans[0] = e.lengths(0)
	return e
}

// start notes the maps that both programs have, and goes to the descriptor.
func (e *engine) start(a, b map[string]bool) (err error) {
	for name := range a {
		e.shared[name] = b[name]
	}
	if k := e.meaning.Kernel; k != nil {
		e.nearPacket = readsPacketPlace(k.Walk)
		e.walk, err = e.walked()
	}
	return err
}

// initial is the state at a program's entry, before it has a frame.
func (e *engine) initial() *state {
	short := bdd.Number(minPacket)
	s := e.spans[0]
	return &state{when: e.m.Below(&s.data, &short).Not()}
}

// place is where a variable stands in the order when it is a bit of a number:
// numbers that are added or compared want their bits of the same weight together,
// the highest first.
func place(bit int) uint32 { return uint32(63 - bit) }

func (e *engine) variable(at uint32, o origin) bdd.Ref {
	v := e.m.NewVar(at)
	e.origins[v] = o
	return e.m.Of(v)
}

// lengths makes those of the packet at entry. A driver without metadata sets
// data_meta one byte past data (xdp_set_data_meta_invalid).
func (e *engine) lengths(epoch world) (s span) {
	none := e.variable(0, e.at(epoch, metaLength, 0))
	for i := range s.meta {
		s.meta[i] = none
		if i >= 2 && i < metaWidth {
			s.meta[i] = e.m.Or(none, e.variable(place(i), e.at(epoch, metaLength, i)))
		}
		if i < lengthWidth {
			s.data[i] = e.variable(place(i), e.at(epoch, dataLength, i))
		}
	}
	return s
}

// at is the origin of something that is known for the packet at entry only.
func (e *engine) at(epoch world, kind originKind, bit int) origin {
	if epoch != 0 {
		return origin{}
	}
	return origin{kind: kind, bit: bit}
}

// metaByte is a byte of the metadata at entry.
func (e *engine) metaByte(i int) octet {
	for len(e.meta) <= i {
		var b octet
		k := len(e.meta)
		at, ok := e.places[k]
		for bit := range b {
			if !ok {
				at[bit] = place(8*(k%8) + bit)
			}
			b[bit] = e.variable(at[bit], origin{metaByte, k, bit})
		}
		e.meta = append(e.meta, b)
	}
	return e.meta[i]
}

// tryNodes is how much a question, or joining two states, may take before it is
// given up.
func (e *engine) tryNodes() int { return min(50_000, e.limits.Nodes/8) }

// region finds the region of that name, or makes it.
func (e *engine) region(r region) *region {
	if known := e.regions[r.name]; known != nil {
		return known
	}
	e.regions[r.name] = &r
	return &r
}

// address is a pointer as a number: where its region starts is not known.
func (e *engine) address(st *state, v value) bdd.Word {
	if v.kind == number {
		return v.word
	}
	base := e.apply(st, "address of "+v.region.name, 64, place)
	return e.word(st, "add", func(a, b *bdd.Word) bdd.Word { return e.m.Add(a, b, bdd.False) }, base, v.word)
}

// packet is the region that the packet is in since an epoch.
func (e *engine) packet(epoch world) *region {
	return e.region(region{kind: packetRegion, name: fmt.Sprintf("packet %d", epoch), index: int(epoch)})
}
