package rewrite

import (
	"math"

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
		if x.final && s.regs[asm.R0].points() {
			x.returns = append(x.returns, i)
		}
	case in.IsBranch() && !in.IsGoto() && !in.IsMayGoto():
		x.compare(i, in, s)
	}
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

// constantOf is what an instruction that sets a constant sets, as far as hints
// are concerned.
func (x *finder) constantOf(i int, in *code.Insn) value {
	if in.CORE == nil {
		return value{kind: apart}
	}
	if n, ok := x.answers[i]; ok {
		return knownNumber(uint64(n))
	}
	if s := offsetInto(in); s != nil {
		return value{kind: offset, off: in.Constant, typ: x.ds.of(s).number, fields: x.fields[i]}
	}
	return value{kind: apart}
}

func (x *finder) constantLoad(i int, in *code.Insn, s *state) {
	if !in.OpCode.IsDWordLoad() {
		for r := asm.R0; r <= asm.R5; r++ {
			s.regs[r] = value{kind: apart}
		}
		return
	}
	switch in.Ref.Kind {
	case code.RefExtern:
		if x.u.Externs[in.Ref.Index].Name == hintFunc {
			x.refuse(i, "call hintjit_rx(ctx) directly", "takes the address of hintjit_rx")
		}
	case code.RefFunc: // a callback, which runs at some later call
		x.enter(entering{insn: i, fn: int(in.Ref.Index), late: s.late, address: true, args: unknown}, s)
	}
	s.regs[in.Dst] = x.constantOf(i, in)
}

func (x *finder) enter(e entering, s *state) {
	if x.final {
		x.enters = append(x.enters, e)
	}
	if x.dirty[e.fn] {
		x.touch(e.insn, s)
	}
}

// place moves a pointer that a bit-field's offset was added to to where an
// access of that size starts. Where it may be one field or another, the way
// must be as long for each.
func (x *finder) place(i int, in *code.Insn, base value) value {
	if base.fields == 0 {
		return base
	}
	var shift int64
	first := true
	for k, p := range x.places {
		if k < 63 && base.fields>>k&1 == 0 {
			continue
		}
		start, err := p.from(int64(in.OpCode.Size().Sizeof()))
		if base.fields&doubtful != 0 || err != nil || !first && start-p.off != shift {
			x.refuse(i, bitfieldHelp, "reads a bit-field of the hint struct, and it can not be told which bytes hold it")
			return base
		}
		shift, first = start-p.off, false
	}
	shift -= int64(in.Offset)
	if x.final {
		x.shifts[i] = shift
	}
	base.off += shift
	base.fields = 0
	return base
}

func (x *finder) load(i int, in *code.Insn, s *state) {
	base, size := x.place(i, in, s.regs[in.Src]), in.OpCode.Size().Sizeof()
	off := base.off + int64(in.Offset)
	v := value{kind: apart}
	switch base.kind {
	case hint:
		v = x.hintLoad(i, in, base)
	case frame:
		x.deepen(off)
		sl := s.slot(off)
		if size == 8 {
			v = sl
		} else {
			x.escape(sl)
		}
		x.carries(i, sl)
	case loose, memory, outside, other:
		x.escape(base)
		v = x.behind(base, s)
	}
	switch metaAt := int64(mdDataMeta); {
	case size != 4:
	case base.kind == context && off == metaAt, (base.kind == outside || base.kind == other) && int64(in.Offset) == metaAt:
		x.touch(i, s)
	}
	if size != 8 && base.kind != hint {
		v = value{kind: apart} // no pointer is that short
	}
	s.regs[in.Dst] = v
}

// behind is what 8 bytes in memory that base points to may be; where base may
// point to the stack, it is anything that lies there.
func (x *finder) behind(base value, s *state) value {
	switch base.plain() {
	case apart:
		return value{kind: apart}
	case memory, outside:
		return value{kind: outside}
	}
	if sites := s.pointers(); sites != 0 {
		v := value{kind: loose, sites: sites, beside: other}
		x.escape(v)
		return v
	}
	return value{kind: other}
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
		signed: in.OpCode.Mode() == asm.MemSXMode, sites: base.sites}
	if base.typ > 0 {
		l.decl = x.ds.list[base.typ-1]
	}
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
		return value{kind: apart}
	}
	return value{kind: number, maybe: x.ask.possible(l.decl, l.off, l.size)}
}

