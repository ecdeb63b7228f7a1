package rewrite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/flow"
)

// relocate gives every instruction with a byte_off record on a hint struct the
// offset of that member in the struct as the program declares it. For whole
// members that is what stands there already. For a bit-field it is not: clang
// leaves the offset rounded down to the alignment of the whole struct and
// counts on the loader.
func (j *job) relocate() error {
	for _, f := range j.funcs {
		fn := j.u.Funcs[f]
		for i := range fn.Insns {
			s := offsetInto(&fn.Insns[i])
			if s == nil {
				continue
			}
			place, err := locate(s, fn.Insns[i].CORE.Access)
			if class := fn.Insns[i].OpCode.Class(); err == nil && place.bitfield {
				switch {
				case class == asm.LdXClass:
					err = place.settle(&fn.Insns[i], j.demandedLoads(f)[i], j.u.Order)
				case class.IsStore():
					place.off, err = place.from(int64(fn.Insns[i].OpCode.Size().Sizeof()))
				}
			}
			if err != nil {
				return refuse(fn, i, bitfieldHelp, "%v", err)
			}
			setOffset(&fn.Insns[i], place.off)
		}
	}
	return nil
}

const bitfieldHelp = "declare the has bits as `__u32` bit-fields in a row, as bpf/hintjit.h does"

// offsetInto returns the hint struct that an instruction has an offset into, by
// its CO-RE record; nil: none.
func offsetInto(in *code.Insn) *btf.Struct {
	if in.CORE == nil || in.CORE.Kind != code.FieldByteOffset {
		return nil
	}
	return asHintStruct(in.CORE.Type)
}

// bitfieldOffset returns the bit-field whose offset an instruction other than an
// access has as a constant: clang keeps one in a register for several loads.
func bitfieldOffset(in *code.Insn) *place {
	s := offsetInto(in)
	if class := in.OpCode.Class(); s == nil || class == asm.LdXClass || class == asm.StXClass || class == asm.StClass {
		return nil
	}
	p, err := locate(s, in.CORE.Access)
	if err != nil || !p.bitfield {
		return nil
	}
	return &p
}

// demandedLoads is, for each load of function f as it was read, the bits of it that
// something looks at.
func (j *job) demandedLoads(f int) []uint64 {
	if j.demanded[f] == nil {
		insns := j.u.Funcs[f].Insns
		out := make([]uint64, len(insns))
		j.looks(f, func(i int, after *flow.Bits) {
			if insns[i].OpCode.Class() == asm.LdXClass {
				out[i] = after[insns[i].Dst]
			}
		})
		j.demanded[f] = out
	}
	return j.demanded[f]
}

// looks shows, after each instruction of function f, the bits that something looks
// at.
func (j *job) looks(f int, show flow.Visit) {
	flow.Looks(j.graph(f), func(in *code.Insn) int { return arity(j.u, in) }, show)
}

// setOffset puts a field's offset where the instruction has it.
func setOffset(in *code.Insn, n int64) {
	switch in.OpCode.Class() {
	case asm.LdXClass, asm.StXClass, asm.StClass:
		in.Offset = int16(n)
	default:
		in.Constant = n
	}
}

// place is where a CO-RE access path leads.
type place struct {
	name       string
	off, size  int64 // bytes; size: of a bit-field, of the integer that holds it
	bit, width int64 // of a bit-field
	bitfield   bool
}

// locate follows an access path. For a bit-field off is where the integer of
// its declared type starts that holds it, as libbpf has it (relo_core.c,
// bpf_core_calc_field_relo).
func locate(s *btf.Struct, access []int) (place, error) {
	if len(access) == 0 || access[0] != 0 {
		return place{}, fmt.Errorf("access %v into struct %s is not to one of its members", access, s.Name)
	}
	p := place{name: s.Name}
	var t btf.Type = s
	for _, i := range access[1:] {
		if a, ok := btf.UnderlyingType(t).(*btf.Array); ok {
			n, err := btf.Sizeof(a.Type)
			if err != nil {
				return place{}, err
			}
			p.bit += int64(i) * int64(n) * 8
			t = a.Type
			continue
		}
		m := memberAt(t, i)
		if m == nil {
			return place{}, fmt.Errorf("access %v: struct %s has no such member", access, s.Name)
		}
		p.bit += int64(m.Offset)
		p.name, p.width, p.bitfield = m.Name, int64(m.BitfieldSize), m.BitfieldSize > 0
		t = m.Type
	}
	p.off = p.bit / 8
	if !p.bitfield {
		return p, nil
	}
	n, err := btf.Sizeof(t)
	if err != nil || n < 1 {
		return place{}, fmt.Errorf("bit-field %s of type %s", p.name, t.TypeName())
	}
	for p.size = int64(n); ; p.size *= 2 {
		if p.off = p.bit / 8 / p.size * p.size; p.bit+p.width <= (p.off+p.size)*8 {
			return p, nil
		}
		if p.size >= 8 {
			return place{}, errors.New("bit-field " + p.name + " is wider than any load")
		}
	}
}

func memberAt(t btf.Type, i int) *btf.Member {
	var members []btf.Member
	switch u := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		members = u.Members
	case *btf.Union:
		members = u.Members
	}
	if i < 0 || i >= len(members) {
		return nil
	}
	return &members[i]
}

// from is where the access of size bytes starts that holds the bit-field. clang
// reads neighbouring bit-fields in one access that need not start where the
// declared type does, which libbpf would get wrong; but a load of n bytes stands
// at a multiple of n, since BPF code splits any other into bytes, and only one
// such place holds the field.
func (p *place) from(size int64) (int64, error) {
	start := p.bit / 8 / size * size
	if p.bit+p.width > (start+size)*8 {
		return 0, fmt.Errorf("a load of %d bytes can not hold bit-field %s", size, p.name)
	}
	return start, nil
}

// settle finds where a load of a bit-field starts. Where the program masks the
// field out of what it loads, its place in the load has to agree.
func (p *place) settle(in *code.Insn, demanded uint64, order binary.ByteOrder) error {
	size := int64(in.OpCode.Size().Sizeof())
	start, err := p.from(size)
	if err != nil {
		return err
	}
	p.off = start
	low := p.bit - start*8
	if order == binary.ByteOrder(binary.BigEndian) {
		low = size*8 - low - p.width
	}
	field := ones(int(p.width)) << low
	if demanded &= ones(int(size * 8)); bits.OnesCount64(demanded) == int(p.width) && demanded != field {
		return fmt.Errorf("the bits looked at are not those of bit-field %s", p.name)
	}
	return nil
}
