package rewrite

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/verifier"
)

// Guard says how much a walk asks before it believes what it came to.
type Guard string

const (
	// GuardOn leaves a packet without hints that the NIC's driver did not hand over
	// natively: in generic mode, under BPF_PROG_RUN, or by another driver.
	GuardOn Guard = "on"
	// GuardBound leaves that to the kernel: it loads the program bound to a device
	// (BPF_F_XDP_DEV_BOUND_ONLY) or not at all, and runs it there and natively.
	GuardBound Guard = "bound"
	// GuardOff trusts that the program is attached natively to this NIC and to
	// nothing else.
	GuardOff Guard = "off"
	// GuardStrict also compares the descriptor's length with the packet's: a
	// descriptor of another packet hardly ever agrees. It is for finding faults:
	// after the program has changed the packet's length there are no hints.
	GuardStrict Guard = "strict"
)

// walkReach goes through the driver's own structures.
type walkReach struct {
	guard  Guard
	ways   []*route // tried in order; one when the kernel is known
	bind   binder
	cast   code.Ref // bpf_cast_to_kern_ctx
	rdonly code.Ref // bpf_rdonly_cast
	// ids are those functions' numbers in a known kernel; 0: the loader finds them.
	castID, rdonlyID btf.TypeID
	// nowhere is what is called where the way is not known; a loader does not find
	// it, and names it.
	nowhere code.Ref
	// binding is a function that the kernel lets only bound programs call.
	binding   code.Ref
	bindingID btf.TypeID
	// A loader that finds the carrier under another id has another kernel, whose
	// driver may have its members elsewhere. nil: no loader will look.
	fingerprint *code.CORE
}

// route is one of the layout's walks, as this rewrite takes it.
type route struct {
	*layouts.Walk
	certain bool // the kernel is known, or all that it asks for is seen to
}

func (*walkReach) name() Reach { return Walk }

// asks tells whether the packet has to show that it is the driver's.
func (g Guard) asks() bool { return g != GuardOff && g != GuardBound }

// names lists the walks that lead somewhere.
func (r *walkReach) names() (out []string) {
	for _, w := range r.ways {
		if w.Refuse == "" {
			out = append(out, w.Name)
		}
	}
	return out
}

// newWalk chooses the ways for a target and notes what they lack.
func newWalk(t *target, u *code.Unit, opts Options) (*walkReach, error) {
	l := t.layout
	if err := checkWalkable(u); err != nil {
		return nil, err
	}
	if len(l.Walks) == 0 {
		return nil, &UnsupportedError{Insn: -1, Msg: fmt.Sprintf("the layout of %s tells no way to the descriptor through its driver", l.NIC),
			Help: "use --reach meta, with the raw descriptor in the metadata area"}
	}
	walks := l.WalksTo(t.whole)
	if len(walks) == 0 {
		return nil, &UnsupportedError{Insn: -1, Msg: fmt.Sprintf("the driver %s of stock kernels uses descriptor %s, and %s was asked for", l.NIC, l.Descriptors[0].Name, t.desc.Name),
			Help: "leave --descriptor out, or use --reach meta"}
	}
	r := &walkReach{guard: opts.Guard}
	if r.guard == "" {
		r.guard = GuardOn
	}
	big := t.bigEndian()
	if opts.Kernel == nil && opts.atOnce {
		var err error
		if opts.Kernel, err = RunningKernel(); err != nil {
			return nil, &UnsupportedError{Insn: -1, Msg: err.Error(), Help: "say for which kernel: Options.Kernel"}
		}
	}
	if opts.Kernel == nil {
		r.bind = &portable{big: big, structs: map[asked]*btf.Struct{}, enums: map[string]*btf.Enum{}}
		for _, w := range walks {
			r.ways = append(r.ways, &route{Walk: w})
		}
		r.nowhere = extern(u, fmt.Sprintf("hintjit_no_way_to_%s_descriptor", strings.ReplaceAll(l.NIC, "-", "_")), weak)
	} else if err := r.know(t, opts, big); err != nil {
		return nil, err
	} else if !opts.atOnce {
		carrier := layouts.Member{Type: r.bind.(*known).ptr.Type}
		r.fingerprint = (&portable{structs: map[asked]*btf.Struct{}}).record(code.TypeIDTarget, carrier, layouts.Integer{})
		r.nowhere = extern(u, "hintjit_rewritten_for_another_kernel", weak)
	}
	r.cast, r.rdonly = extern(u, "bpf_cast_to_kern_ctx", ""), extern(u, "bpf_rdonly_cast", "")
	if r.guard == GuardBound && !opts.atOnce { // a collection says so itself, see checkBound
		r.binding = extern(u, binding, "")
	}
	return r, nil
}

