package verifier

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"
)

// kindOf names an instruction without its operands: all that decides what it does.
func kindOf(ins asm.Instruction) string {
	name := fmt.Sprintf("opcode %#x", uint32(ins.OpCode))
	switch {
	case ins.OpCode.Class().IsALU() && ins.OpCode.ALUOp() == asm.Swap:
		name += fmt.Sprintf(" of %d bits", ins.Constant)
	case ins.OpCode.JumpOp() == asm.Call, ins.OpCode.IsDWordLoad():
		name += fmt.Sprintf(" source %d", ins.Src)
	}
	return name
}

// isaV4 are all instructions of -mcpu=v4: RFC 9669 without the legacy packet access,
// which XDP programs can not have, and what Linux has beyond that: may_goto (6.9),
// load-acquire and store-release (6.15).
func isaV4() []asm.Instruction {
	var all []asm.Instruction
	add := func(op asm.OpCode) { all = append(all, asm.Instruction{OpCode: op}) }
	for _, class := range []asm.Class{asm.ALUClass, asm.ALU64Class} {
		for _, src := range []asm.Source{asm.ImmSource, asm.RegSource} {
			for _, op := range []asm.ALUOp{
				asm.Add, asm.Sub, asm.Mul, asm.Div, asm.SDiv, asm.Mod, asm.SMod, asm.Or, asm.And, asm.Xor,
				asm.LSh, asm.RSh, asm.ArSh, asm.Mov,
			} {
				add(asm.OpCode(class).SetALUOp(op).SetSource(src))
			}
		}
		add(asm.OpCode(class).SetALUOp(asm.Neg))
	}
	for name, op := range mnemonicSX {
		if name != "movsx3232" {
			add(op)
		}
	}
	for _, ins := range mnemonicSwaps {
		all = append(all, ins)
	}
	for _, class := range []asm.Class{asm.JumpClass, asm.Jump32Class} {
		for _, src := range []asm.Source{asm.ImmSource, asm.RegSource} {
			for _, op := range mnemonicJumps {
				add(asm.OpCode(class).SetJumpOp(op).SetSource(src))
			}
		}
		add(asm.OpCode(class).SetJumpOp(asm.Ja))
	}
	add(asm.OpCode(asm.JumpClass).SetJumpOp(asm.JCOND))
	all = append(all, asm.Return(), asm.FnKtimeGetNs.Call(),
		asm.Instruction{OpCode: asm.FnKtimeGetNs.Call().OpCode, Src: asm.PseudoCall},
		asm.LoadImm(0, 0, asm.DWord), asm.LoadMapPtr(0, 0))
	for _, size := range []asm.Size{asm.Byte, asm.Half, asm.Word, asm.DWord} {
		add(asm.LoadMemOp(size))
		add(asm.StoreMemOp(size))
		add(asm.StoreImmOp(size))
		all = append(all, asm.LoadAcquire(0, 0, size, 0), asm.StoreRelease(0, 0, size, 0))
		if size != asm.DWord {
			add(asm.LoadMemSXOp(size))
		}
		if size == asm.Word || size == asm.DWord {
			for _, op := range mnemonicAtomics {
				add(op.OpCode(size))
			}
		}
	}
	return all
}

// Every instruction is in a case that runs in the kernel as well.
func TestEveryInstructionHasACase(t *testing.T) {
	in := map[string]bool{}
	for _, c := range cases(t) {
		if c.err != "" || c.interpreterOnly != "" {
			continue
		}
		for _, f := range c.assemble(t, binary.LittleEndian).unit.Funcs[1:] { // without what calls the case
			for i := range f.Insns {
				in[kindOf(f.Insns[i].Instruction)] = true
			}
		}
	}
	all := isaV4()
	require.Len(t, all, 14*4+2+5+9+11*4+2+1+3+2+4*5+3+2*10)
	var missing []string
	for _, ins := range all {
		if !in[kindOf(ins)] {
			missing = append(missing, fmt.Sprintf("%s: %v", kindOf(ins), ins))
		}
	}
	require.Empty(t, missing)
}
