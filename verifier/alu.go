package verifier

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
)

// immediate returns an instruction's 32-bit constant, sign-extended.
func immediate(in *code.Insn) uint64 { return uint64(int64(int32(in.Constant))) }

// alu returns the new value of an ALU or ALU64 instruction's destination.
func alu(in *code.Insn, dst, src uint64, bigEndian bool) (uint64, error) {
	op := in.OpCode.ALUOp()
	if op == asm.Swap {
		return swap(in, dst, bigEndian)
	}
	if in.Offset != 0 {
		if op = extended(op, in.Offset); op == asm.InvalidALUOp {
			return 0, fmt.Errorf("%v with offset %d is not supported", in.OpCode, in.Offset)
		}
	}
	if in.OpCode.Source() == asm.ImmSource {
		if op == asm.MovSX8 || op == asm.MovSX16 || op == asm.MovSX32 {
			return 0, errors.New("a sign-extending move needs a source register")
		}
		src = immediate(in)
	}
	if in.OpCode.Class() == asm.ALU64Class {
		return alu64(op, dst, src)
	}
	result, err := alu32(op, uint32(dst), uint32(src))
	return uint64(result), err
}

// extended returns the operation that an instruction's offset makes of another, as
// the instruction set has it (RFC 9669 section 4.1); cilium/ebpf reads these as
// operations of their own.
func extended(op asm.ALUOp, offset int16) asm.ALUOp {
	switch {
	case op == asm.Div && offset == 1:
		return asm.SDiv
	case op == asm.Mod && offset == 1:
		return asm.SMod
	case op == asm.Mov && offset == 8:
		return asm.MovSX8
	case op == asm.Mov && offset == 16:
		return asm.MovSX16
	case op == asm.Mov && offset == 32:
		return asm.MovSX32
	}
	return asm.InvalidALUOp
}

// alu64 computes as RFC 9669 section 4.1 says: division by zero gives 0, the
// remainder of it leaves the dividend, shifts count modulo the width.
func alu64(op asm.ALUOp, a, b uint64) (uint64, error) {
	switch op {
	case asm.Add:
		return a + b, nil
	case asm.Sub:
		return a - b, nil
	case asm.Mul:
		return a * b, nil
	case asm.Or:
		return a | b, nil
	case asm.And:
		return a & b, nil
	case asm.Xor:
		return a ^ b, nil
	case asm.LSh:
		return a << (b & 63), nil
	case asm.RSh:
		return a >> (b & 63), nil
	case asm.ArSh:
		return uint64(int64(a) >> (b & 63)), nil
	case asm.Neg:
		return -a, nil
	case asm.Mov:
		return b, nil
	case asm.MovSX8:
		return uint64(int8(b)), nil
	case asm.MovSX16:
		return uint64(int16(b)), nil
	case asm.MovSX32:
		return uint64(int32(b)), nil
	case asm.Div, asm.SDiv, asm.Mod, asm.SMod:
		return divide64(op, a, b), nil
	}
	return 0, fmt.Errorf("ALU64 operation %#x is not an instruction", uint16(op))
}

func divide64(op asm.ALUOp, a, b uint64) uint64 {
	mod := op == asm.Mod || op == asm.SMod
	switch {
	case b == 0 && mod:
		return a
	case b == 0:
		return 0
	case op == asm.Div:
		return a / b
	case op == asm.Mod:
		return a % b
	case op == asm.SDiv: // the lowest number by -1 is itself, in Go as in BPF
		return uint64(int64(a) / int64(b))
	default:
		return uint64(int64(a) % int64(b))
	}
}

func alu32(op asm.ALUOp, a, b uint32) (uint32, error) {
	switch op {
	case asm.LSh:
		return a << (b & 31), nil
	case asm.RSh:
		return a >> (b & 31), nil
	case asm.ArSh:
		return uint32(int32(a) >> (b & 31)), nil
	case asm.SDiv, asm.SMod:
		return uint32(divide64(op, uint64(int32(a)), uint64(int32(b)))), nil
	case asm.MovSX32:
		return 0, errors.New("a 32-bit move can not extend 32 bits")
	}
	// In all others the low half of the result depends on the low halves only.
	result, err := alu64(op, uint64(a), uint64(b))
	return uint32(result), err
}

// swap is the byte swap family of RFC 9669 section 4.2: to little endian, to
// big endian, or always.
func swap(in *code.Insn, v uint64, bigEndian bool) (uint64, error) {
	reverse := true
	if in.OpCode.Class() == asm.ALUClass {
		reverse = bigEndian != (in.OpCode.Endianness() == asm.BE)
	}
	switch in.Constant {
	case 16:
		if reverse {
			return uint64(bits.ReverseBytes16(uint16(v))), nil
		}
		return uint64(uint16(v)), nil
	case 32:
		if reverse {
			return uint64(bits.ReverseBytes32(uint32(v))), nil
		}
		return uint64(uint32(v)), nil
	case 64:
		if reverse {
			return bits.ReverseBytes64(v), nil
		}
		return v, nil
	}
	return 0, fmt.Errorf("a byte swap of %d bits, wanted 16, 32 or 64", in.Constant)
}

// operands returns what a conditional branch compares, in 64 bits: of a 32-bit
// one the lower halves.
func operands(in *code.Insn, dst, src uint64) (a, b uint64) {
	if in.OpCode.Source() == asm.ImmSource {
		src = immediate(in)
	}
	if in.OpCode.Class() == asm.Jump32Class {
		return uint64(uint32(dst)), uint64(uint32(src))
	}
	return dst, src
}

// taken tells whether a conditional branch is taken.
func taken(in *code.Insn, a, b uint64) (bool, error) {
	sa, sb := int64(a), int64(b)
	if in.OpCode.Class() == asm.Jump32Class {
		sa, sb = int64(int32(a)), int64(int32(b))
	}
	switch op := in.OpCode.JumpOp(); op {
	case asm.JEq:
		return a == b, nil
	case asm.JNE:
		return a != b, nil
	case asm.JGT:
		return a > b, nil
	case asm.JGE:
		return a >= b, nil
	case asm.JLT:
		return a < b, nil
	case asm.JLE:
		return a <= b, nil
	case asm.JSet:
		return a&b != 0, nil
	case asm.JSGT:
		return sa > sb, nil
	case asm.JSGE:
		return sa >= sb, nil
	case asm.JSLT:
		return sa < sb, nil
	case asm.JSLE:
		return sa <= sb, nil
	default:
		return false, fmt.Errorf("branch operation %#x is not supported", uint8(op))
	}
}