func (x *finder) store(i int, in *code.Insn, s *state) {
	if in.OpCode.Class() == asm.StXClass && in.OpCode.Mode() == asm.AtomicMode {
		x.atomic(i, in, s)
		return
	}
	base, size := x.place(i, in, s.regs[in.Dst]), in.OpCode.Size().Sizeof()
	off := base.off + int64(in.Offset)
	v := value{kind: apart}
	if in.OpCode.Class() == asm.StXClass {
		v = s.regs[in.Src]
	}
	switch {
	case base.points():
		x.refuse(i, "copy the struct first: `struct hintjit_rx c = *h;`", "writes to the hint struct, which is read-only")
	case v.points() && (base.kind != frame || size != 8):
		x.refuse(i, "store the hint values, or a copy of the struct, instead",
			"stores the hint pointer outside the function's own stack")
	case base.kind == frame:
		x.deepen(off)
		x.carries(i, v)
		if size == 8 && s.holds(off, v) {
			break
		}
		s.forget(off, size)
		if size == 8 {
			s.put(off, v)
		}
	case base.kind == other: // whatever lies on the stack may be overwritten
		if size != 8 {
			v = value{kind: apart}
		}
		s.change(func(sl slot) value { return join(sl.v, v) })
	}
}

// atomic is an atomic read or write. A hint pointer has no business there.
func (x *finder) atomic(i int, in *code.Insn, s *state) {
	for _, r := range flow.Reads(in) {
		if s.regs[r].points() {
			x.refuse(i, "read members through the pointer, or compare it with NULL", "uses the hint pointer in an atomic operation")
		}
		switch p := s.regs[r]; p.kind {
		case frame:
			x.deepen(p.off + int64(in.Offset))
			s.forget(p.off+int64(in.Offset), 8)
		case other:
			s.change(func(sl slot) value { return join(sl.v, value{kind: other}) })
		}
	}
	if r, ok := flow.Fetched(in); ok {
		s.regs[r] = value{kind: other}
	}
}

func (x *finder) call(i int, in *code.Insn, s *state) {
	site, isHint := x.sites[i]
	result := value{kind: apart}
	switch {
	case isHint:
		switch v := s.regs[asm.R1]; {
		case v.kind == context && v.off == 0, v.kind == outside, v.kind == other:
		default:
			x.refuse(i, "pass the program's own `struct xdp_md *ctx`", "calls hintjit_rx with something that is not the context")
		}
		result = value{kind: hint, sites: site}
		if x.final {
			x.calls = append(x.calls, call{insn: i, site: site, late: s.late})
		}
	case in.Ref.Kind == code.RefFunc:
		e := entering{insn: i, fn: int(in.Ref.Index), late: s.late}
		for k := range e.args {
			e.args[k] = s.regs[asm.R1+asm.Register(k)].handed()
		}
		x.arguments(in, s)
		x.enter(e, s)
		result.kind = outside
	default:
		x.arguments(in, s)
		if in.Ref.Kind == code.RefNone && in.IsBuiltinCall() && x.takes(asm.BuiltinFunc(in.Constant)) {
			x.touch(i, s)
		}
	}
	for r := asm.R1; r <= asm.R5; r++ {
		s.regs[r] = value{kind: apart}
	}
	s.regs[asm.R0] = result
}

// arguments notes what a call does to what it is handed.
func (x *finder) arguments(in *code.Insn, s *state) {
	for r := asm.R1; int(r) <= arity(x.u, in); r++ {
		x.argument(s.regs[r], in.Ref.Kind == code.RefFunc || x.callbacks, s)
	}
}

