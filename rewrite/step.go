package rewrite

import (
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/flow"
)

func (x *finder) step(i int, s *state) {
	in := &x.f.Insns[i]
	switch class := in.OpCode.Class(); {
	case class.IsALU():
		x.alu(i, in, s)
	case class == asm.LdClass:
		x.constantLoad(i, in, s)
	case class == asm.LdXClass:
		x.load(i, in, s)
	case class == asm.StXClass, class == asm.StClass:
		x.store(i, in, s)
	case in.IsCall():
		x.call(i, in, s)
	case in.IsExit():
		if s.regs[asm.R0].points() && !returnsNothing(x.f) {
			x.refuse(i, "make the function `static __always_inline`, or call hintjit_rx where the hints are read",
				"returns the hint pointer, which ends with the function")
		}
	case in.IsBranch() && !in.IsGoto() && !in.IsMayGoto():
		x.compare(i, in, s)
	}
}

// returnsNothing tells whether a function is void: r0 holds what it last held.
func returnsNothing(f *code.Func) bool {
	if f.Type == nil {
		return false
	}
	proto, ok := f.Type.Type.(*btf.FuncProto)
	if !ok {
		return false
	}
	_, void := proto.Return.(*btf.Void)
	return void
}

func (x *finder) refuse(i int, help, msg string) {
	if x.final && x.err == nil {
		x.err = refuse(x.f, i, help, "%s", msg)
	}
}

// escape says that the pointer is used in a way that needs a struct in memory.
func (x *finder) escape(v value) {
	if x.final && v.points() {
		x.escaped |= v.sites
	}
}

func (x *finder) carries(i int, v value) {
	if x.final && v.points() {
		x.moves = append(x.moves, move{i, v.sites})
	}
}

func (x *finder) uses(v value) {
	if v.kind == loose {
		x.escape(v)
	}
}

// constantOf is what an instruction that sets a constant sets, as far as hints
// are concerned.
func (x *finder) constantOf(i int, in *code.Insn) value {
	if n, ok := x.answers[i]; ok {
		return knownNumber(uint64(n))
	}
	if s := offsetInto(in); s != nil {
		return value{kind: offset, off: in.Constant, typ: x.ds.of(s), field: x.fields[i]}
	}
	return value{kind: other}
}

func (x *finder) constantLoad(i int, in *code.Insn, s *state) {
	if !in.OpCode.IsDWordLoad() {
		for r := asm.R0; r <= asm.R5; r++ {
			s.regs[r] = value{kind: other}
		}
		return
	}
	switch in.Ref.Kind {
	case code.RefExtern:
		if x.u.Externs[in.Ref.Index].Name == hintFunc {
			x.refuse(i, "call hintjit_rx(ctx) directly", "takes the address of hintjit_rx")
		}
	case code.RefFunc: // a callback, which runs at some later call
		x.enter(entering{i, int(in.Ref.Index), s.late, true}, s)
	}
	s.regs[in.Dst] = x.constantOf(i, in)
}

func (x *finder) enter(e entering, s *state) {
	if x.final {
		x.enters = append(x.enters, e)
	}
	if x.dirty[e.fn] {
		s.late = true
	}
}

// place moves a pointer that a bit-field's offset was added to to where an
// access of that size starts.
func (x *finder) place(i int, in *code.Insn, base value) value {
	if base.field == nil {
		return base
	}
	p := base.field
	start, err := p.from(int64(in.OpCode.Size().Sizeof()))
	if p == doubtful || err != nil {
		x.refuse(i, bitfieldHelp, "reads a bit-field of the hint struct, and it can not be told which bytes hold it")
		return base
	}
	shift := start - p.off - int64(in.Offset)
	if x.final {
		x.shifts[i] = shift
	}
	base.off += shift
	base.field = nil
	return base
}

func (x *finder) load(i int, in *code.Insn, s *state) {
	base, size := x.place(i, in, s.regs[in.Src]), in.OpCode.Size().Sizeof()
	off := base.off + int64(in.Offset)
	v := value{kind: other}
	switch base.kind {
	case hint:
		v = x.hintLoad(i, in, base)
	case loose:
		x.escape(base)
	case frame:
		x.deepen(off)
		if v = s.slot(off); size != 8 {
			x.escape(v)
			v = value{kind: other}
		}
		x.carries(i, v)
	case context, other:
		if size == 4 && in.Offset == mdDataMeta && (base.kind == context || x.f.Linkage != code.Program) {
			x.touch(i, s)
		}
		if base.kind == context {
			v.kind = apart
		}
	case apart:
		v.kind = apart
	}
	s.regs[in.Dst] = v
}

// touch notes that instruction i lets the program at its metadata area.
func (x *finder) touch(i int, s *state) {
	s.late = true
	if x.final {
		x.touches = append(x.touches, i)
	}
}

func (x *finder) deepen(off int64) {
	if x.final && int(-off) > x.depth {
		x.depth = int(-off)
	}
}

