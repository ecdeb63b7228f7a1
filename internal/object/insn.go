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
	insns := make([]code.Insn, 0, len(data)/slotSize)
	for slot := 0; slot < len(data)/slotSize; slot++ {
		in := code.New(decodeSlot(data[slot*slotSize:], order))
		in.Origin = int32(len(insns))
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
		insns = append(insns, in)
	}
	return insns, nil
}

func decodeSlot(b []byte, order binary.ByteOrder) asm.Instruction {
	in := asm.Instruction{
		OpCode:   asm.OpCode(b[0]),
		Dst:      asm.Register(b[1] & 0xf),
		Src:      asm.Register(b[1] >> 4),
		Offset:   int16(order.Uint16(b[2:])),
		Constant: int64(int32(order.Uint32(b[4:]))),
	}
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
	return in
}

// encode appends what decode read. Package asm says InvalidOpCode for what it can
// not build, which must not become the first byte of that.
func encode(out []byte, in *code.Insn, order binary.AppendByteOrder) ([]byte, error) {
	op, offset, constant := in.OpCode, in.Offset, uint32(in.Constant)
	switch {
	case op.Class().IsALU():
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
	regs := uint8(in.Dst) | uint8(in.Src)<<4
	if order == binary.AppendByteOrder(binary.BigEndian) {
		regs = uint8(in.Src) | uint8(in.Dst)<<4
	}
	out = append(out, uint8(op), regs)
	out = order.AppendUint16(out, uint16(offset))
	out = order.AppendUint32(out, constant)
	if in.OpCode.IsDWordLoad() {
		out = order.AppendUint32(out, 0)
		out = order.AppendUint32(out, uint32(uint64(in.Constant)>>32))
	}
	return out, nil
}
