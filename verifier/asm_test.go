package verifier

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/code"
)

// assemble makes a unit of text in the assembler syntax of LLVM and of the
// kernel's log. A function starts with ".program NAME", ".static NAME" or
// ".global NAME"; text before the first one is the program "main". A comment
// starts with a semicolon.
func assemble(t testing.TB, order binary.ByteOrder, text string) *code.Unit {
	t.Helper()
	return assembleAll(t, order, text).unit
}

// assembleAll is assemble for a text that has maps: ".map NAME TYPE KEYSIZE VALUESIZE
// ENTRIES" with the kernel's number for the type. A wide load of one's address has its
// number there as if that were a descriptor.
func assembleAll(t testing.TB, order binary.ByteOrder, text string) *assembler {
	t.Helper()
	a := &assembler{unit: &code.Unit{Order: order}, funcs: map[string]int32{}}
	for _, line := range strings.Split(text, "\n") {
		if m := funcLine.FindStringSubmatch(line); m != nil {
			a.funcs[m[2]] = int32(len(a.funcs))
		}
	}
	if len(a.funcs) == 0 {
		a.funcs["main"] = 0
		a.start(code.Program, "main")
	}
	for n, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, ";")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		require.True(t, a.line(line), "line %d is no instruction: %s", n+1, line)
	}
	a.finish(t)
	return a
}

type assembler struct {
	unit   *code.Unit
	f      *code.Func
	funcs  map[string]int32
	labels map[string]int32
	jumps  map[int]string
	missed []string
	maps   []*Map
}

var linkages = map[string]code.Linkage{"program": code.Program, "static": code.Static, "global": code.Global}

func (a *assembler) start(linkage code.Linkage, name string) {
	a.resolve()
	a.f = &code.Func{Name: name, Linkage: linkage}
	a.unit.Funcs = append(a.unit.Funcs, a.f)
	a.labels, a.jumps = map[string]int32{}, map[int]string{}
}

// resolve gives the branches of the current function their targets.
func (a *assembler) resolve() {
	for i, label := range a.jumps {
		target, ok := a.labels[label]
		if !ok {
			a.missed = append(a.missed, label)
		}
		a.f.Insns[i].Target = target
	}
}

func (a *assembler) finish(t testing.TB) {
	t.Helper()
	a.resolve()
	require.Empty(t, a.missed, "labels that are nowhere")
	for _, f := range a.unit.Funcs {
		for i := range f.Insns {
			f.Insns[i].Origin = int32(i)
		}
	}
}

func (a *assembler) emit(ins asm.Instruction) bool {
	if ins.OpCode == asm.InvalidOpCode {
		return false
	}
	if op := ins.OpCode.AtomicOp(); op != asm.InvalidAtomic {
		ins.Constant = int64(op >> 8) // what cilium/ebpf writes; its own constructors leave it 0
	}
	a.f.Insns = append(a.f.Insns, code.New(ins))
	return true
}

func (a *assembler) branch(ins asm.Instruction, label string) bool {
	a.jumps[len(a.f.Insns)] = label
	return a.emit(ins)
}

var (
	mapLine    = regexp.MustCompile(`^\.map (\w+) +(\d+) +(\d+) +(\d+) +(\d+)$`)
	funcLine   = regexp.MustCompile(`^\.(program|static|global) (\w+)$`)
	labelLine  = regexp.MustCompile(`^(\w+):$`)
	aluLine    = regexp.MustCompile(`^([rw])(\d+) (s?(?:>>|/|%)|<<|[-+*/&|^]|)= ([rw]\d+|[-+]?\d\w*)$`)
	wideLine   = regexp.MustCompile(`^r(\d+) = ([-+]?\d\w*) ll$`)
	addrLine   = regexp.MustCompile(`^r(\d+) = &(\w+)$`)
	movsxLine  = regexp.MustCompile(`^([rw])(\d+) = \(s(8|16|32)\) ?[rw](\d+)$`)
	negLine    = regexp.MustCompile(`^([rw])(\d+) = -[rw](\d+)$`)
	swapLine   = regexp.MustCompile(`^r(\d+) = (le|be|bswap)(16|32|64) r(\d+)$`)
	loadLine   = regexp.MustCompile(`^[rw](\d+) = \*\(([us])(8|16|32|64) \*\)\(r(\d+) ([-+] \d+)\)$`)
	storeLine  = regexp.MustCompile(`^(lock )?\*\(u(8|16|32|64) \*\)\(r(\d+) ([-+] \d+)\) ([-+&|^]?)= ([rw]\d+|[-+]?\d\w*)$`)
	fetchLine  = regexp.MustCompile(`^[rw](\d+) = atomic_fetch_(add|and|or|xor)\(\(u(32|64) \*\)\(r(\d+) ([-+] \d+)\), [rw](\d+)\)$`)
	xchgLine   = regexp.MustCompile(`^[rw](\d+) = xchg(_64|32_32)\(r(\d+) ([-+] \d+), [rw](\d+)\)$`)
	cmpLine    = regexp.MustCompile(`^[rw]0 = cmpxchg(_64|32_32)\(r(\d+) ([-+] \d+), [rw]0, [rw](\d+)\)$`)
	branchLine = regexp.MustCompile(`^if ([rw])(\d+) (s?[<>]=?|==|!=|&) ([rw]\d+|[-+]?\d\w*) goto (\w+)$`)
	gotoLine   = regexp.MustCompile(`^(goto|gotol) (\w+)$`)
	callLine   = regexp.MustCompile(`^call (\w+)$`)
)

