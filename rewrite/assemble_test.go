package rewrite_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"strings"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/layouts"
)

// choices is where a generator's chance comes from: bytes that a fuzzer has
// found, one or two for each choice. After the last all choices are 0, so that
// any bytes are a program, and fewer a smaller one.
type choices struct{ rest []byte }

func (c *choices) n(limit int) int {
	v := 0
	for k := 1; k < limit; k <<= 8 {
		b := byte(0)
		if len(c.rest) > 0 {
			b, c.rest = c.rest[0], c.rest[1:]
		}
		v = v<<8 | int(b)
	}
	return v % max(limit, 1)
}

// holds is what the program has in a register or a slot.
type holds uint8

const (
	unset  holds = iota // nothing, or what is of no use any more
	scalar              // a number
	hintAt              // a pointer into the hint struct
	ctxAt               // the XDP context
)

// held says of a pointer how far into the struct it points.
type held struct {
	kind   holds
	lo, hi int
}

// An assembler makes programs that read hints, instruction by instruction, in
// ways that clang has never been seen to choose: the grammar is the list in
// statement. Whatever the choices are, the program is right: it reads what is
// written, stays in its memory and ends. Everything it comes to know goes into
// what it returns.
type assembler struct {
	*choices
	assembly
	nic     nic
	rx      *btf.Struct // struct hintjit_rx
	members []leaf
	extern  btf.Type
	v4      bool
	touch   bool // the programs move and overwrite the metadata area
	kernel  bool // a kernel is to take the program, and to do the same each time

	f      *code.Func
	kinds  [][]holds // of the parameters, by function
	regs   [10]held
	slots  map[int]held // by offset from r10
	low    int          // where the slots start, below r10
	loops  int          // loops around
	budget int          // statements that may still be written
	ended  bool         // control does not come here
}

// leaf is a member that a load may read.
type leaf struct {
	name   string
	access []int
	offset int // bits, in BTF's counting
	bits   int
	field  bool // a bit-field
}

// assemble makes the program of some choices, for a NIC.
func assemble(c *choices, n nic, order binary.ByteOrder, kernel bool) *assembler {
	a := &assembler{choices: c, nic: n, kernel: kernel}
	a.order = order
	a.v4, a.touch = c.n(2) == 1, c.n(3) == 1
	a.structure()
	constant := &btf.Pointer{Target: &btf.Const{Type: a.rx}}
	a.extern = &btf.Func{Name: "hintjit_rx", Linkage: btf.ExternFunc,
		Type: &btf.FuncProto{Return: constant, Params: []btf.FuncParam{{Name: "ctx", Type: ctxPointer}}}}
	a.types = []btf.Type{a.rx, &btf.Datasec{Name: ".ksyms", Vars: []btf.VarSecinfo{{Type: a.extern}}}}
	linkages := []code.Linkage{code.Static, code.Global}
	for i := range c.n(4) {
		var params []holds
		if c.n(3) == 1 {
			params = append(params, ctxAt)
		}
		for range 1 + c.n(2) {
			params = append(params, []holds{hintAt, scalar}[c.n(2)])
		}
		a.function(fmt.Sprintf("sub_%d", i), ".text", linkages[c.n(2)], params, 6)
	}
	a.function("prog", "xdp", code.Program, []holds{ctxAt}, 24)
	return a
}

// What all programs are declared with.
var (
	u64Type    = &btf.Int{Name: "unsigned long long", Size: 8}
	u32Type    = &btf.Int{Name: "unsigned int", Size: 4}
	ctxPointer = &btf.Pointer{Target: &btf.Struct{Name: "xdp_md", Size: 24, Members: xdpMembers()}}
)

func xdpMembers() (out []btf.Member) {
	for i, name := range []string{"data", "data_end", "data_meta", "ingress_ifindex", "rx_queue_index", "egress_ifindex"} {
		out = append(out, btf.Member{Name: name, Type: u32Type, Offset: btf.Bits(32 * i)})
	}
	return out
}

