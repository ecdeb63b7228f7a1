package rewrite

import (
	"encoding/binary"
	"math/bits"
	"sort"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/layouts"
)

// walker makes the code of one walk: the steps in their order, each word of
// memory read once. Memory that the verifier does not follow is read through a
// cast, a call that leaves nothing in r0 to r5. So before each cast what the next
// steps look at moves to a register that survives it, or to the stack.
type walker struct {
	e     *emitter
	r     *walkReach
	way   *route
	words uint64    // to bring home, by bit
	early uint64    // those that are read before the last cast
	keep  registers // not to be touched
	none  int       // where to go when there is no descriptor

	needed []bool         // steps
	last   map[string]int // operand -> the last step that looks at it
	// address is the same for uses of a value itself. Where only its memory is
	// looked at, the value is of no use once r0 points there: leave saves that.
	address map[string]int
	entered map[string]bool
	at      map[string]home
	cur     string // the value whose memory r0 points to, "" none
	step    int
	lent    registers
	strict  *lengthCheck    // still to be made, nil: none
	tested  map[string]bool // values in whose memory all is looked at that is only looked at
}

func newWalker(e *emitter, r *walkReach, w *route, words uint64, keep registers, none int) *walker {
	k := &walker{e: e, r: r, way: w, words: words, early: r.early(e.p) & words, keep: keep, none: none,
		last: map[string]int{}, address: map[string]int{}, entered: map[string]bool{},
		at: map[string]home{}, tested: map[string]bool{}}
	if r.guard == GuardStrict {
		k.strict = lengthOf(e.p.t.desc)
	}
	k.plan()
	return k
}

// plan finds the steps that matter and who looks at what last.
func (k *walker) plan() {
	steps := k.way.Steps
	k.needed = make([]bool, len(steps))
	need := map[string]bool{}
	look := func(name string, i int) {
		need[name] = true
		k.last[name] = max(k.last[name], i)
	}
	entered := map[string]bool{} // by a step
	ask := func(o layouts.Operand, i int) {
		switch name := key(o); {
		case o.Kind == layouts.Number || o.Kind == layouts.SizeOf || o.Kind == layouts.MemberOffset || o.Kind == layouts.Enumerator:
		case parent[name] != "":
			look(name, i)
			k.address[name] = max(k.address[name], i)
		default:
			look(name, i)
			look(o.Value, i)
			entered[o.Value] = entered[o.Value] || o.Loads()
			if !o.Loads() || startTypes[o.Value] != "" {
				k.address[o.Value] = max(k.address[o.Value], i)
			}
		}
	}
	each := func(do func(w *word)) {
		k.e.each(k.words, do)
		k.passing(do)
	}
	each(func(w *word) { need[k.base(w)] = true })
	if k.strict != nil {
		need[k.baseOf(k.strict.length)] = true
	}
	for i := len(steps) - 1; i >= 0; i-- {
		s := &steps[i]
		if s.Name == "" {
			k.needed[i] = s.Strict == layouts.Always || k.r.guard.asks()
		} else {
			k.needed[i] = need[s.Name]
		}
		if k.needed[i] {
			for _, o := range s.Operands() {
				ask(o, i+1)
			}
		}
	}
	if k.checksQueue() || need[layouts.Dev] {
		look(layouts.RXQ, 0)
	}
	if k.checksQueue() {
		look(layouts.Dev, 0)
	}
	for _, start := range []string{layouts.RXQ, layouts.Dev} {
		if need[start] {
			look(start, 0)
		}
	}
	// A word that is read at the end has to be found then.
	found := func(w *word) {
		b := k.base(w)
		if startTypes[b] == "" && !w.named(k.e.p.t.desc) && (!entered[b] || k.early&k.bit(w) == 0) {
			look(b, len(steps)+1+k.way.order(k.e.p.t.desc, w))
			if entered[b] { // once in a step, and once more
				k.address[b] = k.last[b]
			}
		}
	}
	each(found)
	if k.strict != nil {
		found(&word{index: k.strict.length.Bits[0].Word})
	}
}

// wanted tells whether a value is looked at in this step or later.
func (k *walker) wanted(name string) bool {
	last := k.last[name]
	if k.entered[name] {
		last = k.address[name]
	}
	return last >= k.step
}