var aluOps = map[string]asm.ALUOp{
	"+": asm.Add, "-": asm.Sub, "*": asm.Mul, "/": asm.Div, "s/": asm.SDiv, "%": asm.Mod, "s%": asm.SMod,
	"&": asm.And, "|": asm.Or, "^": asm.Xor, "<<": asm.LSh, ">>": asm.RSh, "s>>": asm.ArSh, "": asm.Mov,
}

var jumpOps = map[string]asm.JumpOp{
	"==": asm.JEq, "!=": asm.JNE, ">": asm.JGT, ">=": asm.JGE, "<": asm.JLT, "<=": asm.JLE,
	"s>": asm.JSGT, "s>=": asm.JSGE, "s<": asm.JSLT, "s<=": asm.JSLE, "&": asm.JSet,
}

var sizes = map[string]asm.Size{"8": asm.Byte, "16": asm.Half, "32": asm.Word, "64": asm.DWord, "_64": asm.DWord, "32_32": asm.Word}

func number(s string) int64 {
	s = strings.ReplaceAll(s, " ", "")
	if v, err := strconv.ParseInt(s, 0, 64); err == nil {
		return v
	}
	v, err := strconv.ParseUint(s, 0, 64)
	if err != nil {
		panic(fmt.Sprintf("%q is no number", s))
	}
	return int64(v)
}

func register(s string) asm.Register { return asm.Register(number(strings.TrimLeft(s, "rw"))) }

func isRegister(s string) bool { return s[0] == 'r' || s[0] == 'w' }

// line assembles one line and tells whether it could.
func (a *assembler) line(s string) bool {
	if m := funcLine.FindStringSubmatch(s); m != nil {
		a.start(linkages[m[1]], m[2])
		return true
	}
	if m := labelLine.FindStringSubmatch(s); m != nil {
		a.labels[m[1]] = int32(len(a.f.Insns))
		return true
	}
	if m := mapLine.FindStringSubmatch(s); m != nil {
		a.maps = append(a.maps, &Map{
			Name: m[1], Type: ebpf.MapType(number(m[2])),
			KeySize: int(number(m[3])), ValueSize: int(number(m[4])), MaxEntries: int(number(m[5])),
		})
		return true
	}
	return a.alu(s) || a.memory(s) || a.atomic(s) || a.control(s) || a.mnemonic(s)
}

func (a *assembler) alu(s string) bool {
	wide := func(r string) asm.Class {
		if r == "r" {
			return asm.ALU64Class
		}
		return asm.ALUClass
	}
	switch {
	case aluLine.MatchString(s):
		m := aluLine.FindStringSubmatch(s)
		ins := asm.Instruction{OpCode: asm.OpCode(wide(m[1])).SetALUOp(aluOps[m[3]]), Dst: register(m[2])}
		if isRegister(m[4]) {
			ins.OpCode, ins.Src = ins.OpCode.SetSource(asm.RegSource), register(m[4])
		} else {
			ins.Constant = number(m[4])
		}
		return a.emit(ins)
	case movsxLine.MatchString(s):
		m := movsxLine.FindStringSubmatch(s)
		op := map[string]asm.ALUOp{"8": asm.MovSX8, "16": asm.MovSX16, "32": asm.MovSX32}[m[3]]
		code := asm.OpCode(wide(m[1])).SetALUOp(op).SetSource(asm.RegSource)
		return a.emit(asm.Instruction{OpCode: code, Dst: register(m[2]), Src: register(m[4])})
	case negLine.MatchString(s):
		m := negLine.FindStringSubmatch(s)
		return m[2] == m[3] && a.emit(asm.Instruction{OpCode: asm.OpCode(wide(m[1])).SetALUOp(asm.Neg), Dst: register(m[2])})
	case swapLine.MatchString(s):
		m := swapLine.FindStringSubmatch(s)
		switch m[2] {
		case "le":
			return a.emit(asm.HostTo(asm.LE, register(m[1]), sizes[m[3]]))
		case "be":
			return a.emit(asm.HostTo(asm.BE, register(m[1]), sizes[m[3]]))
		}
		return a.emit(asm.BSwap(register(m[1]), sizes[m[3]]))
	}
	return false
}