// know chooses the way on a known kernel.
func (r *walkReach) know(t *target, opts Options, big bool) error {
	l, k := t.layout, opts.Kernel
	carrier, err := k.Carrier()
	if err != nil {
		return &UnsupportedError{Insn: -1, Msg: err.Error(), Help: "use --reach meta, with the raw descriptor in the metadata area"}
	}
	r.castID, r.rdonlyID, r.bindingID = k.Func("bpf_cast_to_kern_ctx"), k.Func("bpf_rdonly_cast"), k.Func(binding)
	bind := &known{kernel: k, module: l.Module, ptr: carrier, big: big}
	r.bind = bind
	var missing []string
	for _, w := range l.WalksTo(t.whole) {
		if lack := lacking(bind, w); lack != "" {
			missing = append(missing, fmt.Sprintf("%s: %s", w.Name, lack))
			continue
		}
		if w.Refuse != "" {
			return &UnsupportedError{Insn: -1, Msg: fmt.Sprintf("%s on %s: %s", l.NIC, k.Name(), w.Refuse),
				Help: "use another kernel, or --reach meta with the raw descriptor in the metadata area"}
		}
		r.ways = []*route{{Walk: w, certain: true}}
		return r.placed()
	}
	e := &UnsupportedError{Insn: -1, Msg: fmt.Sprintf("%s: no way to the descriptor is known for %s (%s)", l.NIC, k.Name(), strings.Join(missing, "; "))}
	switch err := k.Module(l.Module); {
	case errors.Is(err, fs.ErrNotExist):
		e.Help = fmt.Sprintf("its module's types are not there: load %s, or name its BTF with --btf", l.Module)
	case err != nil:
		e.Msg, e.Help = fmt.Sprintf("%s: %v", l.NIC, err), "name the BTF of vmlinux and of the module of one and the same kernel"
	default:
		e.Help = "the layout does not know this kernel's driver yet; --reach meta works on any"
	}
	return e
}

// lacking says what of a walk's questions the kernel answers otherwise.
func lacking(b binder, w *layouts.Walk) string {
	for _, q := range w.Has {
		if there, _ := b.exists(q); !there {
			return "there is no " + q.String()
		}
	}
	for _, q := range w.Lacks {
		if there, _ := b.exists(q); there {
			return "there is " + q.String()
		}
	}
	return ""
}

// placed sees that the kernel has every member that the steps read.
func (r *walkReach) placed() error {
	w := r.ways[0]
	for i := range w.Steps {
		s := &w.Steps[i]
		for _, o := range s.Operands() {
			var err error
			switch o.Kind {
			case layouts.MemberValue:
				_, err = r.bind.member(o.Member, o.Int)
			case layouts.MemberAddress, layouts.MemberOffset:
				_, err = r.bind.address(o.Member, o.Int)
			case layouts.SizeOf:
				_, err = r.bind.size(o.Member.Type)
			case layouts.Enumerator:
				var n spot
				if n, err = r.bind.enumerator(o.Member); err == nil && s.Op == layouts.ShiftRight && n.n > 63 {
					err = fmt.Errorf("%v is %d in this kernel, and a shift is by less than 64", o.Member, n.n)
				}
			}
			if err != nil {
				return &UnsupportedError{Insn: -1, Msg: fmt.Sprintf("walk %s: %v", w.Name, err),
					Help: fmt.Sprintf("the driver changed: %s:%d has to follow", s.Pos.File, s.Pos.Line)}
			}
		}
	}
	return nil
}

const weak = "weak"

