package code

import (
	"github.com/cilium/ebpf/asm"
)

// mayGoto is BPF_JCOND (linux/bpf.h, 6.9), which cilium/ebpf has no name for.
const mayGoto asm.JumpOp = 0xe0

// New wraps an instruction that a pass makes.
func New(ins asm.Instruction) Insn {
	return Insn{Instruction: ins, Target: NoTarget, Origin: -1}
}

// Goto makes an unconditional branch.
func Goto(target int32) Insn {
	in := New(asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Ja)})
	in.Target = target
	return in
}

// IfImm makes a branch that compares 64 bits of dst with a constant.
func IfImm(op asm.JumpOp, dst asm.Register, imm int32, target int32) Insn {
	in := New(asm.Instruction{OpCode: op.Op(asm.ImmSource), Dst: dst, Constant: int64(imm)})
	in.Target = target
	return in
}

// IfReg makes a branch that compares 64 bits of two registers.
func IfReg(op asm.JumpOp, dst, src asm.Register, target int32) Insn {
	in := New(asm.Instruction{OpCode: op.Op(asm.RegSource), Dst: dst, Src: src})
	in.Target = target
	return in
}

// Slots is how many 8-byte slots the instruction takes: 2 for a wide load.
func (in *Insn) Slots() int {
	if in.OpCode.IsDWordLoad() {
		return 2
	}
	return 1
}

// shape is what of an opcode tells jumps apart: class and operation, without where
// the operand comes from.
const shape = 0xf7

// The shapes that have no operation of their own among the conditional branches.
const (
	gotoShape     = asm.OpCode(asm.Ja) | asm.OpCode(asm.JumpClass)
	longGotoShape = asm.OpCode(asm.Ja) | asm.OpCode(asm.Jump32Class)
	mayGotoShape  = asm.OpCode(mayGoto) | asm.OpCode(asm.JumpClass)
	callShape     = asm.OpCode(asm.Call) | asm.OpCode(asm.JumpClass)
	exitShape     = asm.OpCode(asm.Exit) | asm.OpCode(asm.JumpClass)
)

// IsBranch tells whether the instruction has a destination in its function.
func (in *Insn) IsBranch() bool {
	return in.OpCode.Class().IsJump() && !in.IsCall() && !in.IsExit()
}

// IsGoto tells whether the instruction branches always.
func (in *Insn) IsGoto() bool { return in.OpCode&shape == gotoShape || in.IsLongGoto() }

// IsLongGoto tells whether it is gotol, whose distance is 32 bits wide and in
// Constant.
func (in *Insn) IsLongGoto() bool { return in.OpCode&shape == longGotoShape }

// IsMayGoto tells whether it is may_goto, which the verifier takes to go either
// way.
func (in *Insn) IsMayGoto() bool { return in.OpCode&shape == mayGotoShape }

// IsExit tells whether the function returns here.
func (in *Insn) IsExit() bool { return in.OpCode&shape == exitShape }

// IsCall tells whether it calls anything: helper, kfunc or function.
func (in *Insn) IsCall() bool { return in.OpCode&shape == callShape }

// FallsThrough tells whether control can reach the next instruction.
func (in *Insn) FallsThrough() bool { return !in.IsExit() && !in.IsGoto() }

// IsV4 tells whether the instruction exists from -mcpu=v4 on only: gotol,
// sign-extending loads and moves, signed division, unconditional byte swap.
// Sources: LLVM's BPFSubtarget (v4), Documentation/bpf/standardization.
func (in *Insn) IsV4() bool {
	class := in.OpCode.Class()
	switch {
	case in.IsLongGoto():
		return true
	case class == asm.LdXClass:
		return in.OpCode.Mode() == asm.MemSXMode
	case class.IsALU():
		switch in.OpCode.ALUOp() {
		case asm.MovSX8, asm.MovSX16, asm.MovSX32, asm.SDiv, asm.SMod:
			return true
		case asm.Swap:
			return class == asm.ALU64Class
		}
	}
	return false
}