// structure declares some hints, where a compiler would put them and where it
// would not.
func (a *assembler) structure() {
	a.rx = &btf.Struct{Name: "hintjit_rx"}
	names, declared := a.nic.descriptor.Hints, map[string]bool{}
	bit := 0
	align := func(n int) {
		if a.kernel || a.n(8) != 1 { // packed
			bit = (bit + n - 1) / n * n
		}
	}
	member := func(to *[]btf.Member, path []int, base int, m btf.Member, bits int, field bool) {
		path = append(append([]int{0}, path...), len(*to))
		*to = append(*to, m)
		a.members = append(a.members, leaf{m.Name, path, base + int(m.Offset), bits, field})
	}
	value := func(to *[]btf.Member, path []int, base int) {
		name, decl := "", layouts.Declaration{Bytes: 1 << a.n(4)}
		switch a.n(4) {
		case 0, 1:
			h := names[a.n(len(names))]
			name, decl = h.Name, h.Decl
		case 2:
			h := layouts.StandardHints[a.n(len(layouts.StandardHints))]
			name, decl = h.Name, h.Decl
		default:
			name = fmt.Sprintf("unheard_of_%d", len(a.members))
		}
		if declared[name] {
			name, decl = fmt.Sprintf("unheard_of_%d", len(a.members)), layouts.Declaration{Bytes: decl.Bytes}
		}
		declared[name] = true
		align(8 * decl.Bytes)
		member(to, path, base, btf.Member{Name: name, Type: integer(decl.Bytes), Offset: btf.Bits(bit - base)}, 8*decl.Bytes, false)
		bit += 8 * decl.Bytes
	}
	presence := func(to *[]btf.Member, path []int, base int) {
		bytes := 1 << a.n(4)
		align(8 * bytes)
		holder := bit
		bit += a.n(3)
		for range 1 + a.n(6) {
			name := "has_" + names[a.n(len(names))].Name
			if declared[name] || bit >= holder+8*bytes {
				continue
			}
			declared[name] = true
			member(to, path, base, btf.Member{Name: name, Type: integer(bytes), Offset: btf.Bits(bit - base), BitfieldSize: 1}, 1, true)
			bit += 1 + a.n(2)
		}
		bit = (max(bit, holder+1) + 7) / 8 * 8
	}
	for range 1 + a.n(10) {
		some := []func(*[]btf.Member, []int, int){value, presence}
		switch a.n(8) {
		case 1: // an anonymous struct, or one beside other names for its memory
			align(64)
			base := (bit + 7) / 8 * 8
			bit = base
			path := []int{len(a.rx.Members)}
			in := &btf.Struct{}
			for range 1 + a.n(3) {
				some[a.n(2)](&in.Members, path, base)
			}
			bit = (max(bit, base+1) + 63) / 64 * 64
			in.Size = uint32((bit - base) / 8)
			a.rx.Members = append(a.rx.Members, btf.Member{Type: in, Offset: btf.Bits(base)})
		case 2:
			base := (bit + 63) / 64 * 64
			bit = base
			path := []int{len(a.rx.Members), 0}
			in := &btf.Struct{}
			presence(&in.Members, path, base)
			in.Size = 8
			union := &btf.Union{Size: 8, Members: []btf.Member{{Type: in}, {Name: "all_" + fmt.Sprint(base), Type: u64Type}}}
			a.rx.Members = append(a.rx.Members, btf.Member{Type: union, Offset: btf.Bits(base)})
			bit = base + 64
		case 3:
			bit += 8 * a.n(40) // nothing
		default:
			some[a.n(2)](&a.rx.Members, nil, 0)
		}
	}
	if len(a.members) == 0 {
		value(&a.rx.Members, nil, 0)
	}
	a.rx.Size = uint32((bit + 63) / 64 * 8)
}

func (a *assembler) size() int { return int(a.rx.Size) }

// function writes a function. The context lies in a slot of its own.
func (a *assembler) function(name, section string, linkage code.Linkage, params []holds, budget int) {
	proto := &btf.FuncProto{Return: u32Type}
	for i, kind := range params {
		t := map[holds]btf.Type{scalar: u64Type, ctxAt: ctxPointer, hintAt: &btf.Pointer{Target: &btf.Const{Type: a.rx}}}[kind]
		proto.Params = append(proto.Params, btf.FuncParam{Name: fmt.Sprintf("p%d", i), Type: t})
	}
	link := map[code.Linkage]btf.FuncLinkage{code.Static: btf.StaticFunc, code.Global: btf.GlobalFunc, code.Program: btf.GlobalFunc}[linkage]
	a.f = &code.Func{Name: name, Section: section, Linkage: linkage, Type: &btf.Func{Name: name, Type: proto, Linkage: link}}
	a.regs, a.slots, a.ended, a.budget, a.loops = [10]held{}, map[int]held{}, false, budget, 0
	a.low = 32
	if linkage == code.Program && a.n(6) == 1 {
		a.low += 8 * a.n(40)
	}
	for i, kind := range params {
		r := asm.R1 + asm.Register(i)
		a.regs[r] = held{kind: kind}
		if kind == ctxAt {
			a.emit(asm.StoreMem(asm.R10, ctxSlot, r, asm.DWord))
		}
		if kind == hintAt && linkage == code.Global { // for which the kernel says that it may be NULL
			a.emit(asm.JNE.Imm(r, 0, ""))
			skip := len(a.f.Insns) - 1
			a.emit(asm.Mov.Imm(asm.R0, 0), asm.Return())
			a.here(skip)
		}
	}
	a.block(1 + a.n(budget))
	if !a.ended {
		a.leave()
	}
	a.funcs = append(a.funcs, a.f)
	a.kinds = append(a.kinds, params)
}

const ctxSlot = -8 // and the counters of loops lie below it

func (a *assembler) emit(insns ...asm.Instruction) {
	for _, in := range insns {
		a.f.Insns = append(a.f.Insns, code.New(in))
	}
}

// record hangs a CO-RE record on the last instruction.
func (a *assembler) record(kind code.COREKind, access []int, answer int) {
	last := len(a.f.Insns) - 1
	a.f.Insns[last].CORE = &code.CORE{Type: a.rx, Access: access, Kind: kind}
	a.answers = append(a.answers, answered{function: a.f.Name, insn: last, value: int64(answer)})
}