// binding is one of the metadata kfuncs. That only a bound program may call it is
// seen before anything is verified (kernel/bpf/verifier.c add_kfunc_call,
// bpf_dev_bound_kfunc_check; 6.3 and later), so the call may stand where the
// verifier never comes by, and is gone then.
const binding = "bpf_xdp_metadata_rx_timestamp"

// extern finds or declares a kernel function.
func extern(u *code.Unit, name, binding string) code.Ref {
	for i, x := range u.Externs {
		if x.Name == name {
			return code.Ref{Kind: code.RefExtern, Index: int32(i)}
		}
	}
	u.Externs = append(u.Externs, code.Extern{Name: name, Type: prototypes(name), Weak: binding == weak})
	return code.Ref{Kind: code.RefExtern, Index: int32(len(u.Externs) - 1)}
}

// prototypes declares the kernel's functions as kernel/bpf/helpers.c has them; a
// function that no kernel has takes nothing.
func prototypes(name string) *btf.Func {
	void := &btf.Void{}
	obj := btf.FuncParam{Name: "obj", Type: &btf.Pointer{Target: void}}
	proto := &btf.FuncProto{Return: void}
	switch name {
	case "bpf_cast_to_kern_ctx":
		proto = &btf.FuncProto{Return: &btf.Pointer{Target: void}, Params: []btf.FuncParam{obj}}
	case "bpf_rdonly_cast":
		proto = &btf.FuncProto{Return: &btf.Pointer{Target: void},
			Params: []btf.FuncParam{obj, {Name: "btf_id", Type: unsigneds[32]}}}
	case binding:
		proto = &btf.FuncProto{Return: &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}, Params: []btf.FuncParam{
			{Name: "ctx", Type: &btf.Pointer{Target: &btf.Struct{Name: "xdp_md", Size: 4,
				Members: []btf.Member{{Name: "data", Type: unsigneds[32]}}}}},
			{Name: "timestamp", Type: &btf.Pointer{Target: unsigneds[64]}}}}
	}
	return &btf.Func{Name: name, Type: proto, Linkage: btf.ExternFunc}
}

// restrict returns the descriptor with what the ways can give of it.
func (r *walkReach) restrict(d *layouts.Descriptor) *layouts.Descriptor {
	out := d.Restrict(func(s *layouts.State) bool {
		for _, w := range r.ways {
			if w.Refuse == "" && r.reaches(w, s) {
				return true
			}
		}
		return false
	})
	if len(r.ways) == 1 && r.ways[0].certain {
		return out
	}
	return r.provable(out)
}

// reaches tells whether a way comes by a state. Where the loader has the last
// word it may be that the kernel lacks it still.
func (r *walkReach) reaches(w *route, s *layouts.State) bool {
	typ, ok := w.TypeOf(s.At.Value)
	if !ok || s.At.Kind != layouts.MemberValue {
		return ok
	}
	_, err := r.place(s.At, typ)
	return typ != "" && err == nil
}

// place is where in a value's memory an operand lies; typ is the struct there
// when the operand does not say.
func (r *walkReach) place(o layouts.Operand, typ string) (spot, error) {
	if o.Kind == layouts.AtOffset {
		return spot{n: int(o.N), size: o.Int.Bits / 8}, nil
	}
	m := o.Member
	if m.Type == "" {
		m.Type = typ
	}
	return r.bind.member(m, o.Int)
}

// provable leaves out the alternatives that would take a state for 0 which is
// not there on some kernel: what they ask has to fail then.
func (r *walkReach) provable(d *layouts.Descriptor) *layouts.Descriptor {
	return d.Keep(func(a *layouts.Alternative) bool { return r.proves(d, a) }, func(*layouts.Alternative) bool { return false })
}

func (r *walkReach) proves(d *layouts.Descriptor, a *layouts.Alternative) bool {
	for _, f := range a.Fields() {
		for _, b := range f.Bits {
			s := d.StateOf(b.Word)
			if s == nil || r.everywhere(s) {
				continue
			}
			asked := false
			for _, c := range a.When {
				asked = asked || d.StateOf(c.Field.Bits[0].Word) == s && failsOnZero([]layouts.Condition{c})
			}
			if !asked {
				return false
			}
		}
	}
	return true
}

