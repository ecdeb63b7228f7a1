package rewrite

import (
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/flow"
)

// selectFuncs picks the functions that have to do with hints, those called
// before those that call them last.
func (j *job) selectFuncs() error {
	n := len(j.u.Funcs)
	j.dirty, j.late = make([]bool, n), make([]bool, n)
	j.asked = make([]map[string]bool, n)
	j.args = make([]arguments, n)
	j.finds, j.plans = make([]*found, n), make([]*plan, n)
	j.graphs, j.demanded = make([]*flow.Graph, n), make([][]uint64, n)
	wanted, err := j.wanted()
	if err != nil {
		return err
	}
	if len(j.ds.list) == 0 {
		return nil
	}
	j.calls = j.callGraph()
	j.order = callersFirst(j.calls)
	j.selected = wanted
	for _, f := range j.order {
		for _, c := range j.calls[f] {
			wanted[c] = wanted[c] || wanted[f]
		}
		if wanted[f] {
			j.funcs = append(j.funcs, f)
		}
	}
	for _, fn := range j.u.Funcs { // for recursion, which no kernel takes
		fn.Args = maxArgs
	}
	for _, f := range slices.Backward(j.order) {
		j.u.Funcs[f].Args = j.takes(f)
	}
	j.own()
	return nil
}

// callersFirst orders the functions so that what is called stands after all that
// call it.
func callersFirst(calls [][]int) []int {
	seen := make([]bool, len(calls))
	var order []int
	var visit func(f int)
	visit = func(f int) {
		seen[f] = true
		for _, c := range calls[f] {
			if !seen[c] {
				visit(c)
			}
		}
		order = append(order, f)
	}
	for f := range calls {
		if !seen[f] {
			visit(f)
		}
	}
	slices.Reverse(order)
	return order
}

// takes is how many arguments a function takes, once those it calls are known.
// Of a static one its code has the last word: clang drops parameters that are
// not used, and passes values instead of pointers to them (-O3), and leaves the
// type as it was.
func (j *job) takes(f int) int {
	if fn := j.u.Funcs[f]; fn.Linkage != code.Static && fn.Type != nil {
		return declaredArity(fn.Type)
	}
	return flow.Takes(j.graph(f), func(in *code.Insn) int { return arity(j.u, in) })
}

// graph is the control flow of function f as it is now.
func (j *job) graph(f int) *flow.Graph {
	if j.graphs[f] == nil {
		j.graphs[f] = flow.NewGraph(j.u.Funcs[f])
	}
	return j.graphs[f]
}

// wanted applies Options.Programs.
func (j *job) wanted() ([]bool, error) {
	out := make([]bool, len(j.u.Funcs))
	for f := range out {
		out[f] = len(j.opts.Programs) == 0
	}
	for _, name := range j.opts.Programs {
		any := false
		for f, fn := range j.u.Funcs {
			if fn.Name == name || fn.Section == name {
				out[f], any = true, true
			}
		}
		if !any {
			return nil, usagef("no program and no section is named %q", name)
		}
	}
	return out, nil
}

func (j *job) callGraph() [][]int {
	calls := make([][]int, len(j.u.Funcs))
	for f, fn := range j.u.Funcs {
		for i := range fn.Insns {
			if r := fn.Insns[i].Ref; r.Kind == code.RefFunc {
				calls[f] = append(calls[f], int(r.Index))
			}
		}
	}
	return calls
}

// findDirty finds the functions that get at the metadata area, themselves or by
// those they call; and, on the way, what functions are called with, as it tells
// the context from other pointers.
func (j *job) findDirty() error {
	touching := make([]bool, len(j.u.Funcs))
	for _, f := range slices.Backward(j.order) {
		touching[f] = j.mayTouch(j.u.Funcs[f])
		for _, c := range j.calls[f] {
			touching[f] = touching[f] || touching[c]
		}
	}
	for _, f := range j.order {
		if !touching[f] {
			continue
		}
		x, err := j.find(f)
		if err != nil { // if it matters, fold comes to it
			j.dirty[f] = true
			for _, c := range j.calls[f] {
				j.args[c] = unknown
			}
			continue
		}
		j.dirty[f] = len(x.touches) > 0
		for _, e := range x.enters {
			for i := range e.args {
				j.args[e.fn][i] = joinKinds(j.args[e.fn][i], e.args[i])
			}
		}
	}
	for _, f := range slices.Backward(j.order) {
		for _, c := range j.calls[f] {
			j.dirty[f] = j.dirty[f] || j.dirty[c]
		}
	}
	return nil
}

// mayTouch is a quick look for instructions that could be a load of data_meta
// or a call that moves what the reach reads.
func (j *job) mayTouch(f *code.Func) bool {
	for i := range f.Insns {
		in := &f.Insns[i]
		switch {
		case in.OpCode.Class() == asm.LdXClass && in.Offset == mdDataMeta && in.OpCode.Size() == asm.Word:
			return true
		case in.IsBuiltinCall() && j.t.reach.moves(asm.BuiltinFunc(in.Constant)):
			return true
		}
	}
	return false
}
