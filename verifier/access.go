package verifier

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
)

// access executes loads and stores.
func (m *Machine) access(fr *frame, in *code.Insn, i int) (err error) {
	size, mode := in.OpCode.Size().Sizeof(), in.OpCode.Mode()
	dst, src, off := &fr.regs[in.Dst], &fr.regs[in.Src], uint64(in.Offset)
	switch class := in.OpCode.Class(); {
	case in.OpCode.IsDWordLoad():
		*dst, err = m.wide(fr.f, i)
		return err
	case class == asm.LdXClass && mode == asm.MemMode:
		*dst, err = m.load(*src+off, size)
		return err
	case class == asm.LdXClass && mode == asm.MemSXMode && size < 8:
		*dst, err = m.load(*src+off, size)
		unused := 64 - 8*size
		*dst = uint64(int64(*dst<<unused) >> unused)
		return err
	case class == asm.StClass && mode == asm.MemMode:
		return m.store(*dst+off, size, immediate(in))
	case class == asm.StXClass && mode == asm.MemMode:
		return m.store(*dst+off, size, *src)
	case class == asm.StXClass && mode == asm.AtomicMode && size >= 4:
		return m.atomic(in.OpCode.AtomicOp(), *dst+off, size, src, &fr.regs[asm.R0])
	}
	return errors.New("the instruction is not supported")
}

// atomic executes a read-modify-write of RFC 9669 section 5.3.
func (m *Machine) atomic(op asm.AtomicOp, addr uint64, size int, src, r0 *uint64) error {
	old, err := m.load(addr, size)
	if err != nil {
		return err
	}
	var v uint64
	switch op &^ fetch {
	case asm.AddAtomic:
		v = old + *src
	case asm.OrAtomic:
		v = old | *src
	case asm.AndAtomic:
		v = old & *src
	case asm.XorAtomic:
		v = old ^ *src
	case asm.Xchg &^ fetch:
		v = *src
	case asm.CmpXchg &^ fetch:
		v = old
		if unused := 64 - 8*size; *r0<<unused == old<<unused {
			v = *src
		}
	default:
		return fmt.Errorf("atomic operation %#x is not supported", uint32(op))
	}
	if err := m.store(addr, size, v); err != nil {
		return err
	}
	switch {
	case op == asm.CmpXchg:
		*r0 = old
	case op&fetch != 0:
		*src = old
	}
	return nil
}

// wide returns what the wide load at instruction i gives.
func (m *Machine) wide(f *code.Func, i int) (uint64, error) {
	in := &f.Insns[i]
	index := int(in.Ref.Index)
	switch {
	case in.Ref.Kind == code.RefTable && index >= 0 && index < len(m.Unit.Tables):
		return address(tableKind, index) + uint64(in.Constant), nil
	case in.Ref.Kind == code.RefFunc && index >= 0 && index < len(m.Unit.Funcs):
		return address(functionKind, index), nil
	case in.Ref.Kind != code.RefNone:
		return 0, errors.New("the address it refers to is not known")
	}
	if m.MapAt != nil {
		if mp, value := m.MapAt(f, i); mp != nil {
			return m.mapAddress(mp, value, in)
		}
	}
	if in.Src != asm.R0 {
		return 0, errors.New("the map it refers to is not known")
	}
	return uint64(in.Constant), nil
}

// mapAddress returns the address of a map, or of global data in its value. The
// offset there is the constant in an object, its upper half once a map's
// descriptor is to be put into the lower (BPF_PSEUDO_MAP_VALUE).
func (m *Machine) mapAddress(mp *Map, value bool, in *code.Insn) (uint64, error) {
	if value {
		off := in.Constant
		if in.Src == asm.PseudoMapValue {
			off >>= 32
		}
		addr, err := m.valueAddress(mp, mp.find(make([]byte, mp.KeySize), 0))
		return addr + uint64(off), err
	}
	for i, r := range m.regions[mapKind] {
		if r.m == mp {
			return address(mapKind, i), nil
		}
	}
	return m.add(mapKind, region{name: mp.Name, m: mp})
}

// valueAddress returns the address of a value of a map.
func (m *Machine) valueAddress(mp *Map, v []byte) (uint64, error) {
	if len(v) == 0 {
		return 0, fmt.Errorf("map %s has no value there", mp.Name)
	}
	if addr, ok := m.values[&v[0]]; ok {
		return addr, nil
	}
	addr, err := m.add(valueKind, region{name: mp.Name, data: v, hi: len(v), writable: true})
	m.values[&v[0]] = addr
	return addr, err
}