// parent is what the values that every walk starts from are members of.
var parent = map[string]string{layouts.RXQ: layouts.XDP, layouts.Dev: layouts.RXQ}

// key names an operand; the same memory has the same key.
func key(o layouts.Operand) string {
	switch s := o.String(); s {
	case "xdp.rxq":
		return layouts.RXQ
	case "rxq.dev":
		return layouts.Dev
	default:
		return s
	}
}

// base is the value in whose memory a word lies.
func (k *walker) base(w *word) string { return w.base(k.e.p.t.desc) }

// passing visits the words that are looked at on the way only.
func (k *walker) passing(do func(w *word)) {
	for i := range k.e.p.words {
		if w := &k.e.p.words[i]; w.passing {
			do(w)
		}
	}
}

// run makes the code. It ends with every word at home, or at none.
func (k *walker) run() {
	k.e.call(k.r.cast, int64(k.r.castID))
	k.cur = layouts.XDP
	k.lend(asm.R0)
	k.start()
	for i := range k.way.Steps {
		if k.step = i + 1; k.needed[i] {
			k.run1(&k.way.Steps[i])
			k.release()
		}
	}
	k.bringRest()
}

// start takes what nearly every walk needs: the queue and its device.
func (k *walker) start() {
	k.notePacketLength()
	for _, start := range []string{layouts.RXQ, layouts.Dev} {
		if _, ok := k.last[start]; ok {
			k.at[start] = home{reg: k.member(layouts.Operand{Kind: layouts.MemberValue, Value: parent[start],
				Member: layouts.Member{Type: startTypes[parent[start]], Path: []string{start}}, Int: pointerForm}), placed: true}
		}
	}
	if k.checksQueue() {
		k.checkQueue()
	}
	for _, start := range []string{layouts.XDP, layouts.RXQ, layouts.Dev} {
		k.bring(start, k.early)
	}
	k.release()
}

var (
	startTypes  = map[string]string{layouts.XDP: "xdp_buff", layouts.RXQ: "xdp_rxq_info", layouts.Dev: "net_device"}
	pointerForm = layouts.Integer{Bits: 64, Pointer: true}
)

// checksQueue tells whether to ask if the queue is one of the device's generic
// ones: unless a step proves more.
func (k *walker) checksQueue() bool {
	if !k.r.guard.asks() {
		return false
	}
	for i := range k.way.Steps {
		if k.way.Steps[i].Strict == layouts.Own {
			return false
		}
	}
	return true
}

// checkQueue goes to none when the queue is dev->_rx[queue_index]: generic XDP,
// BPF_PROG_RUN and tun's skb path hand over those (net/core/dev.c
// netif_get_rxqueue, net/bpf/test_run.c xdp_convert_md_to_buff, drivers/net/tun.c
// of 6.12), and no driver does.
func (k *walker) checkQueue() {
	member := func(typ, value string, form layouts.Integer, path ...string) layouts.Operand {
		return layouts.Operand{Kind: layouts.MemberValue, Value: value, Member: layouts.Member{Type: typ, Path: path}, Int: form}
	}
	queues := k.member(member("net_device", layouts.Dev, pointerForm, "_rx"))
	index := k.member(member("xdp_rxq_info", layouts.RXQ, layouts.Integer{Bits: 32}, "queue_index"))
	size, err := k.r.bind.size("netdev_rx_queue")
	inside, err2 := k.r.bind.address(layouts.Member{Type: "netdev_rx_queue", Path: []string{"xdp_rxq"}}, layouts.Integer{})
	if err != nil || err2 != nil {
		k.e.p.short = true // vmlinux has both wherever it has XDP
		return
	}
	k.e.each(k.words, func(w *word) { // it may be a hint as well
		if s := k.e.p.t.desc.StateOf(w.index); s != nil && s.At.String() == "rxq.queue_index:u32" {
			k.e.put(w.home, index)
			k.words &^= k.bit(w)
		}
	})
	k.e.recorded(asm.Mul, index, size)
	if inside.n != 0 || inside.record != nil {
		k.e.recorded(asm.Add, index, inside)
	}
	distance := k.lend(k.free())
	k.e.op(asm.Mov.Reg(distance, k.at[layouts.RXQ].reg))
	k.e.op(asm.Sub.Reg(distance, queues))
	k.e.ifReg(asm.JEq, distance, index, k.none)
	k.unlend(queues, index, distance)
}

