package verifier

import (
	"regexp"
	"strings"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
)

// The assembler also reads the dialect of the public conformance tests
// (github.com/Alan-Jowett/bpf_conformance, from ubpf): a mnemonic and operands. It has
// no names for some of the instructions; ours are
//
//	lock load_acquire8 %r0, [%r1+2]       (8, 16, 32, 64 or no number)
//	lock store_release8 [%r1+2], %r0
//	may_goto label
//	lddw %r1, func_by_label(label)        (as it has map_by_fd)
var (
	mnemonicLine = regexp.MustCompile(`^(lock )?([a-z_0-9]+)(?: (.*))?$`)
	memoryPlace  = regexp.MustCompile(`^\[%?r(\d+)([-+]\w+)?\]$`)
	accessName   = regexp.MustCompile(`^(ldxs|ldx|stx|st)(b|h|w|dw)$`)
	mnemonicSize = regexp.MustCompile(`^(.*?)(8|16|32|64|)$`)
	byName       = regexp.MustCompile(`^(map_by_fd|func_by_label)\((\w+)\)$`)
)

var mnemonicALU = map[string]asm.ALUOp{
	"add": asm.Add, "sub": asm.Sub, "mul": asm.Mul, "div": asm.Div, "sdiv": asm.SDiv, "mod": asm.Mod, "smod": asm.SMod,
	"and": asm.And, "or": asm.Or, "xor": asm.Xor, "lsh": asm.LSh, "rsh": asm.RSh, "arsh": asm.ArSh, "mov": asm.Mov, "neg": asm.Neg,
}

var mnemonicSX = map[string]asm.OpCode{
	"movsx832": signExtend(asm.MovSX8, asm.ALUClass), "movsx1632": signExtend(asm.MovSX16, asm.ALUClass),
	"movsx3232": signExtend(asm.MovSX32, asm.ALUClass), // which is no instruction
	"movsx864":  signExtend(asm.MovSX8, asm.ALU64Class), "movsx1664": signExtend(asm.MovSX16, asm.ALU64Class),
	"movsx3264": signExtend(asm.MovSX32, asm.ALU64Class),
}

func signExtend(op asm.ALUOp, class asm.Class) asm.OpCode {
	return asm.OpCode(class).SetALUOp(op).SetSource(asm.RegSource)
}

var mnemonicSwaps = map[string]asm.Instruction{
	"le16": asm.HostTo(asm.LE, 0, asm.Half), "le32": asm.HostTo(asm.LE, 0, asm.Word), "le64": asm.HostTo(asm.LE, 0, asm.DWord),
	"be16": asm.HostTo(asm.BE, 0, asm.Half), "be32": asm.HostTo(asm.BE, 0, asm.Word), "be64": asm.HostTo(asm.BE, 0, asm.DWord),
	"swap16": asm.BSwap(0, asm.Half), "swap32": asm.BSwap(0, asm.Word), "swap64": asm.BSwap(0, asm.DWord),
}

var mnemonicJumps = map[string]asm.JumpOp{
	"jeq": asm.JEq, "jne": asm.JNE, "jgt": asm.JGT, "jge": asm.JGE, "jlt": asm.JLT, "jle": asm.JLE, "jset": asm.JSet,
	"jsgt": asm.JSGT, "jsge": asm.JSGE, "jslt": asm.JSLT, "jsle": asm.JSLE,
}

var mnemonicAtomics = map[string]asm.AtomicOp{
	"add": asm.AddAtomic, "and": asm.AndAtomic, "or": asm.OrAtomic, "xor": asm.XorAtomic,
	"fetch_add": asm.FetchAdd, "fetch_and": asm.FetchAnd, "fetch_or": asm.FetchOr, "fetch_xor": asm.FetchXor,
	"xchg": asm.Xchg, "cmpxchg": asm.CmpXchg,
}

var mnemonicSizes = map[string]asm.Size{
	"b": asm.Byte, "h": asm.Half, "w": asm.Word, "dw": asm.DWord, "8": asm.Byte, "16": asm.Half, "32": asm.Word,
	"64": asm.DWord, "": asm.DWord,
}