// here is where the branch at instruction i goes to.
func (a *assembler) here(i int) { a.f.Insns[i].Target = int32(len(a.f.Insns)) }

// branch writes a branch whose destination comes later.
func (a *assembler) branch(in asm.Instruction) int {
	a.emit(in)
	return len(a.f.Insns) - 1
}

// leave returns all that is known, but for what the choices leave out.
func (a *assembler) leave() {
	without := a.n(1 << 16)
	if a.regs[0].kind != scalar {
		a.emit(asm.Mov.Imm(asm.R0, 7))
	}
	mix := func(r asm.Register) { a.emit(asm.Mul.Imm(asm.R0, 0x01000193), asm.Xor.Reg(asm.R0, r)) }
	for r := asm.R1; r <= asm.R9; r++ {
		if a.regs[r].kind == scalar && without>>r&1 == 0 {
			mix(r)
		}
	}
	for i := range slotCount {
		if off := a.slot(i); a.slots[off].kind == scalar && without>>(10+i%6)&1 == 0 {
			a.emit(asm.LoadMem(asm.R1, asm.R10, int16(off), asm.DWord))
			mix(asm.R1)
		}
	}
	a.emit(asm.Mov.Reg(asm.R1, asm.R0), asm.RSh.Imm(asm.R1, 32), asm.Xor.Reg(asm.R0, asm.R1), asm.Return())
	a.ended = true
}

// slotCount is how many slots a function uses; more for copies of the struct.
const slotCount = 12

func (a *assembler) slot(i int) int { return -a.low - 8*i }

func (a *assembler) block(n int) {
	for range n {
		if a.budget <= 0 || a.ended {
			return
		}
		a.budget--
		a.statement()
	}
}

func (a *assembler) statement() {
	some := []func(){a.read, a.call, a.read, a.readField, a.calculate, a.compare, a.move, a.spill, a.fill, a.advance,
		a.exists, a.calculate, a.compare, a.copyStruct, a.helper, a.packet, a.partOfSlot, a.callFunction, a.loop, a.read, a.compareHint,
		a.atomic, a.computed, a.handOut, a.meta, a.adjust, a.leaveEarly, a.bytes, a.publish, a.byFrame, a.choose, a.callback}
	some[a.n(len(some))]()
}

// register chooses one to write; what it held is lost.
func (a *assembler) register() asm.Register { return asm.Register(a.n(10)) }

func (a *assembler) set(r asm.Register, kind holds) { a.regs[r] = held{kind: kind} }

// having lists the registers that hold a kind.
func (a *assembler) having(kind holds) (out []asm.Register) {
	for r := range a.regs {
		if a.regs[r].kind == kind {
			out = append(out, asm.Register(r))
		}
	}
	return out
}

// number is a register with a scalar, made when there is none.
func (a *assembler) number() asm.Register {
	if some := a.having(scalar); len(some) > 0 {
		return some[a.n(len(some))]
	}
	r := a.register()
	a.emit(asm.Mov.Imm(r, int32(a.n(1<<16))))
	a.set(r, scalar)
	return r
}

// context brings the context into a register; only where a slot has it.
func (a *assembler) context(r asm.Register) bool {
	if a.f.Type.Type.(*btf.FuncProto).Params[0].Type != ctxPointer {
		return false
	}
	if some := a.having(ctxAt); len(some) > 0 && a.n(2) == 0 {
		a.emit(asm.Mov.Reg(r, some[0]))
	} else {
		a.emit(asm.LoadMem(r, asm.R10, ctxSlot, asm.DWord))
	}
	a.set(r, ctxAt)
	return true
}

// clobber forgets what calls overwrite.
func (a *assembler) clobber(result holds) {
	for r := asm.R1; r <= asm.R5; r++ {
		a.regs[r] = held{}
	}
	a.set(asm.R0, result)
}

// pointer is a register that points into the struct.
func (a *assembler) pointer() (asm.Register, bool) {
	if some := a.having(hintAt); len(some) > 0 {
		return some[a.n(len(some))], true
	}
	for i := range slotCount {
		if off := a.slot(i); a.slots[off].kind == hintAt {
			r := a.register()
			a.emit(asm.LoadMem(r, asm.R10, int16(off), asm.DWord))
			a.regs[r] = a.slots[off]
			return r, true
		}
	}
	a.call()
	return asm.R0, a.regs[0].kind == hintAt
}

// call calls hintjit_rx.
func (a *assembler) call() {
	if !a.context(asm.R1) {
		return
	}
	a.emit(asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoCall, Constant: -1})
	a.f.Insns[len(a.f.Insns)-1].Ref = code.Ref{Kind: code.RefExtern}
	a.clobber(hintAt)
	if a.n(2) == 0 {
		r := asm.R6 + asm.Register(a.n(4))
		a.emit(asm.Mov.Reg(r, asm.R0))
		a.regs[r] = a.regs[0]
	}
}

var sizes = []asm.Size{asm.Byte, asm.Half, asm.Word, asm.DWord}

