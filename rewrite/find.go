package rewrite

import (
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/flow"
)

// A hint load is recognised by where its base register comes from: find follows
// the pointer that hintjit_rx returns through registers, the stack, additions
// and branches, in one forward data flow that leaves out the branches which the
// NIC decides (field_exists of a hint it never gives). CO-RE records alone
// would not do: clang puts them on loads from a copy of the struct, and leaves
// them off loads from `*(cond ? &h->a : &h->b)` and from struct assignment.

// found is what find learns of a function.
type found struct {
	f       *code.Func
	graph   *flow.Graph
	reached []bool // by block
	calls   []call // of hintjit_rx, in order
	loads   []load
	moves   []move        // instructions that only carry the pointer
	decided map[int]bool  // conditional branches whose outcome is known, and the outcome
	answers map[int]int64 // constants that a CO-RE record about hints asks for
	escaped uint64        // calls whose pointer is used in other ways than loads
	enters  []entering    // calls of functions of the unit
	touches []int         // instructions that give access to the metadata area
	depth   int           // bytes of stack in use
}

// call is one call of hintjit_rx.
type call struct {
	insn int
	site uint64 // its bit
	late bool   // the metadata area may have been changed before
}

// load is a load through the hint pointer.
type load struct {
	insn   int
	off    int64
	size   int
	signed bool
	decl   *declaration
	sites  uint64
	tagged bool // decl was told by a CO-RE record, not assumed
}

// move is an instruction that copies, adds to, spills or fills the pointer.
type move struct {
	insn  int
	sites uint64
}

// entering is a call of another function of the unit, or the taking of its
// address.
type entering struct {
	insn, fn int
	late     bool
	address  bool // it runs later, at a call that is handed the address
}

// oracle answers what the NIC can give.
type oracle interface {
	// answer is the constant that a CO-RE record on a hint struct stands for.
	answer(c *code.CORE, compiled int64) (int64, error)
	// possible has the bits set that a load of size bytes at off may give.
	possible(d *declaration, off int64, size int) uint64
}

// state is find's knowledge between two instructions.
type state struct {
	regs  [11]value
	slots []slot // spilled values worth knowing, by offset
	late  bool   // the metadata area may have changed since the packet came
}

type slot struct {
	off int64
	v   value
}

func (s *state) slot(off int64) value {
	for _, x := range s.slots {
		if x.off == off {
			return x.v
		}
	}
	return value{kind: other}
}

// forget drops what is known of the stack bytes [off, off+n).
func (s *state) forget(off int64, n int) {
	keep := s.slots[:0:0]
	for _, x := range s.slots {
		if x.off+8 <= off || x.off >= off+int64(n) {
			keep = append(keep, x)
		}
	}
	s.slots = keep
}

func (s *state) join(b *state) (changed bool) {
	for r := range s.regs {
		if j := join(s.regs[r], b.regs[r]); j != s.regs[r] {
			s.regs[r], changed = j, true
		}
	}
	if b.late && !s.late {
		s.late, changed = true, true
	}
	var slots []slot
	for _, x := range s.slots {
		j := join(x.v, b.slot(x.off))
		if j != x.v {
			changed = true
		}
		if j.kind != other {
			slots = append(slots, slot{x.off, j})
		}
	}
	for _, x := range b.slots { // a pointer on one side only
		if s.slot(x.off).kind == other && x.v.points() && !has(slots, x.off) {
			slots = append(slots, slot{x.off, join(x.v, value{kind: other})})
			changed = true
		}
	}
	s.slots = slots
	return changed
}

func has(slots []slot, off int64) bool {
	for _, x := range slots {
		if x.off == off {
			return true
		}
	}
	return false
}

// finder runs the data flow over one function.
type finder struct {
	u     *code.Unit
	ds    *declarations
	ask   oracle
	dirty []bool // by function of the unit: calling it may touch the metadata
	*found
	sites map[int]uint64
	final bool // the states are final: write down what is seen
	err   error
}

// find analyses f. late says that the metadata area may have changed before
// the function is entered; dirty, by function, that calling it may change it.
func find(u *code.Unit, f *code.Func, ds *declarations, ask oracle, late bool, dirty []bool) (*found, error) {
	x := &finder{u: u, ds: ds, ask: ask, dirty: dirty, sites: map[int]uint64{}}
	x.found = &found{f: f, graph: flow.NewGraph(f), decided: map[int]bool{}, answers: map[int]int64{}}
	x.reached = make([]bool, len(x.graph.Blocks))
	if err := x.constants(); err != nil {
		return nil, err
	}
	states := x.solve(entry(f, late))
	x.final = true
	for _, b := range x.graph.Order {
		if x.reached[b] {
			x.block(b, states[b])
		}
		if x.err != nil {
			return nil, x.err
		}
	}
	x.spread()
	x.settle()
	return x.found, nil
}