// everywhere tells whether a state is there on every kernel that some way is for.
func (r *walkReach) everywhere(s *layouts.State) bool {
	for _, w := range r.ways {
		if w.Refuse == "" && !w.sure(s) {
			return false
		}
	}
	return true
}

// sure tells whether the kernels that a way is for have the state. Where one of
// them lacks it after all the loader refuses the program.
func (w *route) sure(s *layouts.State) bool {
	_, ok := w.TypeOf(s.At.Value)
	return ok && (w.certain || !s.Maybe)
}

// when lets the walk go at the calls: the driver's structures stay as they are
// while the program runs. What lies before or in the packet is the program's to
// change, as the metadata area is.
func (r *walkReach) when(p *plan) error {
	if r.packetBound(p) {
		return metaReach{}.when(p)
	}
	return nil
}

// packetBound tells whether some way to the words goes by where the packet is.
func (r *walkReach) packetBound(p *plan) bool {
	need := map[string]bool{}
	for i := range p.words {
		need[p.words[i].base(p.t.desc)] = true
	}
	return slices.ContainsFunc(r.ways, func(w *route) bool { return w.readsPacket(need) })
}

// lasts: a strict walk compares the descriptor with the packet as it is.
func (r *walkReach) lasts(p *plan) lasting {
	switch {
	case r.guard == GuardStrict:
		return forAMoment
	case r.packetBound(p):
		return untouched
	}
	return forever
}

// moves: what lies before the packet is found from its start, which both move.
func (r *walkReach) moves(helper asm.BuiltinFunc) bool {
	return helper == asm.FnXdpAdjustMeta || helper == asm.FnXdpAdjustHead
}

// readsPacket tells whether a way to these values goes by where the packet is;
// checks count, whether they are made or not.
func (w *route) readsPacket(need map[string]bool) bool {
	need = maps.Clone(need)
	for _, s := range slices.Backward(w.Steps) {
		if s.Name != "" && !need[s.Name] {
			continue
		}
		for _, o := range s.Operands() {
			if o.Value == layouts.XDP && len(o.Member.Path) > 0 && strings.HasPrefix(o.Member.Path[0], "data") {
				return true
			}
			need[o.Value] = true
		}
	}
	return false
}

// base is the value in whose memory a word lies.
func (w *word) base(d *layouts.Descriptor) string {
	if s := d.StateOf(w.index); s != nil {
		return s.At.Value
	}
	return layouts.Desc
}

// early lists the words that are read before the last cast, whose call leaves
// nothing in r0 to r5.
func (r *walkReach) early(p *plan) (words uint64) {
	for _, w := range r.ways {
		if w.Refuse != "" {
			continue // it reads nothing
		}
		last := -1
		for i := range p.words {
			last = max(last, w.order(p.t.desc, &p.words[i]))
		}
		for i := range p.words {
			if o := w.order(p.t.desc, &p.words[i]); o < last || o <= 0 || p.words[i].named(p.t.desc) {
				words |= 1 << i
			}
		}
	}
	return words
}

// order is at which step the memory comes to be known that a word lies in, 0
// for what the walk starts from.
func (w *route) order(d *layouts.Descriptor, word *word) int {
	base := word.base(d)
	for i := range w.Steps {
		if w.Steps[i].Name == base {
			return i + 1
		}
	}
	return 0
}

// named tells whether a word is a value of the walk itself.
func (w *word) named(d *layouts.Descriptor) bool {
	s := d.StateOf(w.index)
	return s != nil && s.At.Kind == layouts.Named
}