// read loads a number through a pointer, mostly a member.
func (a *assembler) read() {
	h, ok := a.pointer()
	if !ok {
		return
	}
	p := a.regs[h]
	m := a.members[a.n(len(a.members))]
	size := sizes[a.n(4)]
	off := m.offset / 8
	if a.n(4) == 1 {
		off = a.n(a.size())
	} else if !m.field && a.n(3) > 0 {
		size = sizes[map[int]int{8: 0, 16: 1, 32: 2, 64: 3}[m.bits]]
	}
	at := off - p.lo
	n := size.Sizeof()
	if p.lo+at < 0 || p.hi+at+n > a.size() || a.kernel && (p.lo != p.hi || off%n != 0) {
		return
	}
	r := a.register()
	in := asm.LoadMem(r, h, int16(at), size)
	if a.v4 && size != asm.DWord && a.n(4) == 1 {
		in.OpCode = asm.LoadMemSXOp(size)
	}
	if p.lo == 0 && p.hi == 0 && off == m.offset/8 && !m.field && a.n(2) == 0 {
		a.emit(in)
		a.record(code.FieldByteOffset, m.access, off)
	} else {
		a.emit(in)
	}
	a.set(r, scalar)
}

// readField loads a bit-field and takes it out of what was loaded.
func (a *assembler) readField() {
	h, ok := a.pointer()
	m := a.members[a.n(len(a.members))]
	if !ok || !m.field || a.regs[h].lo != 0 || a.regs[h].hi != 0 {
		return
	}
	size := sizes[a.n(4)]
	bits := 8 * size.Sizeof()
	start := m.offset / bits * bits
	if m.offset+m.bits > start+bits || (start+bits)/8 > a.size() {
		return
	}
	r := a.register()
	if a.n(2) == 0 {
		a.emit(asm.LoadMem(r, h, int16(start/8), size))
	} else {
		a.emit(asm.LoadMem(r, h, int16(a.n(16)), size))
		a.record(code.FieldByteOffset, m.access, start/8)
	}
	a.set(r, scalar)
	low := m.offset - start
	if a.order == binary.BigEndian {
		low = bits - low - m.bits
	}
	switch a.n(3) {
	case 0:
		a.emit(asm.RSh.Imm(r, int32(low)), asm.And.Imm(r, int32(1<<m.bits-1)))
	case 1:
		a.emit(asm.LSh.Imm(r, int32(64-low-m.bits)), asm.RSh.Imm(r, int32(64-m.bits)))
	default:
		if low+m.bits > 31 {
			return
		}
		a.emit(asm.And.Imm(r, int32((1<<m.bits-1)<<low)))
	}
}

// exists asks what the NIC can give.
func (a *assembler) exists() {
	m := a.members[a.n(len(a.members))]
	r := a.register()
	a.emit(asm.Mov.Imm(r, 1))
	hint := strings.TrimPrefix(m.name, "has_")
	a.record(code.FieldExists, m.access, 0)
	a.answers[len(a.answers)-1].hint = hint
	a.set(r, scalar)
	if a.n(2) == 0 {
		a.diamond(asm.JEq.Imm(r, 0, ""))
	}
}

// computed adds a member's offset that a record tells to the pointer.
func (a *assembler) computed() {
	h, ok := a.pointer()
	m := a.members[a.n(len(a.members))]
	r := a.register()
	if !ok || m.field || r == h || a.regs[h].lo != 0 || a.regs[h].hi != 0 {
		return
	}
	a.emit(asm.Mov.Imm(r, int32(m.offset/8)))
	a.record(code.FieldByteOffset, m.access, m.offset/8)
	a.emit(asm.Add.Reg(r, h))
	a.regs[r] = held{hintAt, m.offset / 8, m.offset / 8}
}

// advance moves a pointer about in the struct, by a known number or another.
func (a *assembler) advance() {
	h, ok := a.pointer()
	if !ok {
		return
	}
	p := &a.regs[h]
	if a.n(3) > 0 {
		by := a.n(a.size()+1) - p.lo
		if p.hi+by > a.size() {
			return
		}
		if a.n(2) == 0 || a.kernel { // which subtracts nothing from pointers to the stack
			a.emit(asm.Add.Imm(h, int32(by)))
		} else {
			a.emit(asm.Sub.Imm(h, int32(-by)))
		}
		p.lo, p.hi = p.lo+by, p.hi+by
		return
	}
	n := a.number()
	mask := 1<<a.n(5) - 1
	if p.kind != hintAt || p.hi+mask > a.size() {
		return
	}
	a.emit(asm.And.Imm(n, int32(mask)), asm.Add.Reg(h, n))
	p.hi += mask
}

func (a *assembler) move() {
	r := a.register()
	from := asm.Register(a.n(10))
	if a.regs[from].kind == unset {
		a.emit(asm.LoadImm(r, int64(a.n(1<<16))<<a.n(48), asm.DWord))
		a.set(r, scalar)
		return
	}
	a.emit(asm.Mov.Reg(r, from))
	a.regs[r] = a.regs[from]
}

func (a *assembler) spill() {
	r, off := asm.Register(a.n(10)), a.slot(a.n(slotCount))
	if a.regs[r].kind == unset {
		a.emit(storeNumber(off, a.n(256)))
		a.slots[off] = held{kind: scalar}
		return
	}
	a.emit(asm.StoreMem(asm.R10, int16(off), r, asm.DWord))
	a.slots[off] = a.regs[r]
}

