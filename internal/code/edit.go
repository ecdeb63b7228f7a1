package code

import "slices"

// Here names, as the Target of a branch in code handed to an Edit, the k-th
// instruction of that same code; k may be the code's length, which is whatever
// runs after it.
func Here(k int) int32 { return int32(-2 - k) }

// Edit collects changes to one function and makes them all at once, so that
// every position in it means the function as it was.
type Edit struct {
	f       *Func
	enter   []Insn
	changes []change
}

// change is what becomes of one instruction.
type change struct {
	at   int
	kind changeKind
	code []Insn // inserted or instead
	to   int32  // retargeted
}

type changeKind uint8

const (
	inserted changeKind = iota
	replaced
	retargeted
)

// NewEdit starts an edit of f.
func NewEdit(f *Func) *Edit { return &Edit{f: f} }

// Enter puts code before the function that runs once, when it is entered: unlike
// with Insert at 0, a branch to instruction 0 does not run it.
func (e *Edit) Enter(code ...Insn) { e.enter = code }

// Insert puts code before instruction i: whoever branches to i runs it first.
// Code inserted twice at one place runs in the order of the calls.
func (e *Edit) Insert(i int, code ...Insn) {
	e.changes = append(e.changes, change{at: i, kind: inserted, code: code})
}

// Replace puts code in the place of instruction i; none deletes it.
func (e *Edit) Replace(i int, code ...Insn) {
	e.changes = append(e.changes, change{at: i, kind: replaced, code: code})
}

// Retarget makes the branch i lead to another instruction.
func (e *Edit) Retarget(i int, to int32) {
	e.changes = append(e.changes, change{at: i, kind: retargeted, to: to})
}

// Empty tells whether the edit changes nothing.
func (e *Edit) Empty() bool { return len(e.enter)+len(e.changes) == 0 }

// Apply makes the changes, in instructions of the function's own. The source line
// of an instruction goes to the first instruction that now stands at its place, and
// when nothing does, to the next one that had relied on it.
func (e *Edit) Apply() {
	if e.Empty() {
		return
	}
	slices.SortStableFunc(e.changes, func(a, b change) int { return a.at - b.at })
	old := e.f.Insns
	grow := len(e.enter)
	for i := range e.changes {
		grow += len(e.changes[i].code)
	}
	out := place(make([]Insn, 0, len(old)+grow), e.enter)
	if len(out) > 0 && len(old) > 0 {
		out[0].Line = old[0].Line // a function starts with a line (kernel/bpf/verifier.c, check_btf_line)
	}
	at := make([]int32, len(old)+1) // where old instruction i, or its code, starts now
	var pending *Line
	next := 0 // of the old instructions
	keep := func(end int) {
		start := len(out)
		out = append(out, old[next:end]...)
		if start < len(out) && pending != nil {
			if out[start].Line == nil {
				out[start].Line = pending
			}
			pending = nil
		}
		for ; next < end; next++ {
			at[next] = int32(start)
			start++
		}
	}
	for rest := e.changes; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].at == rest[0].at {
			n++
		}
		i := rest[0].at
		keep(i)
		line := old[i].Line
		if line == nil {
			line = pending
		}
		at[i] = int32(len(out))
		out = put(out, old[i], rest[:n])
		if pending = line; int(at[i]) < len(out) {
			out[at[i]].Line, pending = line, nil
		}
		next, rest = i+1, rest[n:]
	}
	keep(len(old))
	at[len(old)] = int32(len(out))
	for i := range out {
		switch t := out[i].Target; {
		case t >= 0:
			out[i].Target = at[t]
		case t < NoTarget:
			out[i].Target = -2 - t // place made it absolute
		}
	}
	e.f.Insns = out
}

// put appends what becomes of the old instruction in.
func put(out []Insn, in Insn, changes []change) []Insn {
	var instead []Insn
	gone := false
	in.Line = nil // Apply says whose it is
	for _, c := range changes {
		switch c.kind {
		case inserted:
			out = place(out, c.code)
		case replaced:
			gone, instead = true, c.code
		case retargeted:
			in.Target = c.to
		}
	}
	if gone {
		return place(out, instead)
	}
	return append(out, in)
}

// place appends code with its Here targets made absolute: still negative, to
// tell them from positions before the edit.
func place(out []Insn, code []Insn) []Insn {
	base := int32(len(out))
	for _, in := range code {
		if in.Target < NoTarget {
			in.Target -= base
		}
		out = append(out, in)
	}
	return out
}

// LineAt returns the source line instruction i belongs to, nil if unknown.
func (f *Func) LineAt(i int) *Line {
	for ; i >= 0; i-- {
		if i < len(f.Insns) && f.Insns[i].Line != nil {
			return f.Insns[i].Line
		}
	}
	return nil
}

// Slots returns the slot (8 bytes) at which each instruction starts, and at the
// end how many there are.
func (f *Func) Slots() []int {
	slots := make([]int, len(f.Insns)+1)
	for i := range f.Insns {
		slots[i+1] = slots[i] + f.Insns[i].Slots()
	}
	return slots
}
