package prove

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/hintjit/hintjit/internal/bdd"
	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/flow"
	"github.com/hintjit/hintjit/verifier"
)

// side is one of the two objects.
type side struct {
	*engine
	subject  *verifier.Subject
	original bool
	known    map[string]bool // names of its maps
	funcs    map[*code.Func]*function
	hints    *btf.Struct // what hintjit_rx returns; nil: never declared
}

// function is one function of an object, and what merging asks of it.
type function struct {
	*code.Func
	insns  []code.Insn // the records of the original are answered
	graph  *flow.Graph
	demand *flow.Demand
	calls  map[int]flow.Bits // what is looked at after each call
}

const (
	hintFunc  = "hintjit_rx"
	maxFrames = 8
)

func newSide(e *engine, s *verifier.Subject, original bool) (*side, error) {
	out := &side{engine: e, subject: s, original: original, known: make(map[string]bool), funcs: make(map[*code.Func]*function)}
	for name := range s.Maps {
		out.known[name] = true
	}
	for _, x := range s.Unit.Externs {
		if x.Name == hintFunc && original {
			if out.hints = returned(x.Type); out.hints == nil {
				return nil, errors.New("hintjit_rx is declared without its struct")
			}
		}
	}
	return out, nil
}

// returned is the struct that hintjit_rx returns a pointer to.
func returned(f *btf.Func) *btf.Struct {
	if f == nil {
		return nil
	}
	proto, ok := f.Type.(*btf.FuncProto)
	if !ok {
		return nil
	}
	ptr, ok := btf.As[*btf.Pointer](proto.Return)
	if !ok {
		return nil
	}
	s, _ := btf.As[*btf.Struct](ptr.Target)
	return s
}

// function makes ready a function the first time it is entered.
func (s *side) function(f *code.Func) (*function, error) {
	if known := s.funcs[f]; known != nil {
		return known, nil
	}
	if len(f.Insns) == 0 {
		return nil, fmt.Errorf("%s has no instructions", f.Name)
	}
	for i := range f.Insns {
		if in := &f.Insns[i]; in.IsBranch() && (in.Target < 0 || int(in.Target) >= len(f.Insns)) {
			return nil, fmt.Errorf("%s: instruction %d: the target is not in the function", f.Name, i)
		}
	}
	fn := &function{Func: f, insns: f.Insns, graph: flow.NewGraph(f), calls: make(map[int]flow.Bits)}
	if s.original {
		var err error
		if fn.insns, err = s.answer(f); err != nil {
			return nil, err
		}
	}
	arity := func(in *code.Insn) int {
		if in.Ref.Kind == code.RefNone && in.IsBuiltinCall() {
			return flow.HelperArgs(in.Constant)
		}
		return 5
	}
	fn.demand = flow.NewDemand(fn.graph, nil, arity, func(i int, after *flow.Bits) {
		if f.Insns[i].IsCall() {
			fn.calls[i] = *after
		}
	})
	s.funcs[f] = fn
	return fn, nil
}

// live says which registers something still looks at: before instruction i, which
// begins a block, or after it when it is calling.
func (f *function) live(i int, calling bool) flow.Bits {
	if calling {
		return f.calls[i]
	}
	if b := f.graph.Of[i]; f.graph.Blocks[b].Start == i {
		return f.demand.Start(b)
	}
	if i > 0 { // behind a call
		if live, ok := f.calls[i-1]; ok {
			return live
		}
	}
	return flow.Bits{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}
}

// joins tells whether several ways lead to instruction i.
func (f *function) joins(i int) bool {
	b := f.graph.Of[i]
	return f.graph.Blocks[b].Start == i && len(f.graph.Blocks[b].Pred) > 1
}

// run executes a program from a state and returns the states it ends in.
func (s *side) run(f *code.Func, from *state) (ends []*state, err error) {
	fn, err := s.function(f)
	if err != nil {
		return nil, err
	}
	st := from.clone()
	st.frames = []*frame{s.frame(fn, 0)}
	st.top().regs[asm.R1] = value{kind: pointer, region: s.context()}
	waiting := []*state{st}
	for len(waiting) > 0 {
		next := 0
		for i := range waiting {
			if waiting[i].before(waiting[next]) {
				next = i
			}
		}
		st := waiting[next]
		waiting[next] = waiting[len(waiting)-1]
		waiting = waiting[:len(waiting)-1]
		others, err := s.advance(st)
		if err != nil {
			return nil, s.locate(st, err)
		}
		for _, other := range others {
			if len(other.frames) == 0 {
				ends = s.join(ends, other)
				continue
			}
			waiting = s.join(waiting, other)
		}
		if len(ends)+len(waiting) > s.limits.Paths {
			return nil, fmt.Errorf("more than %d paths", s.limits.Paths)
		}
	}
	return ends, nil
}