// storeNumber fills a slot; asm.StoreImm makes none of 8 bytes.
func storeNumber(off, n int) asm.Instruction {
	return asm.Instruction{OpCode: asm.OpCode(asm.StClass).SetMode(asm.MemMode).SetSize(asm.DWord), Dst: asm.R10, Offset: int16(off), Constant: int64(n)}
}

func (a *assembler) fill() {
	r, off := a.register(), a.slot(a.n(slotCount))
	if a.slots[off].kind == unset {
		return
	}
	a.emit(asm.LoadMem(r, asm.R10, int16(off), asm.DWord))
	a.regs[r] = a.slots[off]
}

// partOfSlot reads or writes a part of a number on the stack.
func (a *assembler) partOfSlot() {
	off, size := a.slot(a.n(slotCount)), sizes[a.n(3)]
	if a.slots[off].kind != scalar {
		return
	}
	at := int16(off + a.n(8/size.Sizeof())*size.Sizeof())
	if a.n(2) == 0 {
		a.emit(asm.StoreMem(asm.R10, at, a.number(), size))
		return
	}
	r := a.register()
	a.emit(asm.LoadMem(r, asm.R10, at, size))
	a.set(r, scalar)
}

func (a *assembler) atomic() {
	off, r := a.slot(a.n(slotCount)), a.number()
	if a.slots[off].kind != scalar {
		return
	}
	op := []asm.AtomicOp{asm.AddAtomic, asm.FetchAdd, asm.FetchAnd, asm.FetchOr, asm.FetchXor, asm.Xchg, asm.CmpXchg}[a.n(7)]
	if op == asm.CmpXchg && a.regs[0].kind != scalar {
		op = asm.Xchg
	}
	size := sizes[2+a.n(2)]
	a.emit(op.Mem(asm.R10, r, size, int16(off)))
}

func (a *assembler) calculate() {
	dst := a.number()
	wide := a.n(3) > 0
	ops := []asm.ALUOp{asm.Add, asm.And, asm.RSh, asm.LSh, asm.Or, asm.Xor, asm.Sub, asm.Mul, asm.Div, asm.Mod, asm.ArSh, asm.Mov,
		asm.Neg, asm.Swap}
	if a.v4 {
		ops = append(ops, asm.SDiv, asm.SMod, asm.MovSX8, asm.MovSX16, asm.MovSX32, asm.Swap)
	}
	choice := a.n(len(ops))
	op := ops[choice]
	in := asm.Instruction{Dst: dst, Src: a.number()}
	class := asm.ALUClass
	if wide {
		class = asm.ALU64Class
	}
	dst = in.Dst
	switch {
	case op == asm.Neg:
		in.Src = 0
		in.OpCode = asm.OpCode(class).SetALUOp(op)
	case op == asm.Swap:
		in = asm.HostTo([]asm.Endianness{asm.BE, asm.LE}[a.n(2)], dst, sizes[1+a.n(3)])
		if choice > 13 {
			in = asm.BSwap(dst, sizes[1+a.n(3)])
		}
	case op == asm.MovSX8, op == asm.MovSX16, op == asm.MovSX32:
		if op == asm.MovSX32 {
			class = asm.ALU64Class
		}
		in.OpCode = asm.OpCode(class).SetALUOp(op).SetSource(asm.RegSource)
	case a.n(2) == 0:
		in.OpCode = asm.OpCode(class).SetALUOp(op).SetSource(asm.RegSource)
		if op == asm.LSh || op == asm.RSh || op == asm.ArSh { // the kernel takes other amounts, and leaves open what they do
			a.emit(asm.And.Imm(in.Src, 31))
		}
	default:
		in.Src = 0
		in.OpCode = asm.OpCode(class).SetALUOp(op).SetSource(asm.ImmSource)
		in.Constant = int64(int32(a.constant()))
		switch op {
		case asm.LSh, asm.RSh, asm.ArSh:
			in.Constant &= 31
		case asm.Div, asm.Mod, asm.SDiv, asm.SMod:
			in.Constant = 1 + in.Constant&0xfff
		}
	}
	a.emit(in)
	a.set(dst, scalar)
}

// constant is a number that a hint may well have, a mask, or any.
func (a *assembler) constant() uint64 {
	switch a.n(5) {
	case 0:
		return uint64(a.n(256))
	case 1:
		return 1<<a.n(33) - 1
	case 2:
		return 1 << a.n(32)
	case 3:
		h := a.nic.descriptor.Hints[a.n(len(a.nic.descriptor.Hints))]
		alternative := h.Alternatives[a.n(len(h.Alternatives))]
		if alternative.Map == nil {
			return alternative.Value
		}
		var values []uint64
		for key := range uint64(256) {
			if v, ok := alternative.Map.Values[key]; ok {
				values = append(values, v)
			}
		}
		if len(values) > 0 {
			return values[a.n(len(values))]
		}
	}
	return uint64(a.n(1<<16))<<16 | uint64(a.n(1<<16))
}

var jumps = []asm.JumpOp{asm.JEq, asm.JNE, asm.JSet, asm.JGT, asm.JGE, asm.JLT, asm.JLE, asm.JSGT, asm.JSGE, asm.JSLT, asm.JSLE}

