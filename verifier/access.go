package verifier

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
)

// storeRelease is the other atomic op that cilium/ebpf keeps to itself.
var storeRelease = asm.StoreRelease(0, 0, asm.DWord, 0).OpCode.AtomicOp()

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
	case class == asm.StXClass && mode == asm.AtomicMode && in.OpCode.AtomicOp() == loadAcquire:
		*dst, err = m.load(*src+off, size)
		return err
	case class == asm.StXClass && mode == asm.AtomicMode && in.OpCode.AtomicOp() == storeRelease:
		return m.store(*dst+off, size, *src)
	case class == asm.StXClass && mode == asm.AtomicMode && size >= 4:
		return m.atomic(in.OpCode.AtomicOp(), *dst+off, size, src, &fr.regs[asm.R0])
	}
	return fmt.Errorf("%w: the instruction is not supported", ErrUnsupported)
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
		return fmt.Errorf("%w: atomic operation %#x is not supported", ErrUnsupported, uint32(op))
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
		if mp, value := m.MapAt(f, i); mp != nil && value {
			return m.globalAddress(mp, in)
		} else if mp != nil {
			return m.mapAddress(mp)
		}
	}
	if in.Src != asm.R0 {
		return 0, errors.New("the map it refers to is not known")
	}
	return uint64(in.Constant), nil
}
