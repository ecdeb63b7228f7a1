package verifier

import (
	"math/bits"
	"strings"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/code"
)

// regset is a set of registers, bit n for rn.
type regset uint16

func regs(rs ...asm.Register) regset {
	var set regset
	for _, r := range rs {
		set |= 1 << r
	}
	return set
}

// single is the set of one register: regs has a loop, and this is asked of every
// instruction on every path.
func single(r asm.Register) regset { return 1 << r }

// arguments returns r1 to rn.
func arguments(n int) regset { return 1<<(min(n, 5)+1) - 2 }

func (s regset) has(r asm.Register) bool { return s>>r&1 == 1 }

func (s regset) first() asm.Register { return asm.Register(bits.TrailingZeros16(uint16(s))) }

func (s regset) String() string {
	var names []string
	for ; s != 0; s &= s - 1 {
		names = append(names, s.first().String())
	}
	return strings.Join(names, ",")
}

// place is where an instruction stands; what some of them read depends on it.
type place struct {
	unit *code.Unit
	f    *code.Func
}

// reads returns the registers an instruction needs.
func (p place) reads(in *code.Insn) regset {
	switch class := in.OpCode.Class(); class {
	case asm.ALUClass, asm.ALU64Class:
		return aluReads(in)
	case asm.LdClass:
		return ldReads(in)
	case asm.LdXClass:
		return single(in.Src)
	case asm.StClass:
		return single(in.Dst)
	case asm.StXClass:
		if in.OpCode.AtomicOp() == asm.CmpXchg {
			return regs(asm.R0, in.Dst, in.Src)
		}
		if in.OpCode.Mode() == asm.AtomicMode && in.OpCode.AtomicOp() == loadAcquire {
			return single(in.Src)
		}
		return single(in.Dst) | single(in.Src)
	default:
		return p.jumpReads(in)
	}
}

// loadAcquire is the atomic op that cilium/ebpf keeps to itself.
var loadAcquire = asm.LoadAcquire(0, 0, asm.DWord, 0).OpCode.AtomicOp()

func aluReads(in *code.Insn) regset {
	var set regset
	switch in.OpCode.ALUOp() {
	case asm.Mov, asm.MovSX8, asm.MovSX16, asm.MovSX32:
	default:
		set = single(in.Dst)
	}
	if in.OpCode.Source() == asm.RegSource {
		set |= single(in.Src)
	}
	return set
}

func ldReads(in *code.Insn) regset {
	switch in.OpCode.Mode() {
	case asm.AbsMode:
		return single(asm.R6)
	case asm.IndMode:
		return regs(asm.R6, in.Src)
	}
	return 0
}

func (p place) jumpReads(in *code.Insn) regset {
	switch in.OpCode.JumpOp() {
	case asm.Ja, asm.JCOND:
		return 0
	case asm.Call:
		return p.callReads(in)
	case asm.Exit:
		return p.exitReads()
	}
	if in.OpCode.Source() == asm.RegSource {
		return single(in.Dst) | single(in.Src)
	}
	return single(in.Dst)
}

// callReads returns the arguments of an extern, whose type is the kernel's and
// so to be relied on. The compiler may have taken parameters away from a static
// function, and helpers have no type here.
func (p place) callReads(in *code.Insn) regset {
	i := int(in.Ref.Index)
	if in.Ref.Kind != code.RefExtern || i < 0 || i >= len(p.unit.Externs) {
		return 0
	}
	if proto := prototype(p.unit.Externs[i].Type); proto != nil {
		return arguments(len(proto.Params))
	}
	return 0
}

// exitReads returns r0 where the kernel reads it: do_check's process_bpf_exit
// asks for it at the end of a program and of a global function, not of a static
// one, whose result the compiler may have dropped.
func (p place) exitReads() regset {
	if p.f.Linkage == code.Static {
		return 0
	}
	if proto := prototype(p.f.Type); proto != nil && p.f.Linkage == code.Global {
		if _, void := btf.UnderlyingType(proto.Return).(*btf.Void); void {
			return 0
		}
	}
	return single(asm.R0)
}

// entry returns the registers that hold something when f is entered. Programs
// have one argument, except those that replace a function of another program.
func entry(f *code.Func) regset {
	if f.Linkage != code.Program {
		return arguments(5) | single(asm.R10)
	}
	n := 1
	if proto := prototype(f.Type); proto != nil {
		n = max(n, len(proto.Params))
	}
	return arguments(n) | single(asm.R10)
}

func prototype(f *btf.Func) *btf.FuncProto {
	if f == nil {
		return nil
	}
	proto, _ := f.Type.(*btf.FuncProto)
	return proto
}

// writes returns the registers that hold a new value after an instruction.
func writes(in *code.Insn) regset {
	switch in.OpCode.Class() {
	case asm.ALUClass, asm.ALU64Class, asm.LdXClass:
		return single(in.Dst)
	case asm.LdClass:
		if in.OpCode.IsDWordLoad() {
			return single(in.Dst)
		}
		return single(asm.R0)
	case asm.StXClass:
		if in.OpCode.Mode() != asm.AtomicMode {
			return 0
		}
		switch op := in.OpCode.AtomicOp(); {
		case op == asm.CmpXchg:
			return single(asm.R0)
		case op == loadAcquire:
			return single(in.Dst)
		case op&fetch != 0:
			return single(in.Src)
		}
	case asm.JumpClass:
		if in.IsCall() {
			return single(asm.R0)
		}
	}
	return 0
}

// fetch is the bit of an atomic op that returns the old value.
const fetch = asm.FetchAdd &^ asm.AddAtomic

// clobbers returns the registers that an instruction leaves undefined.
func clobbers(in *code.Insn) regset {
	if in.IsCall() || in.OpCode.Class() == asm.LdClass && !in.OpCode.IsDWordLoad() {
		return arguments(5)
	}
	return 0
}