func (x *finder) hintLoad(i int, in *code.Insn, base value) value {
	l := load{insn: i, off: base.off + int64(in.Offset), size: in.OpCode.Size().Sizeof(),
		signed: in.OpCode.Mode() == asm.MemSXMode, decl: base.typ, sites: base.sites}
	if s := offsetInto(in); s != nil {
		l.decl = x.ds.of(s)
	}
	l.tagged = l.decl != nil
	if l.decl == nil {
		l.decl = x.ds.main
	}
	if x.final {
		x.loads = append(x.loads, l)
	}
	if l.signed {
		return value{kind: other}
	}
	return value{kind: number, maybe: x.ask.possible(l.decl, l.off, l.size)}
}

func (x *finder) store(i int, in *code.Insn, s *state) {
	base, size := x.place(i, in, s.regs[in.Dst]), in.OpCode.Size().Sizeof()
	off := base.off + int64(in.Offset)
	v := value{kind: other}
	if in.OpCode.Class() == asm.StXClass {
		v = s.regs[in.Src]
	}
	atomic := in.OpCode.Class() == asm.StXClass && in.OpCode.Mode() == asm.AtomicMode
	switch {
	case base.points():
		x.refuse(i, "copy the struct first: `struct hintjit_rx c = *h;`", "writes to the hint struct, which is read-only")
	case v.points() && (base.kind != frame || atomic || size != 8):
		x.refuse(i, "store the hint values, or a copy of the struct, instead",
			"stores the hint pointer outside the function's own stack")
	case base.kind == frame:
		x.deepen(off)
		s.forget(off, size)
		x.carries(i, v)
		if size == 8 && !atomic && v.kind != other {
			s.slots = append(s.slots[:len(s.slots):len(s.slots)], slot{off, v})
		}
	}
	if atomic {
		x.uses(v)
		s.regs[in.Src] = value{kind: other} // fetched, or unchanged and of no interest
		if in.OpCode.AtomicOp() == asm.CmpXchg {
			s.regs[asm.R0] = value{kind: other}
		}
	}
}

// adjustMeta is bpf_xdp_adjust_meta's number.
const adjustMeta = int64(asm.FnXdpAdjustMeta)

func (x *finder) call(i int, in *code.Insn, s *state) {
	site, isHint := x.sites[i]
	if isHint {
		switch s.regs[asm.R1].kind {
		case apart, frame, number, offset, hint, loose:
			x.refuse(i, "pass the program's own `struct xdp_md *ctx`", "calls hintjit_rx with something that is not the context")
		}
	} else {
		for r := asm.R1; int(r) <= arity(x.u, in); r++ {
			x.argument(s.regs[r], s)
		}
	}
	switch {
	case in.Ref.Kind == code.RefFunc:
		x.enter(entering{i, int(in.Ref.Index), s.late, false}, s)
	case in.Ref.Kind == code.RefNone && in.IsBuiltinCall() && in.Constant == adjustMeta:
		x.touch(i, s)
	}
	for r := asm.R0; r <= asm.R5; r++ {
		s.regs[r] = value{kind: apart}
	}
	if isHint {
		s.regs[asm.R0] = value{kind: hint, sites: site}
		if x.final {
			x.calls = append(x.calls, call{insn: i, site: site, late: s.late})
		}
	}
}

// argument notes what passing v to a call does: a hint pointer has to be one
// into memory, and so have those that lie in stack memory that is handed over.
func (x *finder) argument(v value, s *state) {
	x.escape(v)
	if v.kind != frame {
		return
	}
	x.deepen(v.off)
	var keep []slot
	for _, sl := range s.slots {
		if sl.off < v.off {
			keep = append(keep, sl)
			continue
		}
		x.escape(sl.v)
		if sl.v.kind == context {
			keep = append(keep, sl) // at worst it is taken for the context in vain
		}
	}
	s.slots = keep
}

// arity is how many arguments a call takes.
func arity(u *code.Unit, in *code.Insn) int {
	var f *btf.Func
	switch {
	case in.Ref.Kind == code.RefFunc:
		f = u.Funcs[in.Ref.Index].Type
	case in.Ref.Kind == code.RefExtern:
		f = u.Externs[in.Ref.Index].Type
	case in.IsBuiltinCall():
		return flow.HelperArgs(in.Constant)
	}
	if f != nil {
		if proto, ok := f.Type.(*btf.FuncProto); ok {
			return min(len(proto.Params), 5)
		}
	}
	return 5
}

func (x *finder) alu(i int, in *code.Insn, s *state) {
	op, dst := in.OpCode.ALUOp(), s.regs[in.Dst]
	src := x.constantOf(i, in)
	reg := in.OpCode.Source() == asm.RegSource && op != asm.Neg && op != asm.Swap
	if reg {
		src = s.regs[in.Src]
	}
	wide := in.OpCode.Class() == asm.ALU64Class
	switch {
	case op == asm.Mov && (wide || !reg):
		if reg {
			x.carries(i, src)
		}
		s.regs[in.Dst] = src
		return
	case op == asm.Add && wide, op == asm.Sub && wide && !reg:
		if v, ok := x.add(i, in, dst, src, reg); ok {
			s.regs[in.Dst] = v
			return
		}
	}
	if reg {
		x.escape(src)
	}
	if op != asm.Mov {
		x.escape(dst)
	}
	if !wide && reg && src.points() || op != asm.Mov && dst.points() && op != asm.Add && op != asm.Sub {
		x.refuse(i, "read members through the pointer, or compare it with NULL", "uses the hint pointer as a number")
	}
	s.regs[in.Dst] = calculate(in, dst, src, reg)
}

