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
	shifts  map[int]int64 // what to add to the offset of accesses to bit-fields
	escaped uint64        // calls whose pointer is used in other ways than loads
	enters  []entering    // calls of functions of the unit
	touches []int         // instructions that may change the metadata area, or let the program at it
	returns []int         // exits at which r0 may hold the pointer
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
	args     arguments
	late     bool
	address  bool // it runs later, at a call that is handed the address
}

// arguments is what is known of r1 to r5 where a function is entered.
type arguments [maxArgs]kind

// unknown is what is known of them where not all calls are seen.
var unknown = arguments{outside, outside, outside, outside, outside}

// oracle answers what the NIC can give.
type oracle interface {
	// answer is the constant that a CO-RE record on a hint struct stands for.
	answer(c *code.CORE, compiled int64) (int64, error)
	// possible has the bits set that a load of size bytes at off may give.
	possible(d *declaration, off int64, size int) uint64
}

// finder runs the data flow over one function.
type finder struct {
	u     *code.Unit
	ds    *declarations
	ask   oracle
	dirty []bool                     // by function of the unit: calling it may touch the metadata
	takes func(asm.BuiltinFunc) bool // as reach.moves
	*found
	sites     map[int]uint64
	fields    map[int]uint64 // bit-fields whose offset an instruction sets, as in value.fields
	places    []*place       // the bit-fields, by their bit there
	states    []*state       // at the start of each block, nil: not reached, or left for good
	idle      []*state       // those that no block has any more
	now       state          // at the instruction that is looked at
	callbacks bool           // the address of some function is taken
	final     bool           // the states are final: write down what is seen
	err       error
}

// find analyses function f of the unit.
func (j *job) find(f int) (*found, error) {
	fn := j.u.Funcs[f]
	x := &finder{u: j.u, ds: j.ds, ask: j.t, dirty: j.dirty, takes: j.t.reach.moves, sites: map[int]uint64{}, fields: map[int]uint64{}}
	x.found = &found{f: fn, graph: j.graph(f), decided: map[int]bool{}, answers: map[int]int64{}, shifts: map[int]int64{}}
	x.reached = make([]bool, len(x.graph.Blocks))
	if err := x.constants(); err != nil {
		return nil, err
	}
	x.solve(entry(fn, j.args[f], j.late[f]))
	if x.err != nil {
		return nil, x.err
	}
	x.spread()
	x.settle()
	return x.found, nil
}

// entry is the state in which a function starts. What args says comes from its
// callers in the unit, nothing where there is none. The kernel's word on a
// function that others may call is its type (btf_check_func_arg_match in
// kernel/bpf/btf.c); on a static function it is not: clang drops parameters
// that are not used, and leaves the type as it was.
func entry(f *code.Func, args arguments, late bool) *state {
	s := &state{late: late}
	for r := range s.regs {
		s.regs[r].kind = apart // or not written
	}
	s.regs[asm.R10] = value{kind: frame}
	for i, k := range args {
		r := asm.R1 + asm.Register(i)
		if s.regs[r].kind = k; k == nothing {
			s.regs[r].kind = outside
		}
	}
	if f.Linkage != code.Static {
		for i, p := range params(f)[:min(maxArgs, len(params(f)))] {
			s.regs[asm.R1+asm.Register(i)].kind = kindOf(p.Type)
		}
	}
	if f.Linkage == code.Program {
		s.regs[asm.R1].kind = context
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

// kindOf is what a parameter's type tells of it. A pointer to void may be the
// context; what another points to, the kernel takes for mere bytes.
func kindOf(t btf.Type) kind {
	p, ok := btf.As[*btf.Pointer](t)
	if !ok {
		return apart
	}
	switch to := btf.UnderlyingType(p.Target).(type) {
	case *btf.Void, *btf.Fwd:
		return outside
	case *btf.Struct:
		if to.Name == "xdp_md" {
			return context
		}
	}
	return apart
}

// constants numbers the calls and answers the CO-RE records about hint structs
// that ask for a constant.
func (x *finder) constants() error {
	seen := map[place]uint64{}
	for i := range x.f.Insns {
		in := &x.f.Insns[i]
		if x.isHintCall(in) {
			x.sites[i] = 1 << min(len(x.sites), 63)
		}
		x.callbacks = x.callbacks || in.Ref.Kind == code.RefFunc && !in.IsCall()
		if in.CORE == nil || asHintStruct(in.CORE.Type) == nil {
			continue
		}
		if in.CORE.Kind == code.FieldByteOffset {
			if p := bitfieldOffset(in); p != nil {
				if seen[*p] == 0 {
					seen[*p] = 1 << min(len(x.places), 63)
					x.places = append(x.places, p)
				}
				x.fields[i] = seen[*p]
			}
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

// solve iterates over the blocks until the states at their starts are stable, and
// goes over them once more to write down what is seen. Without a loop both are one:
// a block is taken after all that lead to it.
func (x *finder) solve(first *state) {
	n := len(x.graph.Blocks)
	if n == 0 {
		return
	}
	x.final = !x.graph.Loops()
	x.states = make([]*state, n)
	x.states[0], x.reached[0] = first, true
	// Blocks are taken in reverse postorder, sweep after sweep.
	pending := make([]bool, n)
	pending[0] = true
	for again := true; again; {
		again = false
		for _, b := range x.graph.Order {
			if !pending[b] {
				continue
			}
			pending[b] = false
			x.block(b)
			if x.final {
				x.idle, x.states[b] = append(x.idle, x.states[b]), nil
			}
			for _, s := range x.leaving(b) {
				if x.arrive(s) {
					pending[s] = true
					again = again || x.graph.Back(b, s)
				}
			}
			if x.err != nil {
				return
			}
		}
	}
	if x.final {
		return
	}
	x.final = true
	for _, b := range x.graph.Order {
		if x.reached[b] && x.err == nil {
			x.block(b)
		}
	}
}

// arrive joins the state that x.now has into that at the start of block b.
func (x *finder) arrive(b int32) (changed bool) {
	if x.states[b] != nil {
		return x.states[b].join(&x.now)
	}
	x.reached[b] = true
	if last := len(x.idle) - 1; last >= 0 {
		x.states[b], x.idle = x.idle[last], x.idle[:last]
	} else {
		x.states[b] = new(state)
	}
	*x.states[b] = x.now
	return true
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
	if blk.End == len(x.f.Insns) {
		x.err = refuse(x.f, last, "compile it anew", "runs off the end of the function")
		return nil
	}
	return []int32{x.graph.Of[blk.End]}
}

// block runs the instructions of b, from the state at its start to x.now.
func (x *finder) block(b int32) {
	x.now = *x.states[b]
	for i := x.graph.Blocks[b].Start; i < x.graph.Blocks[b].End && x.err == nil; i++ {
		x.step(i, &x.now)
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

// inMemory is what was found, with every use of the pointer as one that needs memory.
func (x *found) inMemory() *found {
	y := *x
	y.graph = flow.NewGraph(x.f) // the other's lacks what merged tests do not need
	for _, l := range x.loads {
		y.escaped |= l.sites
	}
	y.loads = nil
	y.spread()
	return &y
}

// spread closes the set of escaped calls over the instructions that carry the
// pointer of several: one that stays for one call must have a pointer from all.
func (x *found) spread() {
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
