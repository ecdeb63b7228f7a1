package verifier

import (
	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
)

// checkOperands: there are eleven registers, JMP32 has no call and no exit, and
// an atomic operation is in the constant as well as in the opcode: cilium/ebpf
// decodes to both, but encodes the constant only (v0.22.0, Instruction.Marshal),
// so that what its constructors make would become an addition.
func checkOperands(_ *checker, f *code.Func, report reporter) {
	for i := range f.Insns {
		in := &f.Insns[i]
		if !exists(in.OpCode) {
			report(i, "opcode %#x is not an instruction", uint32(in.OpCode))
		}
		if op := in.OpCode.AtomicOp(); op != asm.InvalidAtomic && in.Constant != int64(op>>8) {
			report(i, "%v has constant %#x and would be encoded as that operation, wanted %#x",
				in.OpCode, in.Constant, uint32(op>>8))
		}
		if in.Dst > asm.R10 || in.Src > asm.R10 {
			report(i, "%v names a register that does not exist; the last is r10", in.Instruction)
		}
	}
}

// exists tells whether an opcode is in the instruction set.
func exists(op asm.OpCode) bool {
	switch class := op.Class(); class {
	case asm.ALUClass, asm.ALU64Class:
		switch alu := op.ALUOp(); alu {
		case asm.SDiv, asm.SMod, asm.MovSX8, asm.MovSX16, asm.MovSX32:
			return true
		default:
			return alu <= asm.Swap
		}
	case asm.JumpClass, asm.Jump32Class:
		jump := op.JumpOp()
		return jump < asm.JCOND || jump == asm.JCOND && class == asm.JumpClass
	case asm.LdClass:
		return op.IsDWordLoad() || op.Mode() == asm.AbsMode || op.Mode() == asm.IndMode
	case asm.LdXClass:
		return op.Mode() == asm.MemMode || op.Mode() == asm.MemSXMode && op.Size() != asm.DWord
	case asm.StClass:
		return op.Mode() == asm.MemMode
	default:
		return op.Mode() == asm.MemMode || op.Mode() == asm.AtomicMode
	}
}

// checkTargets: a branch leads to an instruction of its function, and nothing
// else has a target.
func checkTargets(_ *checker, f *code.Func, report reporter) {
	for i := range f.Insns {
		in := &f.Insns[i]
		switch {
		case in.IsBranch() && (in.Target < 0 || int(in.Target) >= len(f.Insns)):
			report(i, "%v leads to %d, the function has instructions 0 to %d", in.OpCode, in.Target, len(f.Insns)-1)
		case !in.IsBranch() && in.Target != code.NoTarget:
			report(i, "%v is no branch but has target %d", in.OpCode, in.Target)
		}
	}
}

// checkEnd: the last instruction leaves the function, as check_subprogs in
// kernel/bpf/verifier.c wants it.
func checkEnd(_ *checker, f *code.Func, report reporter) {
	if len(f.Insns) == 0 {
		report(wholeFunc, "there are no instructions")
		return
	}
	last := &f.Insns[len(f.Insns)-1]
	if last.FallsThrough() {
		report(len(f.Insns)-1, "the last instruction is %v, wanted exit or goto", last.OpCode)
	}
}

// checkReferences: a Ref names something the unit has, from an instruction that
// can carry it; and a call of a BPF function says which.
func checkReferences(c *checker, f *code.Func, report reporter) {
	for i := range f.Insns {
		in := &f.Insns[i]
		count, what, carrier := 0, "", in.IsCall() || in.OpCode.IsDWordLoad()
		switch in.Ref.Kind {
		case code.RefNone:
			if in.IsFunctionCall() {
				report(i, "a call of a BPF function does not say of which")
			}
			continue
		case code.RefFunc:
			count, what = len(c.unit.Funcs), "function"
		case code.RefExtern:
			count, what = len(c.unit.Externs), "extern"
		case code.RefTable:
			count, what, carrier = len(c.unit.Tables), "table", in.OpCode.IsDWordLoad()
		default:
			report(i, "reference kind %d does not exist", in.Ref.Kind)
			continue
		}
		switch {
		case !carrier:
			report(i, "%v can not refer to a %s", in.OpCode, what)
		case in.Ref.Index < 0 || int(in.Ref.Index) >= count:
			report(i, "%s %d does not exist, the unit has %d", what, in.Ref.Index, count)
		case in.Ref.Kind == code.RefTable:
			table := &c.unit.Tables[in.Ref.Index]
			if in.Constant < 0 || in.Constant >= int64(len(table.Data)) {
				report(i, "byte %d of table %s is outside its %d bytes", in.Constant, table.Name, len(table.Data))
			}
		}
	}
}

