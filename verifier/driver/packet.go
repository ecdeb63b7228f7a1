package driver

import (
	"encoding/binary"
	"fmt"

	"github.com/hintjit/hintjit/internal/kernel"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/verifier"
)

// Packet is how a driver hands one over: what its memory holds meanwhile.
type Packet struct {
	Kernel *Kernel
	Record []byte // the descriptor and what lies beside it, see layouts.Descriptor.RecordSize
	// Breaks is the step of the walk, a check, that does not hold; -1: all do.
	Breaks int
	// Generic says that the queue is one of the device's own, as in generic mode.
	Generic bool
	// Length is the packet's as the xdp_buff has it, if it is Sized; else it is
	// whatever chance says. With Foreign it is another than the descriptor's, which
	// strict guards see.
	Length  uint64
	Sized   bool
	Foreign bool
	Seed    uint64 // of all that is left to chance
}

// Intact is a packet whose walk comes through.
func (k *Kernel) Intact(record []byte, seed uint64) *Packet {
	return &Packet{Kernel: k, Record: record, Breaks: -1, Seed: seed}
}

// Hints is the truth: what hints this packet has on a machine of that order, for a
// program with guards (of any kind, and strict ones where Foreign is set).
func (p *Packet) Hints(order binary.ByteOrder) map[string]uint64 {
	if p.Breaks >= 0 || p.Generic || p.Foreign {
		return map[string]uint64{}
	}
	return p.Kernel.Descriptor.Decode(p.Record, order)
}

// Unguarded tells whether what is wrong with the packet is something that a
// program without guards does not see: what hints it has then nobody knows.
func (p *Packet) Unguarded() bool {
	return p.Generic || p.Foreign || p.Breaks >= 0 && p.Kernel.Walk.Steps[p.Breaks].Strict != layouts.Always
}

// Settle makes a record say of each state what it can be on this kernel: of a
// comparison 0 or 1, of a member what fits into it, of what is not on the way 0; and
// where members of a union lie in the same bytes, one thing of all.
func (k *Kernel) Settle(record []byte, order binary.ByteOrder) {
	d := k.Descriptor
	memory := map[string][]byte{} // by value of the walk
	place := func(s layouts.State) (kernel.Place, []byte) {
		typ, _ := k.Walk.TypeOf(s.At.Value)
		p, ok := k.Places[layouts.Member{Type: typ, Path: s.At.Member.Path}.String()]
		if s.At.Kind == layouts.AtOffset {
			p, ok = kernel.Place{Offset: int(s.At.N), Size: s.At.Int.Bits / 8}, true
		}
		if !ok || !s.At.Loads() {
			return p, nil
		}
		if missing := p.Offset + p.Size - len(memory[s.At.Value]); missing > 0 {
			memory[s.At.Value] = append(memory[s.At.Value], make([]byte, missing)...)
		}
		return p, memory[s.At.Value][p.Offset:][:p.Size]
	}
	state := func(i int) []byte { return record[d.Size+8*i:][:8] }
	for i, s := range d.State {
		v := binary.BigEndian.Uint64(state(i)) & k.most(s.At)
		binary.BigEndian.PutUint64(state(i), v)
		p, mem := place(s)
		putMember(mem, p, s.At.Int, order, v)
	}
	for i, s := range d.State {
		if p, mem := place(s); mem != nil {
			binary.BigEndian.PutUint64(state(i), readMember(mem, p, s.At.Int, order))
		}
	}
}

// most is the highest value that a state can have, all bits below it being its.
func (k *Kernel) most(at layouts.Operand) uint64 {
	if at.Kind == layouts.MemberValue {
		typ, _ := k.Walk.TypeOf(at.Value)
		p, ok := k.Places[layouts.Member{Type: typ, Path: at.Member.Path}.String()]
		switch {
		case !ok:
			return 0
		case p.Bits > 0:
			return ones(min(p.Bits, at.Int.Bits))
		}
		return ones(min(8*p.Size, at.Int.Bits))
	}
	if at.Kind == layouts.AtOffset {
		return ones(at.Int.Bits)
	}
	for _, step := range k.Walk.Steps {
		switch {
		case step.Name != at.Value:
		case step.Op == layouts.Same:
			return 1
		case step.Op == layouts.Sub64:
			return mostBytes
		case step.Op == layouts.And64 && step.A.Loads() && step.B.Kind == layouts.Number:
			return ones(step.A.Int.Bits) & step.B.N
		case step.Op == layouts.ShiftRight && step.A.Loads():
			n := step.B.N
			if step.B.Kind == layouts.Enumerator {
				n = k.Enums[step.B.Member.String()]
			}
			return ones(step.A.Int.Bits) >> n
		case step.A.Loads() && !step.A.Int.Pointer:
			return ones(step.A.Int.Bits)
		default:
			return ones(64)
		}
	}
	return 0
}

// mostBytes of a buffer lie between two places that a walk subtracts; all bits below
// are set.
const mostBytes = 1<<11 - 1

func ones(n int) uint64 { return 1<<n - 1 }

// Attach makes a machine run in the driver's memory, during its next run: it
// gets the kernel's functions by which programs go there.
func (p *Packet) Attach(m *verifier.Machine) {
	if m.Externs == nil {
		m.Externs = map[string]verifier.Extern{}
	}
	var mem *memory
	m.Externs["bpf_cast_to_kern_ctx"] = func(m *verifier.Machine, _ [5]uint64) (uint64, error) {
		if mem == nil {
			var err error
			if mem, err = newMemory(p, m); err != nil {
				return 0, err
			}
		}
		mem.moveTo(m.Head())
		return mem.at[layouts.XDP], nil
	}
	m.Externs["bpf_rdonly_cast"] = func(m *verifier.Machine, args [5]uint64) (uint64, error) {
		if !p.Kernel.carries(args[1]) {
			return 0, fmt.Errorf("type %d is none that memory can be read as here", args[1])
		}
		if args[0] < pageZero { // faults, and a load that faults gives 0
			m.Probe(args[0])
		}
		return args[0], nil
	}
}

const pageZero = 4096

func (k *Kernel) carries(id uint64) bool {
	for _, carrier := range k.Carriers {
		if id == uint64(carrier) {
			return true
		}
	}
	return false
}