// compare branches on a number.
func (a *assembler) compare() {
	op, dst := jumps[a.n(len(jumps))], a.number()
	wide := a.n(3) > 0
	var in asm.Instruction
	if a.n(3) == 1 {
		if in = op.Reg(dst, a.number(), ""); !wide {
			in = op.Reg32(in.Dst, in.Src, "")
		}
	} else {
		if in = op.Imm(dst, int32(a.constant()), ""); !wide {
			in = op.Imm32(dst, int32(a.constant()), "")
		}
	}
	a.diamond(in)
}

// compareHint tests a pointer for NULL, which it is not.
func (a *assembler) compareHint() {
	h, ok := a.pointer()
	if !ok || a.regs[h].lo != a.regs[h].hi || a.regs[h].lo != 0 {
		return
	}
	a.diamond([]asm.JumpOp{asm.JEq, asm.JNE}[a.n(2)].Imm(h, 0, ""))
}

// diamond is an if with or without an else.
func (a *assembler) diamond(in asm.Instruction) {
	in = in.WithReference("")
	in.Offset = 0
	other := a.branch(in)
	regs, slots := a.regs, maps.Clone(a.slots)
	a.block(1 + a.n(4))
	thenRegs, thenSlots, thenEnded := a.regs, a.slots, a.ended
	if a.n(2) == 0 {
		a.here(other)
		a.regs, a.slots, a.ended = regs, slots, false
	} else {
		over := -1
		if !a.ended {
			over = a.branch(asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Ja)})
		}
		a.here(other)
		a.regs, a.slots, a.ended = regs, slots, false
		a.block(1 + a.n(3))
		if over >= 0 {
			a.here(over)
		}
	}
	switch {
	case thenEnded:
	case a.ended:
		a.regs, a.slots, a.ended = thenRegs, thenSlots, false
	default:
		a.join(thenRegs, thenSlots, true)
	}
}

// join leaves what is known on both ways here.
func (a *assembler) join(regs [10]held, slots map[int]held, widen bool) {
	meet := func(x, y held) held {
		switch {
		case x == y:
			return x
		case x.kind == hintAt && y.kind == hintAt && widen:
			return held{hintAt, min(x.lo, y.lo), max(x.hi, y.hi)}
		}
		return held{}
	}
	for r := range a.regs {
		a.regs[r] = meet(a.regs[r], regs[r])
	}
	for off := range a.slots {
		a.slots[off] = meet(a.slots[off], slots[off])
	}
}

// loop runs statements a few times. What the last of them leaves is what the
// first finds the next time, so they are written until that holds.
func (a *assembler) loop() {
	if a.loops == 2 {
		return
	}
	start, answers, rest, budget := len(a.f.Insns), len(a.answers), a.rest, a.budget
	counter := int16(ctxSlot - 8*(a.loops+1))
	for range 16 {
		regs, slots := a.regs, maps.Clone(a.slots)
		a.emit(storeNumber(int(counter), 1+a.n(3)))
		head := len(a.f.Insns)
		a.loops++
		a.block(1 + a.n(4))
		a.loops--
		if a.ended {
			return
		}
		r := a.register()
		a.emit(asm.LoadMem(r, asm.R10, counter, asm.DWord), asm.Add.Imm(r, -1), asm.StoreMem(asm.R10, counter, r, asm.DWord))
		a.set(r, scalar)
		back := a.branch(asm.JNE.Imm(r, 0, "").WithReference(""))
		a.f.Insns[back].Target = int32(head)
		after, afterSlots := a.regs, maps.Clone(a.slots)
		a.join(regs, slots, false)
		stable := a.regs == regs
		for off, was := range slots {
			if a.slots[off] != was {
				slots[off], stable = held{}, false
			}
		}
		if stable {
			a.regs, a.slots = after, afterSlots
			return
		}
		a.slots = slots
		a.f.Insns, a.answers, a.rest, a.budget = a.f.Insns[:start], a.answers[:answers], rest, budget
	}
}

// copyStruct copies the struct to the stack, and reads a member from the copy
// with the record that it has there.
func (a *assembler) copyStruct() {
	h, ok := a.pointer()
	if !ok || a.regs[h].lo != 0 || a.regs[h].hi != 0 || a.size() > 8*slotCount || h == asm.R2 {
		return
	}
	base := a.slot(slotCount - 1)
	a.regs[2] = held{}
	for at := 0; at < a.size(); at += 8 {
		a.emit(asm.LoadMem(asm.R2, h, int16(at), asm.DWord), asm.StoreMem(asm.R10, int16(base+at), asm.R2, asm.DWord))
		a.slots[base+at] = held{kind: scalar}
	}
	a.set(asm.R2, scalar)
	m := a.members[a.n(len(a.members))]
	if m.field {
		return
	}
	r := a.register()
	a.emit(asm.Mov.Reg(r, asm.R10), asm.Add.Imm(r, int32(base)), asm.LoadMem(r, r, int16(m.offset/8), sizes[map[int]int{8: 0, 16: 1, 32: 2, 64: 3}[m.bits]]))
	a.record(code.FieldByteOffset, m.access, m.offset/8)
	a.set(r, scalar)
}