// join adds a state to a list, or merges it with one that is there.
func (s *side) join(list []*state, st *state) []*state {
	for i, other := range list {
		if !other.beside(st) {
			continue
		}
		if merged := s.merge(other, st); merged != nil {
			list[i] = merged
			return list
		}
	}
	return append(list, st)
}

func (s *side) frame(fn *function, depth int) *frame {
	fr := &frame{f: fn, stack: make(map[int]cell)}
	fr.regs[asm.R10] = value{kind: pointer, region: s.region(region{kind: stackRegion, name: fmt.Sprintf("stack %d", depth), index: depth})}
	return fr
}

func (s *side) context() *region { return s.region(region{kind: contextRegion, name: "ctx"}) }

// located is an error that says where it is.
type located struct {
	where string
	err   error
}

func (l *located) Error() string { return l.where + ": " + l.err.Error() }
func (l *located) Unwrap() error { return l.err }

func (s *side) locate(st *state, err error) error {
	if len(st.frames) == 0 {
		return err
	}
	return &located{st.where(), err}
}

// where names the instruction that a state is at.
func (st *state) where() string {
	fr := st.top()
	where := fmt.Sprintf("%s: instruction %d", fr.f.Name, fr.at)
	if line := fr.f.LineAt(fr.at); line != nil {
		where += fmt.Sprintf(" (%s:%d)", line.File, line.Number)
	}
	return where
}

// advance executes a state up to where it may meet another: it comes back, in two
// where a branch can go both ways, or without frames once the program has ended.
func (s *side) advance(st *state) ([]*state, error) {
	for {
		if s.m.Full() {
			return nil, fmt.Errorf("its formulas have more than %d nodes", s.limits.Nodes)
		}
		if s.steps++; s.steps > s.limits.Steps {
			return nil, fmt.Errorf("more than %d instructions were executed", s.limits.Steps)
		}
		fr := st.top()
		if fr.at >= len(fr.f.insns) {
			return nil, errors.New("control runs off the end of the function")
		}
		in := &fr.f.insns[fr.at]
		if unanswered(in) {
			return nil, errors.New("asks for what this kernel does not have")
		}
		switch class := in.OpCode.Class(); {
		case in.IsExit():
			return []*state{s.leave(st)}, nil
		case in.IsCall():
			others, err := s.call(st, in)
			if err != nil || others != nil {
				return others, err
			}
		case in.IsMayGoto():
			return nil, errors.New("may_goto is not supported")
		case class.IsJump():
			others, err := s.branch(st, in)
			if err != nil || others != nil {
				return others, err
			}
		case class.IsALU():
			v, err := s.alu(st, in, fr.regs[in.Dst], fr.regs[in.Src])
			if err != nil {
				return nil, err
			}
			fr.regs[in.Dst] = v
			if err := s.flavoured(in, &fr.regs[in.Dst]); err != nil {
				return nil, err
			}
			fr.at++
		default:
			if err := s.access(st, in); err != nil {
				return nil, err
			}
			fr.at++
		}
		if fr := st.top(); fr.at < len(fr.f.insns) && fr.f.joins(fr.at) {
			return []*state{st}, nil
		}
	}
}

// leave returns from a function.
func (s *side) leave(st *state) *state {
	result := st.top().regs[asm.R0]
	st.frames = st.frames[:len(st.frames)-1]
	if len(st.frames) == 0 {
		st.result = result
		return st
	}
	fr := st.top()
	fr.regs[asm.R0] = result
	for r := asm.R1; r <= asm.R5; r++ {
		fr.regs[r] = value{}
	}
	fr.at++
	return st
}

// branch goes on with a state, or divides it when both ways are possible.
func (s *side) branch(st *state, in *code.Insn) ([]*state, error) {
	fr := st.top()
	cond, err := s.taken(st, in, fr.regs[in.Dst], fr.regs[in.Src])
	if err != nil {
		return nil, err
	}
	yes, no := s.m.And(st.when, cond), s.m.And(st.when, cond.Not())
	switch {
	case no == bdd.False:
		fr.at = int(in.Target)
		return nil, nil
	case yes == bdd.False:
		fr.at++
		return nil, nil
	}
	other := st.clone()
	other.when, other.top().at = yes, int(in.Target)
	st.when = no
	fr.at++
	return []*state{st, other}, nil
}