func (a *assembler) memory(s string) bool {
	switch {
	case wideLine.MatchString(s):
		m := wideLine.FindStringSubmatch(s)
		return a.emit(asm.LoadImm(register(m[1]), number(m[2]), asm.DWord))
	case loadLine.MatchString(s):
		m := loadLine.FindStringSubmatch(s)
		ins := asm.LoadMem(register(m[1]), register(m[4]), int16(number(m[5])), sizes[m[3]])
		if m[2] == "s" {
			ins.OpCode = ins.OpCode.SetMode(asm.MemSXMode)
		}
		return a.emit(ins)
	case storeLine.MatchString(s):
		m := storeLine.FindStringSubmatch(s)
		base, off, size := register(m[3]), int16(number(m[4])), sizes[m[2]]
		switch {
		case m[1] != "":
			op := map[string]asm.AtomicOp{"+": asm.AddAtomic, "&": asm.AndAtomic, "|": asm.OrAtomic, "^": asm.XorAtomic}[m[5]]
			return m[5] != "" && m[5] != "-" && a.emit(op.Mem(base, register(m[6]), size, off))
		case m[5] != "":
			return false
		case isRegister(m[6]):
			return a.emit(asm.StoreMem(base, off, register(m[6]), size))
		}
		return a.emit(asm.Instruction{OpCode: asm.StoreImmOp(size), Dst: base, Offset: off, Constant: number(m[6])})
	}
	return false
}

func (a *assembler) atomic(s string) bool {
	switch {
	case fetchLine.MatchString(s):
		m := fetchLine.FindStringSubmatch(s)
		op := map[string]asm.AtomicOp{"add": asm.FetchAdd, "and": asm.FetchAnd, "or": asm.FetchOr, "xor": asm.FetchXor}[m[2]]
		return m[1] == m[6] && a.emit(op.Mem(register(m[4]), register(m[1]), sizes[m[3]], int16(number(m[5]))))
	case xchgLine.MatchString(s):
		m := xchgLine.FindStringSubmatch(s)
		return m[1] == m[5] && a.emit(asm.Xchg.Mem(register(m[3]), register(m[1]), sizes[m[2]], int16(number(m[4]))))
	case cmpLine.MatchString(s):
		m := cmpLine.FindStringSubmatch(s)
		return a.emit(asm.CmpXchg.Mem(register(m[2]), register(m[4]), sizes[m[1]], int16(number(m[3]))))
	}
	return false
}

func (a *assembler) control(s string) bool {
	switch {
	case s == "exit":
		return a.emit(asm.Return())
	case gotoLine.MatchString(s):
		m := gotoLine.FindStringSubmatch(s)
		class := asm.JumpClass
		if m[1] == "gotol" {
			class = asm.Jump32Class
		}
		return a.branch(asm.Instruction{OpCode: asm.OpCode(class).SetJumpOp(asm.Ja)}, m[2])
	case branchLine.MatchString(s):
		m := branchLine.FindStringSubmatch(s)
		class := asm.JumpClass
		if m[1] == "w" {
			class = asm.Jump32Class
		}
		ins := asm.Instruction{OpCode: asm.OpCode(class).SetJumpOp(jumpOps[m[3]]), Dst: register(m[2])}
		if isRegister(m[4]) {
			ins.OpCode, ins.Src = ins.OpCode.SetSource(asm.RegSource), register(m[4])
		} else {
			ins.Constant = number(m[4])
		}
		return a.branch(ins, m[5])
	case addrLine.MatchString(s):
		m := addrLine.FindStringSubmatch(s)
		return a.emit(asm.LoadImm(register(m[1]), 0, asm.DWord)) && a.refer(m[2])
	case callLine.MatchString(s):
		m := callLine.FindStringSubmatch(s)
		if n, err := strconv.Atoi(m[1]); err == nil {
			return a.emit(asm.BuiltinFunc(n).Call())
		}
		call := asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoCall}
		return a.emit(call) && a.refer(m[1])
	}
	return false
}

// refer makes the last instruction refer to a function or a map of the text, or to
// an extern or a table that is thereby declared.
func (a *assembler) refer(name string) bool {
	in := &a.f.Insns[len(a.f.Insns)-1]
	if fn, ok := a.funcs[name]; ok {
		in.Ref = code.Ref{Kind: code.RefFunc, Index: fn}
		return true
	}
	for i, mp := range a.maps {
		if mp.Name == name {
			in.Src, in.Constant = asm.PseudoMapFD, int64(i)
			return true
		}
	}
	if in.IsCall() {
		a.unit.Externs = append(a.unit.Externs, code.Extern{Name: name})
		in.Ref = code.Ref{Kind: code.RefExtern, Index: int32(len(a.unit.Externs) - 1)}
		return true
	}
	a.unit.Tables = append(a.unit.Tables, code.Table{Name: name, Data: []byte{1, 2, 3, 4, 5, 6, 7, 8}})
	in.Ref = code.Ref{Kind: code.RefTable, Index: int32(len(a.unit.Tables) - 1)}
	return true
}