// bytes goes through the struct a byte at a time, in a loop.
func (a *assembler) bytes() {
	h, ok := a.pointer()
	r, n := asm.Register(a.n(10)), 1+a.n(8)
	sum := (r + 1 + asm.Register(a.n(9))) % 10
	if !ok || r == h || sum == h || a.regs[h].hi+n > a.size() || a.regs[h].lo < 0 {
		return
	}
	counter := int16(ctxSlot - 8*(a.loops+1))
	a.emit(storeNumber(int(counter), n), asm.Mov.Imm(sum, 1))
	head := len(a.f.Insns)
	a.emit(asm.LoadMem(r, h, 0, asm.Byte), asm.Mul.Imm(sum, 31), asm.Add.Reg(sum, r), asm.Add.Imm(h, 1),
		asm.LoadMem(r, asm.R10, counter, asm.DWord), asm.Sub.Imm(r, 1), asm.StoreMem(asm.R10, counter, r, asm.DWord))
	back := a.branch(asm.JNE.Imm(r, 0, "").WithReference(""))
	a.f.Insns[back].Target = int32(head)
	a.set(r, scalar)
	a.set(sum, scalar)
	a.regs[h].lo, a.regs[h].hi = a.regs[h].lo+n, a.regs[h].hi+n
}

// publish copies the struct, or its start, to the packet.
func (a *assembler) publish() {
	h, ok := a.pointer()
	if !ok || a.regs[h].lo != 0 || a.regs[h].hi != 0 {
		return
	}
	r := a.three(h)
	if !a.context(r[0]) {
		return
	}
	size := sizes[a.n(4)]
	n := min(a.size(), size.Sizeof()*(1+a.n(8)))
	a.emit(asm.LoadMem(r[2], r[0], 4, asm.Word), asm.LoadMem(r[0], r[0], 0, asm.Word), asm.Mov.Reg(r[1], r[0]), asm.Add.Imm(r[1], int32(n)))
	skip := a.branch(asm.JGT.Reg(r[1], r[2], "").WithReference(""))
	for at := 0; at < n; at += size.Sizeof() {
		a.emit(asm.LoadMem(r[1], h, int16(at), size), asm.StoreMem(r[0], int16(at), r[1], size))
	}
	a.here(skip)
	for _, x := range r {
		a.regs[x] = held{}
	}
}

// byFrame spills or fills by way of another pointer to the stack.
func (a *assembler) byFrame() {
	off, v := a.slot(a.n(slotCount)), asm.Register(a.n(10))
	r := (v + 1 + asm.Register(a.n(9))) % 10
	a.regs[r] = held{}
	a.emit(asm.Mov.Reg(r, asm.R10), asm.Add.Imm(r, int32(off-8)))
	switch {
	case a.regs[v].kind != unset && a.n(2) == 0:
		a.emit(asm.StoreMem(r, 8, v, asm.DWord))
		a.slots[off] = a.regs[v]
	case a.slots[off].kind != unset:
		a.emit(asm.LoadMem(v, r, 8, asm.DWord))
		a.regs[v] = a.slots[off]
	}
}

// choose reads one of two members by one load.
func (a *assembler) choose() {
	h, ok := a.pointer()
	n := a.number()
	r := a.register()
	first, second := a.members[a.n(len(a.members))], a.members[a.n(len(a.members))]
	if !ok || a.regs[h].kind != hintAt || a.regs[h].lo != 0 || a.regs[h].hi != 0 || r == h || r == n || first.field || second.field || first.bits != second.bits {
		return
	}
	a.emit(asm.Mov.Reg(r, h))
	skip := a.branch(jumps[a.n(len(jumps))].Imm(n, int32(a.constant()), "").WithReference(""))
	a.emit(asm.Add.Imm(r, int32(first.offset/8)))
	over := a.branch(asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Ja)})
	a.here(skip)
	a.emit(asm.Add.Imm(r, int32(second.offset/8)))
	a.here(over)
	a.emit(asm.LoadMem(r, r, 0, sizes[map[int]int{8: 0, 16: 1, 32: 2, 64: 3}[first.bits]]))
	a.set(r, scalar)
}

// callback has a static function called a few times, with what lies in a slot.
func (a *assembler) callback() {
	if a.kernel {
		return // which wants it to return 0 or 1
	}
	for index, kinds := range a.kinds {
		if a.funcs[index].Linkage != code.Static || len(kinds) != 2 || kinds[0] != scalar || kinds[1] != scalar {
			continue
		}
		wide := asm.LoadImm(asm.R2, 0, asm.DWord)
		wide.Src = asm.PseudoFunc
		a.emit(asm.Mov.Imm(asm.R1, int32(a.n(4))), wide)
		a.f.Insns[len(a.f.Insns)-1].Ref = code.Ref{Kind: code.RefFunc, Index: int32(index)}
		a.emit(asm.Mov.Imm(asm.R3, 0), asm.Mov.Imm(asm.R4, 0), asm.FnLoop.Call())
		a.clobber(scalar)
		return
	}
}

