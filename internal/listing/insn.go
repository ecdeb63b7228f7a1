package listing

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
)

// Insn is the text of one instruction of u, the way llvm-objdump writes it:
//
//	r1 = *(u32 *)(r6 + 0x8)
//	if w1 == 0x0 goto L3
//
// dest is the name of a branch's destination and is not looked at for other
// instructions. Helpers are written as bpftool does, with name and number.
func Insn(u *code.Unit, in code.Insn, dest string) string {
	op := in.OpCode
	switch class := op.Class(); {
	case class.IsALU():
		return alu(in)
	case class.IsJump():
		return jump(u, in, dest)
	case op.IsDWordLoad():
		return wideLoad(u, in)
	case class == asm.LdXClass && (op.Mode() == asm.MemMode || op.Mode() == asm.MemSXMode):
		return fmt.Sprintf("r%d = *(%s *)(%s)", in.Dst, memType(op), address(in.Src, in.Offset))
	case class == asm.StClass && op.Mode() == asm.MemMode:
		return fmt.Sprintf("*(%s *)(%s) = %s", memType(op), address(in.Dst, in.Offset), hex(in.Constant))
	case class == asm.StXClass && op.Mode() == asm.MemMode:
		return fmt.Sprintf("*(%s *)(%s) = r%d", memType(op), address(in.Dst, in.Offset), in.Src)
	case class == asm.StXClass && op.Mode() == asm.AtomicMode:
		return atomic(in)
	case class == asm.LdClass && op.Mode() == asm.AbsMode:
		return fmt.Sprintf("r0 = *(%s *)skb[%s]", memType(op), hex(in.Constant))
	case class == asm.LdClass && op.Mode() == asm.IndMode:
		if in.Constant == 0 {
			return fmt.Sprintf("r0 = *(%s *)skb[r%d]", memType(op), in.Src)
		}
		return fmt.Sprintf("r0 = *(%s *)skb[r%d + %s]", memType(op), in.Src, hex(in.Constant))
	}
	return unknown(in)
}

var aluSigns = map[asm.ALUOp]string{
	asm.Add: "+=", asm.Sub: "-=", asm.Mul: "*=", asm.Div: "/=", asm.Mod: "%=",
	asm.SDiv: "s/=", asm.SMod: "s%=", asm.Or: "|=", asm.And: "&=", asm.Xor: "^=",
	asm.LSh: "<<=", asm.RSh: ">>=", asm.ArSh: "s>>=", asm.Mov: "=",
}

var signExtensions = map[asm.ALUOp]string{
	asm.MovSX8: "(s8)", asm.MovSX16: "(s16)", asm.MovSX32: "(s32)",
}

func alu(in code.Insn) string {
	op := in.OpCode.ALUOp()
	letter := "r"
	if in.OpCode.Class() == asm.ALUClass {
		letter = "w"
	}
	dst := fmt.Sprint(letter, uint8(in.Dst))
	src := fmt.Sprint(letter, uint8(in.Src))
	switch op {
	case asm.Neg:
		return fmt.Sprintf("%s = -%s", dst, dst)
	case asm.Swap:
		// The conversions are of the whole register in either class.
		return fmt.Sprintf("r%d = %s%d r%d", in.Dst, swapName(in.OpCode), in.Constant, in.Dst)
	case asm.MovSX8, asm.MovSX16, asm.MovSX32:
		return fmt.Sprintf("%s = %s%s", dst, signExtensions[op], src)
	}
	sign, known := aluSigns[op]
	if !known || in.Offset != 0 { // an offset makes another instruction of it: addr_space_cast
		return unknown(in)
	}
	if in.OpCode.Source() == asm.ImmSource {
		src = hex(in.Constant)
	}
	return fmt.Sprintf("%s %s %s", dst, sign, src)
}

func swapName(op asm.OpCode) string {
	switch {
	case op.Class() == asm.ALU64Class:
		return "bswap"
	case op.Endianness() == asm.BE:
		return "be"
	}
	return "le"
}

var comparisons = map[asm.JumpOp]string{
	asm.JEq: "==", asm.JNE: "!=", asm.JSet: "&",
	asm.JGT: ">", asm.JGE: ">=", asm.JLT: "<", asm.JLE: "<=",
	asm.JSGT: "s>", asm.JSGE: "s>=", asm.JSLT: "s<", asm.JSLE: "s<=",
}

func jump(u *code.Unit, in code.Insn, dest string) string {
	op := in.OpCode
	letter := "r"
	if op.Class() == asm.Jump32Class {
		letter = "w"
	}
	switch op.JumpOp() {
	case asm.Exit:
		return "exit"
	case asm.Call:
		return call(u, in)
	case asm.JCOND:
		return "may_goto " + dest
	case asm.Ja:
		if op.Class() == asm.Jump32Class {
			return "gotol " + dest
		}
		return "goto " + dest
	}
	sign, known := comparisons[op.JumpOp()]
	if !known {
		return unknown(in)
	}
	with := hex(in.Constant)
	if op.Source() == asm.RegSource {
		with = fmt.Sprint(letter, uint8(in.Src))
	}
	return fmt.Sprintf("if %s%d %s %s goto %s", letter, in.Dst, sign, with, dest)
}

