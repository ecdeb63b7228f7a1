package object

import (
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
)

const slotSize = asm.InstructionSize

// variant is an operation that the instruction set tells from another by the
// offset field and that package asm has an opcode of its own for
// (Documentation/bpf/standardization/instruction-set.rst, v6.12, arithmetic
// instructions).
type variant struct {
	plain  asm.ALUOp
	offset int16
	op     asm.ALUOp
}

var variants = []variant{
	{asm.Div, 1, asm.SDiv},
	{asm.Mod, 1, asm.SMod},
	{asm.Mov, 8, asm.MovSX8},
	{asm.Mov, 16, asm.MovSX16},
	{asm.Mov, 32, asm.MovSX32},
}

// atomicBits is the part of asm's opcode of an atomic operation that the file
// keeps in the constant.
const atomicBits = 0x1ff << 8

// decode reads a function's instructions. It is written out here, and not left
// to package asm, because a writer needs every bit back: asm drops the offset of
// an ALU instruction it does not know (addr_space_cast) and refuses call numbers
// that a kernel would only refuse later.
func decode(data []byte, order binary.ByteOrder) ([]code.Insn, error) {
	if len(data)%slotSize != 0 {
		return nil, fmt.Errorf("%d bytes are no whole number of instructions", len(data))
	}
	insns := make([]code.Insn, len(data)/slotSize)
	n := 0
	for slot := 0; slot < len(data)/slotSize; slot++ {
		in := &insns[n]
		decodeSlot(&in.Instruction, data[slot*slotSize:], order)
		in.Target, in.Origin = code.NoTarget, int32(n)
		n++
		if in.OpCode.IsDWordLoad() {
			slot++
			rest := data[slot*slotSize:]
			if len(rest) == 0 {
				return nil, fmt.Errorf("slot %d: wide load without its second half", slot-1)
			}
			if order.Uint32(rest) != 0 {
				return nil, fmt.Errorf("slot %d: second half of a wide load has an opcode, register or offset", slot)
			}
			high := uint64(order.Uint32(rest[4:]))
			in.Constant = int64(high<<32 | uint64(uint32(in.Constant)))
		}
	}
	return insns[:n], nil
}

// decodeSlot fills in what is 0.
func decodeSlot(in *asm.Instruction, b []byte, order binary.ByteOrder) {
	in.OpCode = asm.OpCode(b[0])
	in.Dst, in.Src = asm.Register(b[1]&0xf), asm.Register(b[1]>>4)
	in.Offset = int16(order.Uint16(b[2:]))
	in.Constant = int64(int32(order.Uint32(b[4:])))
	if order == binary.BigEndian {
		in.Dst, in.Src = in.Src, in.Dst
	}
	switch {
	case in.OpCode.Class().IsALU() && in.Offset != 0:
		for _, v := range variants {
			if in.OpCode.ALUOp() == v.plain && in.Offset == v.offset {
				in.OpCode, in.Offset = in.OpCode.SetALUOp(v.op), 0
				break
			}
		}
	case in.OpCode.AtomicOp() != asm.InvalidAtomic:
		in.OpCode |= asm.OpCode(in.Constant<<8) & atomicBits
	}
}

// encode appends what decode read. Package asm says InvalidOpCode for what it can
// not build, which must not become the first byte of that.
func encode(out []byte, in *code.Insn, order binary.AppendByteOrder) ([]byte, error) {
	op, offset, constant := in.OpCode, in.Offset, uint32(in.Constant)
	switch {
	case op > 0xff && op.Class().IsALU():
		for _, v := range variants {
			if op.ALUOp() == v.op {
				op, offset = op.SetALUOp(v.plain), v.offset
				break
			}
		}
	case op.AtomicOp() != asm.InvalidAtomic:
		constant |= uint32(op&atomicBits) >> 8
		op &^= atomicBits
	}
	if op > 0xff || in.Dst > 0xf || in.Src > 0xf {
		return nil, fmt.Errorf("no such instruction: opcode %#x, registers %d and %d", uint32(in.OpCode), in.Dst, in.Src)
	}
	slot := uint64(op) | uint64(in.Dst)<<8 | uint64(in.Src)<<12 | uint64(uint16(offset))<<16 | uint64(constant)<<32
	if order == binary.AppendByteOrder(binary.BigEndian) {
		slot = uint64(op)<<56 | uint64(in.Dst)<<52 | uint64(in.Src)<<48 | uint64(uint16(offset))<<32 | uint64(constant)
	}
	out = order.AppendUint64(out, slot)
	if in.OpCode.IsDWordLoad() {
		out = order.AppendUint32(out, 0)
		out = order.AppendUint32(out, uint32(uint64(in.Constant)>>32))
	}
	return out, nil
}