// add follows additions to pointers.
func (x *finder) add(i int, in *code.Insn, dst, src value, reg bool) (value, bool) {
	if !reg && src.kind == other {
		src = value{kind: offset, off: in.Constant}
		if in.OpCode.ALUOp() == asm.Sub {
			src.off = -src.off
		}
	}
	if src.kind == hint || src.kind == frame || reg && dst.kind == offset && src.kind != offset {
		dst, src = src, dst
	}
	if src.field != nil {
		if dst.field != nil {
			src.field = doubtful
		}
		dst.field = src.field
	}
	constant := src.kind == offset || src.known()
	switch {
	case dst.kind == hint && constant:
		dst.off += src.off
		if src.typ != nil {
			dst.typ = src.typ
		}
		x.carries(i, dst)
		return dst, true
	case dst.points() && !src.points():
		x.escape(dst)
		return value{kind: loose, sites: dst.sites}, true
	case dst.kind == frame:
		x.deepen(dst.off)
		if constant {
			dst.off += src.off
			x.deepen(dst.off)
			return dst, true
		}
		return value{kind: apart}, true
	case dst.kind == apart && !src.points(), dst.field != nil && dst.kind == other:
		return dst, true
	}
	return value{}, false
}

// calculate is the arithmetic on numbers that hints decide; all else is other.
func calculate(in *code.Insn, dst, src value, reg bool) value {
	op := in.OpCode.ALUOp()
	width := 8
	if in.OpCode.Class() == asm.ALUClass {
		width = 4
	}
	if op == asm.Mov && src.kind == number {
		return src.trim(width)
	}
	if dst.kind != number || op == asm.Mov {
		return value{kind: other}
	}
	dst = dst.trim(width)
	if reg {
		return combine(op, dst, src).trim(width)
	}
	k := uint64(in.Constant)
	switch op {
	case asm.And:
		dst.off &= int64(k)
		dst.maybe &= k
	case asm.Or:
		dst.off |= int64(k)
		dst.maybe &^= k
	case asm.LSh:
		dst.off <<= k & 63
		dst.maybe <<= k & 63
	case asm.RSh:
		dst.off = int64(uint64(dst.off) >> (k & 63))
		dst.maybe >>= k & 63
	case asm.Xor:
		dst.off ^= int64(k &^ dst.maybe)
	default:
		return value{kind: other}
	}
	return dst.trim(width)
}

// combine is a bitwise operation on two numbers.
func combine(op asm.ALUOp, a, b value) value {
	if b.kind != number {
		return value{kind: other}
	}
	switch op {
	case asm.Or:
		a.maybe = (a.maybe | b.maybe) &^ uint64(a.off|b.off)
		a.off |= b.off
	case asm.And:
		may := (a.maybe | uint64(a.off)) & (b.maybe | uint64(b.off))
		a.off &= b.off
		a.maybe = may &^ uint64(a.off)
	default:
		return value{kind: other}
	}
	return a
}

func (x *finder) compare(i int, in *code.Insn, s *state) {
	v := s.regs[in.Dst]
	reg := in.OpCode.Source() == asm.RegSource
	wide := in.OpCode.Class() == asm.JumpClass
	op := in.OpCode.JumpOp()
	delete(x.decided, i)
	switch {
	case reg:
		x.escape(v)
		x.escape(s.regs[in.Src])
	case v.kind == hint && wide && in.Constant == 0 && (op == asm.JEq || op == asm.JNE):
		x.decided[i] = op == asm.JNE // hintjit_rx never returns NULL
	case v.points():
		x.escape(v)
	case v.kind == number:
		if !wide {
			v = v.trim(4)
		}
		if taken, ok := decide(op, v, in.Constant, wide); ok {
			x.decided[i] = taken
		}
	}
}

// decide tells whether a branch on v against constant k is taken, where that is
// known.
func decide(op asm.JumpOp, v value, k int64, wide bool) (taken, ok bool) {
	c := uint64(k)
	if !wide {
		c = uint64(uint32(k))
	}
	n := uint64(v.off)
	switch op {
	case asm.JEq, asm.JNE:
		if (n^c)&^v.maybe != 0 {
			return op == asm.JNE, true
		}
		return op == asm.JEq, v.maybe == 0
	case asm.JSet:
		if n&c != 0 {
			return true, true
		}
		return false, (n|v.maybe)&c == 0
	case asm.JGT:
		return n > c, v.maybe == 0
	case asm.JGE:
		return n >= c, v.maybe == 0
	case asm.JLT:
		return n < c, v.maybe == 0
	case asm.JLE:
		return n <= c, v.maybe == 0
	}
	return false, false
}