// entry is the state in which a function starts.
func entry(f *code.Func, late bool) *state {
	s := &state{late: late}
	for r := range s.regs {
		s.regs[r].kind = other
	}
	s.regs[asm.R10] = value{kind: frame}
	if f.Linkage == code.Program {
		s.regs[asm.R1].kind = context
	}
	for i, p := range params(f) {
		if i < 5 && isContext(p.Type) {
			s.regs[asm.R1+asm.Register(i)].kind = context
		}
	}
	return s
}

func params(f *code.Func) []btf.FuncParam {
	if f.Type == nil {
		return nil
	}
	if proto, ok := f.Type.Type.(*btf.FuncProto); ok {
		return proto.Params
	}
	return nil
}

func isContext(t btf.Type) bool {
	p, ok := btf.As[*btf.Pointer](t)
	if !ok {
		return false
	}
	s, ok := btf.As[*btf.Struct](p.Target)
	return ok && s.Name == "xdp_md"
}

// constants numbers the calls and answers the CO-RE records about hint structs
// that ask for a constant.
func (x *finder) constants() error {
	for i := range x.f.Insns {
		in := &x.f.Insns[i]
		if x.isHintCall(in) {
			x.sites[i] = 1 << min(len(x.sites), 63)
		}
		if in.CORE == nil || asHintStruct(in.CORE.Type) == nil || in.CORE.Kind == code.FieldByteOffset {
			continue
		}
		n, err := x.ask.answer(in.CORE, in.Constant)
		if err != nil {
			return refuse(x.f, i, "ask for the members of struct hintjit_rx only", "%v", err)
		}
		x.answers[i] = n
	}
	return nil
}

func (x *finder) isHintCall(in *code.Insn) bool {
	return in.IsCall() && in.Ref.Kind == code.RefExtern && x.u.Externs[in.Ref.Index].Name == hintFunc
}

// solve iterates over the blocks until the states at their starts are stable.
func (x *finder) solve(first *state) []*state {
	states := make([]*state, len(x.graph.Blocks))
	if len(states) == 0 {
		return states
	}
	rank := make([]int, len(states))
	for i, b := range x.graph.Order {
		rank[b] = i
	}
	states[0], x.reached[0] = first, true
	// Blocks are taken in reverse postorder, sweep after sweep, so that a
	// function without loops is done in one.
	pending := make([]bool, len(states))
	pending[0] = true
	for again := true; again; {
		again = false
		for i, b := range x.graph.Order {
			if !pending[b] {
				continue
			}
			pending[b] = false
			out := x.block(b, states[b])
			for _, s := range x.leaving(b) {
				if states[s] == nil {
					c := *out
					states[s], x.reached[s] = &c, true
				} else if !states[s].join(out) {
					continue
				}
				pending[s] = true
				again = again || rank[s] <= i
			}
		}
	}
	return states
}

// leaving lists the successors that block b can go to, after block decided.
func (x *finder) leaving(b int32) []int32 {
	blk := &x.graph.Blocks[b]
	last := blk.End - 1
	taken, ok := x.decided[last]
	if !ok {
		return blk.Succ
	}
	if taken {
		return []int32{x.graph.Of[x.f.Insns[last].Target]}
	}
	return []int32{x.graph.Of[blk.End]}
}

// block runs the instructions of b on a copy of s.
func (x *finder) block(b int32, s *state) *state {
	out := *s
	for i := x.graph.Blocks[b].Start; i < x.graph.Blocks[b].End && x.err == nil; i++ {
		x.step(i, &out)
	}
	return &out
}

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
		if s.regs[asm.R0].points() {
			x.refuse(i, "make the function `static __always_inline`, or call hintjit_rx where the hints are read",
				"returns the hint pointer, which ends with the function")
		}
	case in.IsBranch() && !in.IsGoto() && !in.IsMayGoto():
		x.compare(i, in, s)
	}
}

func (x *finder) refuse(i int, help, format string, args ...any) {
	if x.final && x.err == nil {
		x.err = refuse(x.f, i, help, format, args...)
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
		return value{kind: offset, off: in.Constant, typ: x.ds.of(s)}
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

// settle makes a callback late when anything in the function touches the
// metadata area: where it runs is not followed.
func (x *finder) settle() {
	touched := len(x.touches) > 0
	for _, e := range x.enters {
		touched = touched || x.dirty[e.fn]
	}
	for i := range x.enters {
		if x.enters[i].address && touched {
			x.enters[i].late = true
		}
	}
}

func (x *finder) load(i int, in *code.Insn, s *state) {
	base, size := s.regs[in.Src], in.OpCode.Size().Sizeof()
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
	base, size := s.regs[in.Dst], in.OpCode.Size().Sizeof()
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
	if src.kind == hint || src.kind == frame {
		dst, src = src, dst
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
	case dst.kind == apart && !src.points():
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

// spread closes the set of escaped calls over the instructions that carry the
// pointer of several: one that stays for one call must have a pointer from all.
func (x *finder) spread() {
	for again := true; again; {
		again = false
		for _, m := range x.moves {
			if m.sites&x.escaped != 0 && m.sites&^x.escaped != 0 {
				x.escaped |= m.sites
				again = true
			}
		}
	}
}