// handOut has a helper read the struct, or a slot.
func (a *assembler) handOut() {
	length := 4 * (1 + a.n(2))
	if a.n(2) == 0 {
		h, ok := a.pointer()
		if !ok || a.regs[h].lo < 0 || a.regs[h].hi+length > a.size() {
			return
		}
		a.emit(asm.Mov.Reg(asm.R1, h))
	} else {
		off := a.slot(a.n(slotCount))
		if a.slots[off].kind != scalar {
			return
		}
		a.emit(asm.Mov.Reg(asm.R1, asm.R10), asm.Add.Imm(asm.R1, int32(off)))
	}
	a.emit(asm.Mov.Imm(asm.R2, int32(length)), asm.Mov.Imm(asm.R3, 0), asm.Mov.Imm(asm.R4, 0), asm.Mov.Imm(asm.R5, 0), asm.FnCsumDiff.Call())
	a.clobber(scalar)
}

func (a *assembler) helper() {
	if a.kernel {
		return
	}
	a.emit([]asm.BuiltinFunc{asm.FnKtimeGetNs, asm.FnGetPrandomU32}[a.n(2)].Call())
	a.clobber(scalar)
}

// callFunction calls one of the functions above.
func (a *assembler) callFunction() {
	if len(a.funcs) == 0 {
		return
	}
	index := a.n(len(a.funcs))
	kinds := a.kinds[index]
	var from [5]asm.Register // of a hint: where it is kept meanwhile
	for i, kind := range kinds {
		if kind == hintAt {
			h, ok := a.pointer()
			if !ok || a.regs[h].lo != 0 || a.regs[h].hi != 0 {
				return
			}
			from[i] = asm.R6 + asm.Register(a.n(4))
			if h != from[i] {
				a.emit(asm.Mov.Reg(from[i], h))
				a.regs[from[i]] = a.regs[h]
			}
		}
	}
	for i, kind := range kinds { // which of them is another's by now
		if kind == hintAt && (a.regs[from[i]].kind != hintAt || a.regs[from[i]].lo != 0 || a.regs[from[i]].hi != 0) {
			return
		}
	}
	if kinds[0] == ctxAt && !a.context(asm.R1) {
		return
	}
	for i, kind := range kinds {
		r := asm.R1 + asm.Register(i)
		switch kind {
		case hintAt:
			a.emit(asm.Mov.Reg(r, from[i]))
		case scalar:
			off := a.slot(a.n(slotCount))
			if a.slots[off].kind == scalar {
				a.emit(asm.LoadMem(r, asm.R10, int16(off), asm.DWord))
			} else {
				a.emit(asm.Mov.Imm(r, int32(a.n(1<<16))))
			}
		}
		a.set(r, kind)
	}
	a.emit(asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoCall, Constant: -1})
	a.f.Insns[len(a.f.Insns)-1].Ref = code.Ref{Kind: code.RefFunc, Index: int32(index)}
	a.clobber(scalar)
}

// three are registers that differ from each other and from one more.
func (a *assembler) three(other asm.Register) (out [3]asm.Register) {
	r := a.register()
	for i := range out {
		for r == other || i > 0 && r == out[0] || i > 1 && r == out[1] {
			r = (r + 1) % 10
		}
		out[i] = r
	}
	return out
}

// within reads or writes the packet, or what lies before it, where it is as long.
func (a *assembler) within(start, end int16, at int, size asm.Size) {
	v := a.number()
	r := a.three(v)
	if !a.context(r[0]) {
		return
	}
	a.emit(asm.LoadMem(r[2], r[0], end, asm.Word), asm.LoadMem(r[0], r[0], start, asm.Word),
		asm.Mov.Reg(r[1], r[0]), asm.Add.Imm(r[1], int32(at+size.Sizeof())))
	skip := a.branch(asm.JGT.Reg(r[1], r[2], "").WithReference(""))
	if a.n(2) == 0 {
		a.emit(asm.StoreMem(r[0], int16(at), v, size))
	} else {
		a.emit(asm.LoadMem(v, r[0], int16(at), size))
	}
	a.here(skip)
	for _, x := range r {
		a.regs[x] = held{}
	}
}

func (a *assembler) packet() { a.within(0, 4, a.n(72), sizes[a.n(4)]) }

func (a *assembler) meta() {
	if a.touch {
		a.within(8, 0, 4*a.n(16), asm.Word)
	}
}

// adjust moves an end of the packet or of the metadata.
func (a *assembler) adjust() {
	if !a.touch || !a.context(asm.R1) {
		return
	}
	fn := []asm.BuiltinFunc{asm.FnXdpAdjustHead, asm.FnXdpAdjustMeta, asm.FnXdpAdjustTail}[a.n(3)]
	a.emit(asm.Mov.Imm(asm.R2, int32(4*(a.n(9)-4))), fn.Call())
	a.clobber(scalar)
}

// leaveEarly returns from where it stands, in a branch.
func (a *assembler) leaveEarly() {
	if a.budget > 0 && a.n(2) == 1 {
		op := jumps[a.n(len(jumps))].Imm(a.number(), int32(a.constant()), "").WithReference("")
		over := a.branch(op)
		regs, slots := a.regs, maps.Clone(a.slots)
		a.leave()
		a.here(over)
		a.regs, a.slots, a.ended = regs, slots, false
	}
}