// mnemonic assembles one line of that dialect and tells whether it could.
func (a *assembler) mnemonic(s string) bool {
	m := mnemonicLine.FindStringSubmatch(s)
	if m == nil {
		return false
	}
	var operands []string
	if m[3] != "" {
		operands = strings.Split(m[3], ", ")
	}
	switch name := m[2]; {
	case m[1] != "":
		return len(operands) == 2 && a.lock(name, operands[0], operands[1])
	case len(operands) == 0:
		return name == "exit" && a.emit(asm.Return())
	case strings.HasPrefix(name, "ld"), strings.HasPrefix(name, "st"):
		return len(operands) == 2 && a.loadOrStore(name, operands[0], operands[1])
	case name == "call":
		return a.mnemonicCall(operands[0])
	case name == "may_goto":
		return a.branch(asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.JCOND)}, operands[0])
	case name[0] == 'j':
		return a.mnemonicJump(name, operands)
	default:
		return a.mnemonicALU(name, operands)
	}
}

// source sets an instruction's second operand, a register or a number.
func source(ins asm.Instruction, operand string) asm.Instruction {
	if r, ok := strings.CutPrefix(operand, "%"); ok {
		ins.OpCode, ins.Src = ins.OpCode.SetSource(asm.RegSource), register(r)
	} else {
		ins.Constant = int64(int32(number(operand)))
	}
	return ins
}

// wideOr32 splits the number of bits off a mnemonic.
func wideOr32(name string, wide, narrow asm.Class) (string, asm.OpCode) {
	if short, ok := strings.CutSuffix(name, "32"); ok {
		return short, asm.OpCode(narrow)
	}
	return name, asm.OpCode(wide)
}

func (a *assembler) mnemonicALU(name string, operands []string) bool {
	dst := register(operands[0][1:])
	if ins, ok := mnemonicSwaps[name]; ok {
		ins.Dst = dst
		return a.emit(ins)
	}
	if op, ok := mnemonicSX[name]; ok {
		return a.emit(source(asm.Instruction{OpCode: op, Dst: dst}, operands[1]))
	}
	name, class := wideOr32(name, asm.ALU64Class, asm.ALUClass)
	op, ok := mnemonicALU[name]
	ins := asm.Instruction{OpCode: class.SetALUOp(op), Dst: dst}
	if name != "neg" {
		ins = source(ins, operands[1])
	}
	return ok && a.emit(ins)
}

func (a *assembler) mnemonicJump(name string, operands []string) bool {
	name, class := wideOr32(name, asm.JumpClass, asm.Jump32Class)
	if name == "ja" {
		return a.branch(asm.Instruction{OpCode: class.SetJumpOp(asm.Ja)}, operands[0])
	}
	op, ok := mnemonicJumps[name]
	ins := asm.Instruction{OpCode: class.SetJumpOp(op), Dst: register(operands[0][1:])}
	return ok && len(operands) == 3 && a.branch(source(ins, operands[1]), operands[2])
}

func (a *assembler) mnemonicCall(target string) bool {
	if name, ok := strings.CutPrefix(target, "local "); ok {
		call := asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoCall}
		return a.emit(call) && a.refer(name)
	}
	return a.emit(asm.BuiltinFunc(number(strings.TrimPrefix(target, "helper "))).Call())
}

// memoryAt is the register and the offset of "[%r1+2]".
func memoryAt(operand string) (r asm.Register, off int16, ok bool) {
	m := memoryPlace.FindStringSubmatch(operand)
	if m == nil {
		return 0, 0, false
	}
	if m[2] != "" {
		off = int16(number(m[2]))
	}
	return register(m[1]), off, true
}

