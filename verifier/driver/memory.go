package driver

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"sync"

	"github.com/hintjit/hintjit/internal/kernel"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/verifier"
)

// memory lays a packet's structures out: it goes through the steps of the walk
// and makes each come to what the record says.
type memory struct {
	*Packet
	rng   *rand.Rand
	order binary.ByteOrder
	bytes []byte
	base  uint64
	rooms int
	at    map[string]uint64 // values of the walk
	data  uint64            // where the packet started
	full  bool              // there was no room
}

const (
	room  = 1 << 14 // memory for each struct that a walk comes to
	rooms = 16
)

// noise fills a driver's memory, and is made once: what is read without being
// meant is no zero.
var noise = sync.OnceValue(func() []byte {
	rng := rand.New(rand.NewPCG(0, 0))
	b := make([]byte, rooms*room)
	for i := 0; i < len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rng.Uint64())
	}
	return b
})

func newMemory(p *Packet, m *verifier.Machine) (*memory, error) {
	mem := &memory{Packet: p, rng: rand.New(rand.NewPCG(p.Seed, 0)), at: map[string]uint64{}, order: m.Unit.Order}
	mem.bytes = append([]byte(nil), noise()...)
	var err error
	if mem.base, err = m.ReadOnly("the driver's memory", mem.bytes); err != nil {
		return nil, err
	}
	mem.build()
	if mem.full {
		return nil, errors.New("the walk comes to more structs than the model has room for")
	}
	if mem.data == 0 { // no step has asked
		mem.data = mem.order.Uint64(mem.bytes[mem.at[layouts.XDP]+mem.offset(xdpData.Member)-mem.base:])
	}
	return mem, nil
}

// moveTo is what bpf_xdp_adjust_head does to the xdp_buff.
func (b *memory) moveTo(head int) { b.put(xdpData, b.data+uint64(head)) }

// room is memory for another struct, in the middle of what is kept for it: a
// walk may go to either side.
func (b *memory) room() uint64 {
	if b.rooms == rooms {
		b.full = true
		b.rooms = 0
	}
	b.rooms++
	return b.base + uint64((b.rooms-1)*room+room/4)
}

// member is where a member of the struct at a value lies, nil where that value is
// NULL or the kernel has no such member.
func (b *memory) member(o layouts.Operand) (p kernel.Place, mem []byte) {
	m := o.Member
	if typ, ok := b.Kernel.Walk.TypeOf(o.Value); ok && m.Type == "" {
		m.Type = typ
	}
	p, ok := b.Kernel.Places[m.String()]
	at := b.at[o.Value] + uint64(p.Offset) - b.base
	if !ok || b.at[o.Value] == 0 || at > uint64(len(b.bytes)-p.Size) {
		return p, nil
	}
	return p, b.bytes[at : at+uint64(p.Size)]
}

// put writes a member of the struct at a value.
func (b *memory) put(o layouts.Operand, v uint64) {
	p, mem := b.member(o)
	if mem == nil {
		return
	}
	order := b.order
	switch o.Int.Order {
	case layouts.LittleEndian:
		order = binary.LittleEndian
	case layouts.BigEndian:
		order = binary.BigEndian
	}
	if p.Bits == 0 {
		putNumber(mem, order, v)
		return
	}
	shift := p.Bit
	if order == binary.BigEndian {
		shift = 8*len(mem) - p.Bit - p.Bits
	}
	mask := ones(p.Bits) << shift
	putNumber(mem, order, number64(mem, order)&^mask|v<<shift&mask)
}

// putNumber writes as many low bytes of v as there is room for.
func putNumber(mem []byte, order binary.ByteOrder, v uint64) {
	for i := range mem {
		k := i
		if order == binary.BigEndian {
			k = len(mem) - 1 - i
		}
		mem[k] = byte(v)
		v >>= 8
	}
}

func number64(mem []byte, order binary.ByteOrder) (v uint64) {
	for i := range mem {
		k := i
		if order != binary.BigEndian {
			k = len(mem) - 1 - i
		}
		v = v<<8 | uint64(mem[k])
	}
	return v
}

// wanted is what the record says of a state, by where the layout has it.
func (b *memory) wanted(at string) (uint64, bool) {
	d := b.Kernel.Descriptor
	for i, s := range d.State {
		if s.At.String() == at {
			return b.state(i), true
		}
	}
	return 0, false
}

func (b *memory) state(i int) uint64 {
	return binary.BigEndian.Uint64(b.Record[b.Kernel.Descriptor.Size+8*i:])
}

// build lays everything out.
func (b *memory) build() {
	walk := b.Kernel.Walk
	b.at[layouts.XDP], b.at[layouts.Dev] = b.room(), b.room()
	b.placeQueue(walk.Steps)
	b.put(xdpRXQ, b.at[layouts.RXQ])
	b.put(rxqDev, b.at[layouts.Dev])
	index, wanted := b.wanted("rxq.queue_index:u32")
	if !wanted {
		index = b.rng.Uint64N(64)
	}
	b.put(rxqIndex, index)
	queues := b.room()
	if b.Generic {
		queues = b.at[layouts.RXQ] - index*uint64(b.Kernel.Sizes[deviceQueue]) - uint64(b.Kernel.Places[deviceQueue+".xdp_rxq"].Offset)
	}
	b.put(devQueues, queues)
	for i := range walk.Steps {
		b.step(&walk.Steps[i], i == b.Breaks)
	}
	// XDP_FLAGS_HAS_FRAGS is bit 0 (include/net/xdp.h).
	b.put(xdpFlags, b.rng.Uint64N(8)<<1)
	if _, data := b.member(xdpData); data != nil && b.Length != 0 {
		b.put(xdpDataEnd, b.order.Uint64(data)+b.Length)
	}
	d := b.Kernel.Descriptor
	for i, s := range d.State {
		if typ, ok := walk.TypeOf(s.At.Value); ok && s.At.Kind == layouts.MemberValue {
			o := s.At
			o.Member.Type = typ
			b.put(o, b.state(i))
		}
	}
	if d.Size > 0 && b.at[layouts.Desc] != 0 {
		copy(b.bytes[b.at[layouts.Desc]-b.base:], b.Record[:d.Size])
	}
}

func (b *memory) offset(m layouts.Member) uint64 { return uint64(b.Kernel.Places[m.String()].Offset) }

// placeQueue puts the xdp_rxq_info into the struct that a step takes it to be a
// member of, and what two steps find to be the same into one place.
func (b *memory) placeQueue(steps []layouts.Step) {
	b.at[layouts.RXQ] = b.room()
	for i, s := range steps {
		switch {
		case s.Op == layouts.ContainerOf && s.A.Value == layouts.RXQ:
			b.at[s.Name] = b.room()
			b.at[layouts.RXQ] = b.at[s.Name] + b.offset(s.B.Member)
		case s.Op == layouts.Require && s.A.Kind == layouts.MemberAddress && s.B.Value == layouts.RXQ:
			b.at[s.A.Value] = b.room()
			if i != b.Breaks {
				b.at[layouts.RXQ] = b.at[s.A.Value] + b.offset(s.A.Member)
			}
		case s.Op == layouts.Same && s.B.Kind == layouts.MemberAddress:
			if same, ok := b.wanted(s.Name); ok && same != 0 {
				b.at[s.A.Value] = b.at[s.B.Value] + b.offset(s.B.Member)
			}
		}
	}
}
