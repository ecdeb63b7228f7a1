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
// and makes each come to what the record says. Every struct has memory of its own,
// so that whoever reads beside one is seen.
type memory struct {
	*Packet
	m             *verifier.Machine
	rng           *rand.Rand
	order         binary.ByteOrder
	before, after int               // bytes of memory on either side of a struct's address
	at            map[string]uint64 // values of the walk
	told          map[uint64]bool   // addresses of integers that were written: they stay
	data          uint64            // where the packet started
	err           error             // that there is no more memory
}

// noise fills a driver's memory, and is made once: what is read without being
// meant is no zero.
var noise = sync.OnceValue(func() []byte {
	rng := rand.New(rand.NewPCG(0, 0))
	b := make([]byte, 1<<14)
	for i := 0; i < len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rng.Uint64())
	}
	return b
})

func newMemory(p *Packet, m *verifier.Machine) (*memory, error) {
	mem := &memory{Packet: p, m: m, rng: rand.New(rand.NewPCG(p.Seed, 0)), at: map[string]uint64{}, told: map[uint64]bool{}, order: m.Unit.Order}
	mem.before, mem.after = p.Kernel.extent()
	mem.build()
	if mem.data == 0 { // no step has asked
		if _, data := mem.member(xdpData); data != nil {
			mem.data = mem.order.Uint64(data)
		}
	}
	return mem, mem.err
}

// extent is how much memory a struct needs: as far as members go, of a struct in a
// struct as well, and back to the start of what it may be a member of.
func (k *Kernel) extent() (before, after int) {
	const slack = 512 // beside a descriptor, and for sizes
	inner, outer, behind := 0, 0, 0
	for _, p := range k.Places {
		if p.Integer {
			inner = max(inner, p.Offset)
		} else {
			outer = max(outer, p.Offset)
		}
	}
	for _, s := range k.Walk.Steps {
		switch {
		case s.Op == layouts.ContainerOf:
			before = max(before, k.Places[s.B.Member.String()].Offset)
		case s.Op == layouts.Sub64: // bytes in front of the packet
			before = max(before, mostBytes)
		case s.Op == layouts.And64 && s.B.Kind == layouts.Number && s.B.N>>63 == 1: // the start of a page
			before = max(before, int(^s.B.N))
		case s.B.Kind == layouts.SizeOf: // what lies behind a struct, which may have structs in it as well
			behind = max(behind, k.Sizes[s.B.Member.Type]+int(s.B.N))
		}
	}
	return before + slack, inner + outer + behind + k.Descriptor.Size + slack
}

// moveTo is what bpf_xdp_adjust_head does to the xdp_buff.
func (b *memory) moveTo(head int) { b.put(xdpData, b.data+uint64(head)) }

// room is memory for another struct.
func (b *memory) room() uint64 {
	from := b.rng.IntN(8) * 8
	data := make([]byte, 0, b.before+b.after)
	for len(data) < b.before+b.after {
		data = append(data, noise()[from:min(len(noise()), from+b.before+b.after-len(data))]...)
	}
	at, err := b.m.ReadOnly("the driver's memory", data)
	b.err = errors.Join(b.err, err)
	return at + uint64(b.before)
}

// member is where a member of the struct at a value lies, or what is so far behind
// it; nil where that value is NULL or the kernel has no such member.
func (b *memory) member(o layouts.Operand) (p kernel.Place, mem []byte) {
	if o.Kind == layouts.AtOffset {
		p = kernel.Place{Offset: int(o.N), Size: o.Int.Bits / 8, Integer: true}
		if b.at[o.Value] != 0 {
			mem, _ = b.m.Bytes(b.at[o.Value]+o.N, p.Size, false)
		}
		return p, mem
	}
	m := o.Member
	if typ, ok := b.Kernel.Walk.TypeOf(o.Value); ok && m.Type == "" {
		m.Type = typ
	}
	p, ok := b.Kernel.Places[m.String()]
	if !ok || b.at[o.Value] == 0 {
		return p, nil
	}
	mem, _ = b.m.Bytes(b.at[o.Value]+uint64(p.Offset), p.Size, false)
	return p, mem
}

// put writes a member of the struct at a value.
func (b *memory) put(o layouts.Operand, v uint64) {
	p, mem := b.member(o)
	b.told[b.at[o.Value]+uint64(p.Offset)] = true
	putMember(mem, p, o.Int, b.order, v)
}

// stands tells whether a step before, or the descriptor, has said what an integer
// in memory is, and what it is.
func (b *memory) stands(o layouts.Operand) (v uint64, ok bool) {
	p, mem := b.member(o)
	at := b.at[o.Value] + uint64(p.Offset)
	inside := at - b.at[layouts.Desc]
	if mem == nil || !b.told[at] && (b.at[layouts.Desc] == 0 || inside >= uint64(b.Kernel.Descriptor.Size)) {
		return 0, false
	}
	return readMember(mem, p, o.Int, b.order), true
}

// describe writes the descriptor where the walk has found it.
func (b *memory) describe() {
	if desc, err := b.m.Bytes(b.at[layouts.Desc], b.Kernel.Descriptor.Size, false); err == nil {
		copy(desc, b.Record)
	}
}

// putMember writes a number into the bytes of a member, if there are any.
func putMember(mem []byte, p kernel.Place, form layouts.Integer, order binary.ByteOrder, v uint64) {
	order = orderOf(form, order)
	if p.Bits > 0 && mem != nil {
		shift, mask := bitField(mem, p, order)
		v = number64(mem, order)&^mask | v<<shift&mask
	}
	putNumber(mem, order, v)
}

func readMember(mem []byte, p kernel.Place, form layouts.Integer, order binary.ByteOrder) uint64 {
	order = orderOf(form, order)
	v := number64(mem, order)
	if p.Bits > 0 {
		shift, mask := bitField(mem, p, order)
		v = v & mask >> shift
	}
	return v
}

// bitField is where a bit-field lies in the number that its bytes are.
func bitField(mem []byte, p kernel.Place, order binary.ByteOrder) (shift int, mask uint64) {
	shift = p.Bit
	if order == binary.BigEndian {
		shift = 8*len(mem) - p.Bit - p.Bits
	}
	return shift, ones(p.Bits) << shift
}

// orderOf is the byte order of a member on a machine.
func orderOf(form layouts.Integer, machine binary.ByteOrder) binary.ByteOrder {
	switch form.Order {
	case layouts.LittleEndian:
		return binary.LittleEndian
	case layouts.BigEndian:
		return binary.BigEndian
	}
	return machine
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
		if walk.Steps[i].Name == layouts.Desc {
			b.describe()
		}
	}
	// XDP_FLAGS_HAS_FRAGS is bit 0 (include/net/xdp.h).
	b.put(xdpFlags, b.rng.Uint64N(8)<<1)
	if _, data := b.member(xdpData); data != nil && b.Sized {
		b.put(xdpDataEnd, b.order.Uint64(data)+b.Length)
	}
	d := b.Kernel.Descriptor
	for i, s := range d.State {
		if typ, ok := walk.TypeOf(s.At.Value); ok && s.At.Loads() {
			o := s.At
			o.Member.Type = typ
			b.put(o, b.state(i))
		}
	}
	b.describe() // states may lie in the same memory, and chance may have put them there
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