// checkGone: what a loader would not find is not referred to any more.
func checkGone(c *checker, f *code.Func, report reporter) {
	for i := range f.Insns {
		ref := f.Insns[i].Ref
		if ref.Kind != code.RefExtern || ref.Index < 0 || int(ref.Index) >= len(c.unit.Externs) {
			continue
		}
		if name := c.unit.Externs[ref.Index].Name; c.gone[name] {
			report(i, "%s is still referred to", name)
		}
	}
}

// checkCORE: a CO-RE record stands on an instruction that loaders can patch,
// bpf_core_patch_insn in libbpf's relo_core.c.
func checkCORE(_ *checker, f *code.Func, report reporter) {
	for i := range f.Insns {
		in := &f.Insns[i]
		if in.CORE == nil {
			continue
		}
		class, mode := in.OpCode.Class(), in.OpCode.Mode()
		immediate := class.IsALU() && in.OpCode.Source() == asm.ImmSource
		access := (class == asm.LdXClass || class.IsStore()) && (mode == asm.MemMode || mode == asm.MemSXMode)
		constant := in.OpCode.IsDWordLoad() && in.Src == asm.R0
		if !immediate && !access && !constant {
			report(i, "%v has nothing that a loader could put the answer into", in.Instruction)
		}
	}
}

// checkReachable: check_cfg in kernel/bpf/verifier.c refuses code that no path
// leads to.
func checkReachable(c *checker, f *code.Func, report reporter) {
	for i := range f.Insns {
		if !c.paths.reached[i] {
			report(i, "no path leads to %v", f.Insns[i].Instruction)
		}
	}
}

// checkFramePointer: r10 is read only.
func checkFramePointer(_ *checker, f *code.Func, report reporter) {
	for i := range f.Insns {
		if writes(&f.Insns[i]).has(asm.R10) {
			report(i, "%v writes r10", f.Insns[i].Instruction)
		}
	}
}

// checkReads: on every path a register is written before it is read.
func checkReads(c *checker, f *code.Func, report reporter) {
	for _, u := range c.paths.unread {
		for missing := u.regs; missing != 0; missing &= missing - 1 {
			report(u.insn, "%v reads %v, which is not written on every path", f.Insns[u.insn].OpCode, missing.first())
		}
	}
}

// checkStack: an access through a known frame address stays in the frame.
func checkStack(c *checker, f *code.Func, report reporter) {
	for _, a := range c.paths.outside {
		report(a.insn, "%v touches r10%+d to r10%+d, the frame is r10-%d to r10-1",
			f.Insns[a.insn].OpCode, a.off, a.off+a.size-1, maxStack)
	}
}

// checkChain: the frames of a call chain fit into the kernel's stack.
func checkChain(c *checker, f *code.Func, report reporter) {
	d := c.entryChain(f)
	if d.recursive {
		report(wholeFunc, "it calls itself")
	} else if d.jit > maxStack {
		report(wholeFunc, "its deepest chain of calls needs %d bytes, there are %d", d.jit, maxStack)
	}
}

// checkOldChain is checkChain with the coarser rounding. A program that fits
// today's kernel only is another matter than one that fits none, and has a name
// of its own so that Options.Before can tell them apart.
func checkOldChain(c *checker, f *code.Func, report reporter) {
	d := c.entryChain(f)
	if !d.recursive && d.jit <= maxStack && d.old > maxStack {
		report(wholeFunc, "its deepest chain of calls needs %d bytes, there are %d", d.old, maxStack)
	}
}

// checkTailCalls: little enough lies on the stack when a function that is called
// makes a tail call.
func checkTailCalls(c *checker, f *code.Func, report reporter) {
	d := c.entryChain(f)
	if !d.recursive && d.above >= maxAboveTailCall {
		report(wholeFunc, "%d bytes are on the stack above a function that makes a tail call, wanted less than %d",
			d.above, maxAboveTailCall)
	}
}