// allows: without a record only the descriptor is read, or what lies at a known
// place of a known kernel.
func (r *walkReach) allows(t *target, u *code.Unit) verifier.Reach {
	out := verifier.Reach{Cast: u.Externs[r.cast.Index].Name, View: u.Externs[r.rdonly.Index].Name, Span: t.desc.Size}
	if r.nowhere.Kind == code.RefExtern {
		out.Stops = []string{u.Externs[r.nowhere.Index].Name}
	}
	if r.binding.Kind == code.RefExtern {
		out.Stops = append(out.Stops, binding)
	}
	reads := func(typ string, o layouts.Operand) {
		if !o.Loads() {
			return
		}
		if s, err := r.place(o, typ); err == nil {
			out.Span = max(out.Span, s.n+s.size)
		}
	}
	for _, w := range r.ways {
		for i := range w.Steps {
			for _, o := range w.Steps[i].Operands() {
				reads("", o)
			}
		}
		for i := range t.desc.State {
			if typ, ok := w.TypeOf(t.desc.State[i].At.Value); ok {
				reads(typ, t.desc.State[i].At)
			}
		}
	}
	return out
}

func (r *walkReach) fetch(e *emitter, words uint64, keep registers) {
	done, none := e.label(), e.label()
	for r := asm.R0; r <= asm.R5; r++ {
		if e.busy.has(r) {
			e.borrowed = append(e.borrowed, r)
		}
	}
	e.get(e.context, asm.R1)
	var ctx home
	if e.p.entry { // where the program goes on with r1
		ctx = (&walker{e: e, keep: keep}).preserve()
		keep |= ctx.register()
		e.put(ctx, asm.R1)
	}
	taken, most := e.slots, e.slots
	for i, w := range r.ways {
		e.slots = taken // the slots of one way are the next one's as well
		next := e.label()
		r.ask(e, w, next)
		if r.fingerprint != nil {
			e.recorded(asm.Mov, asm.R0, spot{record: r.fingerprint})
			e.ifImm(asm.JNE, asm.R0, int32(r.bind.carrier().n), next)
		}
		if w.Refuse != "" {
			r.refuse(e, r.nowhere, none)
		} else {
			newWalker(e, r, w, words, keep, none).run()
			e.goTo(done)
		}
		most = max(most, e.slots)
		e.at(next)
		if i == len(r.ways)-1 && (!w.certain || r.fingerprint != nil) {
			r.refuse(e, r.nowhere, none)
		}
	}
	e.slots = most
	e.at(none)
	e.each(words, func(w *word) { e.clear(w) })
	e.at(done)
	if e.p.entry {
		e.get(ctx, asm.R1)
	}
}

// ask goes to next unless the kernel is one that the way is for.
func (r *walkReach) ask(e *emitter, w *route, next int) {
	if w.certain {
		return
	}
	// r0 holds nothing at the call, nor at the function's entry.
	for _, q := range w.Has {
		r.answer(e, q)
		e.ifImm(asm.JEq, asm.R0, 0, next)
	}
	for _, q := range w.Lacks {
		r.answer(e, q)
		e.ifImm(asm.JNE, asm.R0, 0, next)
	}
}

// answer lets the loader put into r0 whether the kernel has what is asked for.
// The verifier knows the number then, and drops the branch not taken.
func (r *walkReach) answer(e *emitter, q layouts.Question) {
	_, record := r.bind.exists(q)
	e.recorded(asm.Mov, asm.R0, spot{n: 1, record: record})
}

// refuse calls a function that no kernel has: a loader lets that stand where
// the verifier does not come by, and names the function where it does.
func (r *walkReach) refuse(e *emitter, fn code.Ref, none int) {
	e.call(fn, 0)
	if r.binding.Kind == code.RefExtern {
		e.op(asm.Mov.Imm(asm.R1, 0))
		e.op(asm.Mov.Imm(asm.R2, 0))
		e.call(r.binding, int64(r.bindingID))
	}
	e.goTo(none)
}

// cut tells how a word that lies beside the descriptor looks once it is read: an
// integer, as high as its memory is wide.
func (r *walkReach) cut(w word, s *layouts.State) word {
	w.size = 8
	if s.At.Kind == layouts.Named {
		return w
	}
	for _, way := range r.ways {
		typ, ok := way.TypeOf(s.At.Value)
		if !ok || typ == "" {
			continue
		}
		at, err := r.bind.member(layouts.Member{Type: typ, Path: s.At.Member.Path}, s.At.Int)
		if err == nil && at.left == nil {
			w.size, w.low = at.size, -at.low
		}
	}
	return w
}