// argument notes what passing v to a call does: a hint pointer has to be one
// into memory, and so have those that lie in stack memory that is handed over,
// in which the unit's own code may put any pointer, and a helper numbers only.
func (x *finder) argument(v value, own bool, s *state) {
	x.escape(v)
	low := v.off
	switch {
	case v.kind == frame:
		x.deepen(v.off)
	case v.plain() == other:
		low = math.MinInt64
	default:
		return
	}
	for again := true; again; { // what lies there may lead further down
		again = false
		for _, sl := range s.slots {
			if sl.off >= low && sl.v.kind == frame && sl.v.off < low {
				low, again = sl.v.off, true
			}
		}
	}
	s.change(func(sl slot) value {
		switch {
		case sl.v.kind == number:
			return value{kind: other}
		case sl.off < low:
			return sl.v
		}
		x.escape(sl.v)
		if own {
			return join(sl.v, value{kind: other})
		}
		return sl.v
	})
}

// arity is how many arguments a call takes.
func arity(u *code.Unit, in *code.Insn) int {
	switch {
	case in.Ref.Kind == code.RefFunc:
		return u.Funcs[in.Ref.Index].Args
	case in.Ref.Kind == code.RefExtern:
		return declaredArity(u.Externs[in.Ref.Index].Type)
	case in.IsBuiltinCall():
		return flow.HelperArgs(in.Constant)
	}
	return maxArgs
}

// maxArgs is how many arguments a BPF function can take: r1 to r5.
const maxArgs = 5

func declaredArity(f *btf.Func) int {
	if f != nil {
		if proto, ok := f.Type.(*btf.FuncProto); ok {
			return min(len(proto.Params), maxArgs)
		}
	}
	return maxArgs
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
	case wide && (op == asm.Add || op == asm.Sub):
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
	number := op != asm.Mov && op != asm.Add && op != asm.Sub
	if reg && src.points() && (!wide || number) || dst.points() && number {
		x.refuse(i, "read members through the pointer, or compare it with NULL", "uses the hint pointer as a number")
	}
	v := calculate(in, dst, src, reg)
	if op == asm.Mov {
		v.fields = src.fields
	} else if dst.fields|src.fields != 0 {
		v.fields = doubtful
	}
	s.regs[in.Dst] = v
}

// add follows additions to pointers, and subtractions from them.
func (x *finder) add(i int, in *code.Insn, dst, src value, reg bool) (value, bool) {
	minus := in.OpCode.ALUOp() == asm.Sub
	if !reg && src.kind == apart {
		src = value{kind: offset, off: in.Constant}
	}
	switch {
	case minus && !reg:
		src.off = -src.off
	case minus: // of a number from a pointer, or of two pointers
		if dst.points() || src.points() {
			return value{}, false
		}
		src = value{kind: src.plain(), fields: src.fields}
	case src.points() || src.kind == frame || src.kind == context || dst.kind == offset && src.kind != offset:
		dst, src = src, dst
	}
	fields := dst.fields | src.fields
	if dst.fields != 0 && src.fields != 0 || minus && fields != 0 {
		fields |= doubtful
	}
	dst.fields = fields
	constant := src.kind == offset || src.known()
	switch {
	case src.points():
		return value{}, false
	case dst.kind == hint && constant:
		dst.off += src.off
		if src.typ != 0 {
			dst.typ = src.typ
		}
		x.carries(i, dst)
		return dst, true
	case dst.points():
		x.escape(dst)
		return value{kind: loose, sites: dst.sites, fields: fields, beside: max(dst.plain(), src.plain())}, true
	case dst.kind == frame && constant:
		x.deepen(dst.off)
		dst.off += src.off
		x.deepen(dst.off)
		return dst, true
	case dst.kind == context && constant:
		dst.off += src.off
		return dst, true
	case dst.kind == frame:
		x.deepen(dst.off)
	}
	return value{kind: max(dst.plain(), src.plain()), fields: fields}, true
}

// calculate is the arithmetic on numbers that hints decide; all other results
// are numbers too, or no arithmetic that the kernel allows.
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
		return value{kind: apart}
	}
	dst = dst.trim(width)
	if reg {
		return combine(op, dst, src).trim(width)
	}
	k := uint64(in.Constant)
	if src.known() { // from a CO-RE record
		k = uint64(src.off)
	}
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
		return value{kind: apart}
	}
	return dst.trim(width)
}

// combine is a bitwise operation on two numbers.
func combine(op asm.ALUOp, a, b value) value {
	if b.kind != number {
		return value{kind: apart}
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
		return value{kind: apart}
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