func (a *assembler) loadOrStore(name, first, second string) bool {
	if name == "lddw" {
		return a.loadWide(register(first[1:]), second)
	}
	m := accessName.FindStringSubmatch(name)
	if m == nil {
		return false
	}
	size, place := mnemonicSizes[m[2]], first
	if strings.HasPrefix(name, "ld") {
		place = second
	}
	r, off, ok := memoryAt(place)
	switch m[1] {
	case "ldx":
		return ok && a.emit(asm.LoadMem(register(first[1:]), r, off, size))
	case "ldxs":
		return ok && a.emit(asm.LoadMemSX(register(first[1:]), r, off, size))
	case "stx":
		return ok && a.emit(asm.StoreMem(r, off, register(second[1:]), size))
	}
	return ok && a.emit(source(asm.Instruction{OpCode: asm.StoreImmOp(size), Dst: r, Offset: off}, second))
}

func (a *assembler) loadWide(dst asm.Register, operand string) bool {
	if m := byName.FindStringSubmatch(operand); m != nil {
		return a.emit(asm.LoadImm(dst, 0, asm.DWord)) && a.refer(m[2])
	}
	return a.emit(asm.LoadImm(dst, number(operand), asm.DWord))
}

func (a *assembler) lock(name, first, second string) bool {
	m := mnemonicSize.FindStringSubmatch(name)
	size := mnemonicSizes[m[2]]
	if m[1] == "load_acquire" {
		r, off, ok := memoryAt(second)
		return ok && a.emit(asm.LoadAcquire(register(first[1:]), r, size, off))
	}
	r, off, ok := memoryAt(first)
	if !ok {
		return false
	}
	if m[1] == "store_release" {
		return a.emit(asm.StoreRelease(r, register(second[1:]), size, off))
	}
	op, ok := mnemonicAtomics[m[1]]
	return ok && a.emit(op.Mem(r, register(second[1:]), size, off))
}

// functionLabels are the labels that are called or whose address is taken.
var functionLabels = regexp.MustCompile(`(?m)(?:^call local |func_by_label\()(\w+)`)

// withFunctions makes text in that dialect one where a label that is called starts a
// function, as this assembler wants it. The code before them is the function "case".
func withFunctions(text string) string {
	text = regexp.MustCompile(`(?m) *(#.*)?$`).ReplaceAllString(text, "")
	starts := map[string]bool{}
	for _, m := range functionLabels.FindAllStringSubmatch(text, -1) {
		starts[m[1]] = true
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if name, ok := strings.CutSuffix(line, ":"); ok && starts[name] {
			lines[i] = ".static " + name
		}
	}
	if starts["case"] {
		return strings.Join(lines, "\n")
	}
	return ".static case\n" + strings.Join(lines, "\n")
}

// decodeRaw makes instructions of the words of a "raw" section, as the public tests have
// them: from the lowest bit 8 bits of operation, 4 and 4 of registers, 16 of offset, 32
// of constant. What cilium/ebpf has operations of its own for stays an offset here.
func decodeRaw(words []uint64) []code.Insn {
	var insns []code.Insn
	var starts []int // the instruction of each word
	var ends []int   // the word after each instruction
	for i := 0; i < len(words); i++ {
		w := words[i]
		ins := code.New(asm.Instruction{
			OpCode: asm.OpCode(w & 0xff), Dst: asm.Register(w >> 8 & 0xf), Src: asm.Register(w >> 12 & 0xf),
			Offset: int16(w >> 16), Constant: int64(int32(w >> 32)),
		})
		starts = append(starts, len(insns))
		if ins.OpCode.IsDWordLoad() && i+1 < len(words) {
			i++
			starts = append(starts, len(insns))
			ins.Constant = int64(words[i]&^0xffff_ffff | w>>32)
		}
		if ins.OpCode.AtomicOp() != asm.InvalidAtomic {
			ins.OpCode |= asm.OpCode(ins.Constant << 8)
		}
		ends = append(ends, i+1)
		insns = append(insns, ins)
	}
	for i := range insns {
		in := &insns[i]
		distance := int(in.Offset)
		if in.IsLongGoto() {
			distance = int(in.Constant)
		}
		if target := ends[i] + distance; in.IsBranch() && target >= 0 && target < len(starts) {
			in.Target = int32(starts[target])
		}
	}
	return insns
}