// recorded makes r op= a number that the loader may put in.
func (e *emitter) recorded(op asm.ALUOp, r asm.Register, s spot) {
	e.op(op.Imm(r, int32(s.n)))
	e.code[len(e.code)-1].CORE = s.record
}

// call calls a kernel function; id is its number where the kernel is known.
func (e *emitter) call(fn code.Ref, id int64) {
	if id == 0 {
		id = -1 // as clang leaves it to the loader
	}
	in := code.New(asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoKfuncCall, Constant: id})
	in.Ref = fn
	e.code = append(e.code, in)
}

// run1 makes the code of a step. Its operands' memory is entered before one of them
// is in a register: a cast would take it away.
func (k *walker) run1(s *layouts.Step) {
	for _, o := range s.Operands() {
		if _, known := k.at[key(o)]; o.Loads() && !known {
			k.enter(o.Value)
		}
	}
	switch s.Op {
	case layouts.Require, layouts.Differ:
		k.check(s)
		return
	case layouts.Copy:
		k.define(s.Name, k.own(s.A))
	case layouts.ContainerOf:
		k.define(s.Name, k.offset(s.A, asm.Sub, s.B))
	case layouts.AddScaled:
		k.define(s.Name, k.addScaled(s))
	case layouts.Sub64:
		r := k.own(s.A)
		b := k.use(s.B)
		k.e.op(asm.Sub.Reg(r, b))
		k.define(s.Name, r)
	case layouts.And64:
		k.define(s.Name, k.and(s))
	case layouts.ShiftRight:
		k.define(s.Name, k.shiftRight(s))
	case layouts.Previous:
		k.define(s.Name, k.previous(s))
	case layouts.Same:
		k.define(s.Name, k.same(s))
	}
}

// define notes where a step's value is, and brings it home if it is a word.
func (k *walker) define(name string, r asm.Register) {
	k.at[name] = home{reg: r, placed: true}
	k.testPassing(name, true)
	k.e.each(k.words, func(w *word) {
		if w.named(k.e.p.t.desc) && k.base(w) == name {
			k.e.put(w.home, r)
			k.words &^= k.bit(w)
		}
	})
}

func (k *walker) bit(w *word) uint64 {
	for i := range k.e.p.words {
		if &k.e.p.words[i] == w {
			return 1 << i
		}
	}
	return 0
}

func (k *walker) check(s *layouts.Step) {
	op := asm.JNE
	if s.Op == layouts.Differ {
		op = asm.JEq
	}
	a := k.use(s.A)
	if s.B.Kind == layouts.Number && s.B.N <= maxMask {
		k.e.ifImm(op, a, int32(s.B.N), k.none)
		return
	}
	b := k.use(s.B)
	k.e.ifReg(op, a, b, k.none)
}

func (k *walker) addScaled(s *layouts.Step) asm.Register {
	if s.B.Kind == layouts.Number && s.Factor.Kind == layouts.Number && s.B.N*s.Factor.N <= maxMask {
		r := k.own(s.A)
		k.e.op(asm.Add.Imm(r, int32(s.B.N*s.Factor.N)))
		return r
	}
	b := k.own(s.B)
	k.scale(b, s.Factor)
	a := k.use(s.A)
	k.e.op(asm.Add.Reg(b, a))
	return b
}

// scale multiplies r by a factor.
func (k *walker) scale(r asm.Register, factor layouts.Operand) {
	var n spot
	switch factor.Kind {
	case layouts.Number:
		n.n = int(factor.N)
	case layouts.SizeOf:
		n = k.sizeNumber(factor)
		if n.record != nil && factor.N > 1 {
			k.e.op(asm.Mul.Reg(r, k.use(factor)))
			return
		}
	default:
		k.e.op(asm.Mul.Reg(r, k.use(factor)))
		return
	}
	switch {
	case n.record == nil && n.n == 1:
	case n.record == nil && n.n > 0 && n.n&(n.n-1) == 0:
		k.e.op(asm.LSh.Imm(r, int32(bits.TrailingZeros(uint(n.n)))))
	default:
		k.e.recorded(asm.Mul, r, n)
	}
}