func call(u *code.Unit, in code.Insn) string {
	if name := refName(u, in); name != "" {
		return "call " + name
	}
	if in.OpCode.Source() == asm.RegSource {
		return fmt.Sprintf("callx r%d", in.Dst)
	}
	if in.IsBuiltinCall() {
		if name, ok := strings.CutPrefix(asm.BuiltinFunc(in.Constant).String(), "Fn"); ok {
			return fmt.Sprintf("call bpf%s#%d", snake(name), in.Constant)
		}
	}
	return "call " + hex(in.Constant)
}

// snake turns MapLookupElem into _map_lookup_elem.
func snake(name string) string {
	var b strings.Builder
	for _, r := range name {
		if unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func wideLoad(u *code.Unit, in code.Insn) string {
	name := refName(u, in)
	if name == "" {
		return fmt.Sprintf("r%d = %s ll", in.Dst, hex(in.Constant))
	}
	if in.Constant != 0 && in.Ref.Kind == code.RefTable {
		name += " + " + hex(in.Constant)
	}
	return fmt.Sprintf("r%d = %s ll", in.Dst, name)
}

// refName is the name of what in refers to, "" when it refers to nothing or to
// what only the file knows.
func refName(u *code.Unit, in code.Insn) string {
	i := int(in.Ref.Index)
	switch in.Ref.Kind {
	case code.RefFunc:
		if i >= 0 && i < len(u.Funcs) {
			return u.Funcs[i].Name
		}
	case code.RefExtern:
		if i >= 0 && i < len(u.Externs) {
			return u.Externs[i].Name
		}
	case code.RefTable:
		if i >= 0 && i < len(u.Tables) {
			return u.Tables[i].Name
		}
	default:
		return in.Reference()
	}
	return fmt.Sprintf("<no reference %d>", i)
}

// What package asm v0.22 knows of atomic operations and does not export.
const (
	fetchBit     = asm.FetchAdd ^ asm.AddAtomic
	loadAcquire  = asm.AtomicOp(0x1_0000)
	storeRelease = asm.AtomicOp(0x1_1000)
)

var atomicSigns = map[asm.AtomicOp]string{
	asm.AddAtomic: "+=", asm.AndAtomic: "&=", asm.OrAtomic: "|=", asm.XorAtomic: "^=",
}

var atomicNames = map[asm.AtomicOp]string{
	asm.AddAtomic: "add", asm.AndAtomic: "and", asm.OrAtomic: "or", asm.XorAtomic: "xor",
}

func atomic(in code.Insn) string {
	letter, bits := "r", "_64"
	if in.OpCode.Size() != asm.DWord {
		letter, bits = "w", "32_32"
	}
	typ, at := memType(in.OpCode), address(in.Dst, in.Offset)
	src := fmt.Sprint(letter, uint8(in.Src))
	switch op := in.OpCode.AtomicOp(); op {
	case asm.AddAtomic, asm.AndAtomic, asm.OrAtomic, asm.XorAtomic:
		return fmt.Sprintf("lock *(%s *)(%s) %s %s", typ, at, atomicSigns[op], src)
	case asm.FetchAdd, asm.FetchAnd, asm.FetchOr, asm.FetchXor:
		return fmt.Sprintf("%s = atomic_fetch_%s((%s *)(%s), %s)", src, atomicNames[op&^fetchBit], typ, at, src)
	case asm.Xchg:
		return fmt.Sprintf("%s = xchg%s(%s, %s)", src, bits, at, src)
	case asm.CmpXchg:
		return fmt.Sprintf("%s0 = cmpxchg%s(%s, %s0, %s)", letter, bits, at, letter, src)
	case loadAcquire:
		return fmt.Sprintf("%s%d = load_acquire((%s *)(%s))", letter, in.Dst, typ, address(in.Src, in.Offset))
	case storeRelease:
		return fmt.Sprintf("store_release((%s *)(%s), %s)", typ, at, src)
	}
	return unknown(in)
}

func memType(op asm.OpCode) string {
	sign := "u"
	if op.Mode() == asm.MemSXMode {
		sign = "s"
	}
	return fmt.Sprint(sign, 8*op.Size().Sizeof())
}

func address(base asm.Register, offset int16) string {
	if offset < 0 {
		return fmt.Sprintf("r%d - 0x%x", base, -int32(offset))
	}
	return fmt.Sprintf("r%d + 0x%x", base, offset)
}

func hex(v int64) string {
	if v < 0 {
		return fmt.Sprintf("-0x%x", -uint64(v))
	}
	return fmt.Sprintf("0x%x", v)
}

// unknown is all that can be said of an instruction that is not in the
// instruction set as this package knows it.
func unknown(in code.Insn) string {
	return fmt.Sprintf("<opcode 0x%x dst r%d src r%d offset %d constant %s>",
		uint32(in.OpCode), in.Dst, in.Src, in.Offset, hex(in.Constant))
}
