package rewrite

import (
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
)

// selectFuncs picks the functions that have to do with hints, those called
// before those that call them last.
func (j *job) selectFuncs() error {
	n := len(j.u.Funcs)
	j.dirty, j.late = make([]bool, n), make([]bool, n)
	j.asked = make([]map[string]bool, n)
	j.finds, j.plans = make([]*found, n), make([]*plan, n)
	wanted, err := j.wanted()
	if err != nil {
		return err
	}
	if len(j.ds.list) == 0 {
		return nil
	}
	calls := j.callGraph()
	j.findDirty(calls)
	state := make([]byte, n)
	var order []int
	var visit func(f int)
	visit = func(f int) {
		state[f] = 1
		for _, c := range calls[f] {
			if state[c] == 0 {
				visit(c)
			}
		}
		order = append(order, f)
	}
	for f := range j.u.Funcs {
		if wanted[f] && state[f] == 0 {
			visit(f)
		}
	}
	slices.Reverse(order)
	j.funcs = order
	return nil
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

// findDirty finds the functions that get at the metadata area, themselves or
// by those they call.
func (j *job) findDirty(calls [][]int) {
	none := make([]bool, len(j.u.Funcs))
	for f, fn := range j.u.Funcs {
		if !mayTouch(fn) {
			continue
		}
		x, err := find(j.u, fn, j.ds, j.t, false, none)
		j.dirty[f] = err != nil || len(x.touches) > 0
	}
	for again := true; again; {
		again = false
		for f := range calls {
			for _, c := range calls[f] {
				if j.dirty[c] && !j.dirty[f] {
					j.dirty[f], again = true, true
				}
			}
		}
	}
}

// mayTouch is a quick look for instructions that could be a load of data_meta
// or a call that moves it.
func mayTouch(f *code.Func) bool {
	for i := range f.Insns {
		in := &f.Insns[i]
		switch {
		case in.OpCode.Class() == asm.LdXClass && in.Offset == mdDataMeta && in.OpCode.Size() == asm.Word:
			return true
		case in.IsBuiltinCall() && in.Constant == adjustMeta:
			return true
		}
	}
	return false
}