func (k *walker) and(s *layouts.Step) asm.Register {
	r := k.own(s.A)
	if s.B.Kind == layouts.Number && int64(s.B.N) == int64(int32(s.B.N)) {
		k.e.op(asm.And.Imm(r, int32(s.B.N)))
	} else {
		k.e.op(asm.And.Reg(r, k.use(s.B)))
	}
	return r
}

func (k *walker) shiftRight(s *layouts.Step) asm.Register {
	r := k.own(s.A)
	n := spot{n: int(s.B.N)}
	if s.B.Kind == layouts.Enumerator {
		n = k.enumerator(s.B)
	}
	if n.n != 0 || n.record != nil {
		k.e.recorded(asm.RSh, r, n)
	}
	return r
}

// enumerator is the number of one in the kernel.
func (k *walker) enumerator(o layouts.Operand) spot {
	n, err := k.r.bind.enumerator(o.Member)
	if err != nil {
		k.e.p.short = true // placed has seen that it is there
	}
	return n
}

// previous counts down from the ring's size where the index is 0.
func (k *walker) previous(s *layouts.Step) asm.Register {
	r := k.own(s.A)
	within := k.e.label()
	if s.B.Loads() && k.cur == s.B.Value && !k.at[key(s.B)].placed {
		k.e.ifImm(asm.JNE, r, 0, within)
		k.load(s.B, r) // looked at on this way only
	} else {
		b := k.use(s.B)
		k.e.ifImm(asm.JNE, r, 0, within)
		k.e.op(asm.Mov.Reg(r, b))
	}
	k.e.at(within)
	k.e.op(asm.Sub.Imm(r, 1))
	return r
}

func (k *walker) same(s *layouts.Step) asm.Register {
	a, b := k.use(s.A), k.use(s.B)
	r := k.lend(k.free())
	equal := k.e.label()
	k.e.op(asm.Mov.Imm(r, 1))
	k.e.ifReg(asm.JEq, a, b, equal)
	k.e.op(asm.Mov.Imm(r, 0))
	k.e.at(equal)
	return r
}

// offset makes a member's offset plus or minus an operand.
func (k *walker) offset(o layouts.Operand, op asm.ALUOp, of layouts.Operand) asm.Register {
	r := k.own(o)
	s, err := k.r.bind.address(of.Member, of.Int)
	if err != nil {
		k.e.p.short = true // placed and reaches have seen that it is there
	}
	if s.n != 0 || s.record != nil {
		k.e.recorded(op, r, s)
	}
	return r
}

// use returns a register with an operand's value, not to be written to.
func (k *walker) use(o layouts.Operand) asm.Register {
	if h, ok := k.at[key(o)]; ok && o.Kind != layouts.MemberAddress {
		if h.slot == 0 {
			return h.reg
		}
		r := k.lend(k.free())
		k.e.get(h, r)
		return r
	}
	return k.own(o)
}

// own returns a register with an operand's value that may be written to.
func (k *walker) own(o layouts.Operand) asm.Register {
	name := key(o)
	if h, ok := k.at[name]; ok && o.Kind != layouts.MemberAddress {
		if h.slot == 0 && k.last[name] <= k.step && name != layouts.XDP {
			delete(k.at, name)
			return k.lend(h.reg)
		}
		r := k.lend(k.free())
		k.e.get(h, r)
		return r
	}
	switch o.Kind {
	case layouts.Number:
		r := k.lend(k.free())
		k.e.constant(r, o.N)
		return r
	case layouts.SizeOf:
		return k.sizeOf(o)
	case layouts.Enumerator:
		r := k.lend(k.free())
		k.e.recorded(asm.Mov, r, k.enumerator(o))
		return r
	case layouts.MemberAddress:
		return k.offset(layouts.Operand{Kind: layouts.Named, Value: o.Value}, asm.Add, o)
	case layouts.Named: // xdp, while r0 has it
		r := k.lend(k.free())
		k.e.op(asm.Mov.Reg(r, asm.R0))
		return r
	}
	return k.member(o)
}

// sizeNumber is a struct's size; where the loader puts it in, not rounded up yet.
func (k *walker) sizeNumber(o layouts.Operand) spot {
	s, err := k.r.bind.size(o.Member.Type)
	if err != nil {
		k.e.p.short = true
	}
	if s.record == nil {
		s.n = (s.n + int(o.N) - 1) &^ int(o.N-1)
	}
	return s
}

func (k *walker) sizeOf(o layouts.Operand) asm.Register {
	r := k.lend(k.free())
	s := k.sizeNumber(o)
	if s.record == nil {
		k.e.constant(r, uint64(s.n))
		return r
	}
	k.e.recorded(asm.Mov, r, s)
	if o.N > 1 {
		k.e.op(asm.Add.Imm(r, int32(o.N-1)))
		k.e.op(asm.And.Imm(r, -int32(o.N)))
	}
	return r
}

// member loads a member, or what lies at an offset.
func (k *walker) member(o layouts.Operand) asm.Register {
	k.enter(o.Value)
	r := k.lend(k.free())
	k.load(o, r)
	return r
}

// load reads a member into r, the memory being entered.
func (k *walker) load(o layouts.Operand, r asm.Register) {
	s, err := k.r.place(o, "")
	if err != nil {
		k.e.p.short = true
	}
	k.read(r, s, k.pointer(o.Value))
	if o.Int.BitField && s.left == nil { // else the loader's shifts have cut it out
		k.e.op(asm.LSh.Imm(r, int32(64-s.low-o.Int.Bits)))
		k.e.op(asm.RSh.Imm(r, int32(64-o.Int.Bits)))
	}
	if o.Int.Order != layouts.HostOrder && k.e.p.t.swaps(o.Int) {
		k.e.op(k.e.swap(r, s.size))
	}
}

// read loads what a spot says from the memory at base.
func (k *walker) read(r asm.Register, s spot, base asm.Register) {
	k.e.op(asm.LoadMem(r, base, int16(s.n), sizeOf(s.size)))
	k.e.code[len(k.e.code)-1].CORE = s.record
	if s.declared != nil {
		k.firstBytes(r, spot{n: s.declaredN, record: s.declared})
	}
	if s.left != nil {
		k.e.recorded(asm.LSh, r, spot{n: s.leftN, record: s.left})
		k.e.recorded(asm.RSh, r, spot{n: s.rightN, record: s.right})
	}
}

// firstBytes leaves of eight bytes in r, on a big-endian machine, as many of the
// first as the loader finds a type to have.
func (k *walker) firstBytes(r asm.Register, size spot) {
	n := k.lend(k.free())
	k.e.recorded(asm.Mov, n, size)
	k.e.op(asm.LSh.Imm(n, 3))
	k.e.op(asm.Neg.Imm(n, 0))
	k.e.op(asm.Add.Imm(n, 64))
	k.e.op(asm.RSh.Reg(r, n))
	k.unlend(n)
}

// swaps tells whether an integer in memory is in the other byte order.
func (t *target) swaps(i layouts.Integer) bool {
	return i.Bits > 8 && (i.Order == layouts.BigEndian) != (t.order == binary.ByteOrder(binary.BigEndian))
}

// pointer is the register through which the memory of a value is read.
func (k *walker) pointer(value string) asm.Register {
	if k.cur == value {
		return asm.R0
	}
	if h := k.at[value]; h.slot == 0 {
		return h.reg
	}
	r := k.lend(k.free())
	k.e.get(k.at[value], r)
	return r
}

// enter makes r0 point to the memory of a value. What the verifier follows by
// its type needs no cast.
func (k *walker) enter(value string) {
	if k.cur == value || startTypes[value] != "" {
		return
	}
	k.entered[value] = true
	k.leave(value)
	k.putFirst(value)
	carrier := k.r.bind.carrier()
	k.e.recorded(asm.Mov, asm.R2, carrier)
	k.e.call(k.r.rdonly, int64(k.r.rdonlyID))
	k.lent = k.lent&^regset(asm.R1, asm.R2, asm.R3, asm.R4, asm.R5) | regset(asm.R0)
	k.cur = value
	k.bring(value, k.early)
}

// putFirst moves a value's address to r1.
func (k *walker) putFirst(value string) {
	if value == layouts.XDP || k.at[value] == (home{}) && k.cur == layouts.XDP {
		k.e.op(asm.Mov.Reg(asm.R1, asm.R0))
		return
	}
	if h := k.at[value]; h.slot != 0 || h.reg != asm.R1 {
		k.e.get(h, asm.R1)
	}
}

// leave saves what is looked at after the cast of next from what it overwrites:
// values in r0 to r5, and members of the memory that r0 points to.
func (k *walker) leave(next string) {
	if k.cur == layouts.XDP && k.wanted(layouts.XDP) {
		if _, ok := k.at[layouts.XDP]; !ok {
			h := k.preserve()
			k.e.put(h, asm.R0)
			k.at[layouts.XDP] = h
		}
	}
	for i := k.step; i <= len(k.way.Steps); i++ {
		if i == 0 || !k.needed[i-1] {
			continue
		}
		for _, o := range k.way.Steps[i-1].Operands() {
			if o.Loads() && o.Value == k.cur && !k.at[key(o)].placed && k.cur != "" && startTypes[k.cur] == "" {
				h := k.preserve()
				r := h.reg
				if h.slot != 0 {
					r = k.lend(k.free())
				}
				k.load(o, r)
				if h.slot != 0 {
					k.e.put(h, r)
					k.unlend(r)
				}
				k.at[key(o)] = h
			}
		}
	}
	for _, name := range k.names() {
		h := k.at[name]
		switch {
		case h.slot != 0 || h.reg > asm.R5:
		case k.wanted(name):
			to := k.preserve()
			k.e.put(to, h.reg)
			if name != next {
				k.at[name] = to
				continue
			}
			// The address itself goes into r1 from where it is now.
			k.at[name] = h
			defer func() { k.at[name] = to }()
		case name != next:
			delete(k.at, name)
		}
	}
}

// names lists the values in a fixed order: the same program twice is the same
// code.
func (k *walker) names() []string {
	out := make([]string, 0, len(k.at))
	for name := range k.at {
		out = append(out, name)
	}
	sort.Strings(out)
	return out
}

// bring takes the words home that lie in the memory of a value, and looks at
// those that are only looked at. Of the words in set those do that are in early
// as well, or all at the end.
func (k *walker) bring(value string, set uint64) {
	if !k.tested[value] {
		k.tested[value] = true
		k.testPassing(value, false)
		k.checkLength(value)
	}
	base := asm.R10
	var last *word
	k.e.each(k.words&set, func(w *word) {
		if k.base(w) != value || w.named(k.e.p.t.desc) {
			return
		}
		if base == asm.R10 {
			base = k.pointer(value)
		}
		k.words &^= k.bit(w)
		if w.home.register().has(base) {
			last = w
			return
		}
		k.bringWord(w, base)
	})
	if last != nil {
		k.bringWord(last, base)
	}
}

// bringWord takes one word home.
func (k *walker) bringWord(w *word, base asm.Register) {
	r := w.home.reg
	if w.home.slot != 0 {
		r = k.lend(k.free())
		defer k.unlend(r)
	}
	k.readWord(w, r, base)
	if w.home.slot != 0 {
		k.e.put(w.home, r)
	}
}

// readWord loads a word into r. Where the loader may find that the kernel lacks
// it, it is 0 then.
func (k *walker) readWord(w *word, r, base asm.Register) {
	s := k.e.p.t.desc.StateOf(w.index)
	if s == nil {
		k.e.op(asm.LoadMem(r, base, int16(w.off), sizeOf(w.size)))
		if w.swap {
			k.e.op(k.e.swap(r, w.size))
		}
		return
	}
	typ, _ := k.way.TypeOf(s.At.Value)
	at, err := k.r.place(s.At, typ)
	if err != nil {
		k.e.op(asm.Mov.Imm(r, 0))
		return
	}
	over := k.e.label()
	if !k.way.sure(s) {
		t := k.lend(k.free())
		_, record := k.r.bind.exists(layouts.Question{Member: layouts.Member{Type: typ, Path: s.At.Member.Path}, Form: s.At.Int})
		k.e.recorded(asm.Mov, t, spot{n: 1, record: record})
		absent := k.e.label()
		k.e.ifImm(asm.JEq, t, 0, absent)
		k.readState(s, r, at, base)
		k.e.goTo(over)
		k.e.at(absent)
		k.e.op(asm.Mov.Imm(r, 0))
		k.e.at(over)
		k.unlend(t)
		return
	}
	k.readState(s, r, at, base)
}

func (k *walker) readState(s *layouts.State, r asm.Register, at spot, base asm.Register) {
	k.read(r, at, base)
	if s.At.Int.Order != layouts.HostOrder && k.e.p.t.swaps(s.At.Int) {
		k.e.op(k.e.swap(r, at.size))
	}
}

// testPassing compares the words in a value's memory that are looked at once and
// not kept, and goes to none when the descriptor is no ready one.
func (k *walker) testPassing(value string, named bool) {
	all := compile(k.e.p.first, k.e.p.passed)
	for i := range all {
		c := all[i]
		if k.base(c.word) != value || c.word.named(k.e.p.t.desc) != named {
			continue
		}
		through := k.at[value].reg // a step has just made it
		if !named {
			c.last = true
			through = k.lend(k.free())
			k.readWord(c.word, through, k.pointer(value))
		}
		c.word.home = home{reg: through, placed: true}
		k.e.free, k.e.avoid = k.spare(), 1<<11-1 // nothing to borrow: words are at home in it
		k.e.compare(&c, k.none, false)
		k.e.free, k.e.avoid = 0, 0
		if !named {
			k.unlend(through)
		}
	}
}

// bringRest takes home what is left, memory after memory in the walk's order.
func (k *walker) bringRest() {
	k.step = len(k.way.Steps) + 1
	order := map[string]int{}
	note := func(w *word) {
		if !w.named(k.e.p.t.desc) {
			order[k.base(w)] = k.way.order(k.e.p.t.desc, w)
		}
	}
	k.e.each(k.words, note)
	k.passing(func(w *word) {
		if !k.tested[k.base(w)] {
			note(w)
		}
	})
	if k.strict != nil {
		note(&word{index: k.strict.length.Bits[0].Word})
	}
	names := make([]string, 0, len(order))
	for name := range order {
		names = append(names, name)
	}
	sort.Slice(names, func(a, b int) bool { return order[names[a]] < order[names[b]] })
	for _, name := range names {
		if _, ok := k.way.TypeOf(name); !ok {
			k.e.each(k.words, func(w *word) { // not on this way
				if k.base(w) == name {
					k.e.clear(w)
					k.words &^= k.bit(w)
				}
			})
			continue
		}
		k.step = len(k.way.Steps) + 1 + order[name]
		k.enter(name)
		k.bring(name, 0) // what is only looked at
		k.reserveHomes(name)
		k.bring(name, ^uint64(0))
	}
}

// reserveHomes keeps the registers that words come to live in from being used on
// the way there.
func (k *walker) reserveHomes(value string) {
	k.e.each(k.words, func(w *word) {
		if k.base(w) == value {
			k.lent |= w.home.register()
		}
	})
}

// free is a register that nothing is in: one of those that calls overwrite,
// before one that is the program's to save.
func (k *walker) free() asm.Register {
	set := k.spare()
	if set == 0 {
		k.e.p.short = true
		return asm.R1
	}
	return asm.Register(bits.TrailingZeros16(uint16(set)))
}

func (k *walker) spare() registers {
	used := k.lent | k.homes()
	for _, h := range k.at {
		used |= h.register()
	}
	set := regset(asm.R1, asm.R2, asm.R3, asm.R4, asm.R5) &^ used
	if set == 0 {
		set = regset(asm.R6, asm.R7, asm.R8, asm.R9) &^ used &^ k.keep
	}
	return set
}

// homes are the registers above r5 that words come to live in or have come to.
func (k *walker) homes() (out registers) {
	for i := range k.e.p.words {
		if w := &k.e.p.words[i]; !w.passing && w.home.placed {
			out |= w.home.register()
		}
	}
	return out &^ regset(asm.R0, asm.R1, asm.R2, asm.R3, asm.R4, asm.R5)
}

// preserve is a place that survives a call.
func (k *walker) preserve() home {
	used := k.lent | k.homes() | k.keep
	for _, h := range k.at {
		used |= h.register()
	}
	for r := asm.R6; r <= asm.R9; r++ {
		if !used.has(r) {
			k.lent |= regset(r)
			return home{reg: r, placed: true}
		}
	}
	return home{slot: k.e.slot(), placed: true}
}

func (k *walker) lend(r asm.Register) asm.Register {
	k.lent |= regset(r)
	return r
}

func (k *walker) unlend(rs ...asm.Register) { k.lent &^= regset(rs...) }

// release gives back the registers of a step that hold nothing any more.
func (k *walker) release() {
	for _, name := range k.names() {
		if k.last[name] <= k.step && name != layouts.XDP {
			delete(k.at, name)
		}
	}
	k.lent = regset(asm.R0)
}
