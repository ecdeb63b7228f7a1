package code

// Here names, as the Target of a branch in code handed to an Edit, the k-th
// instruction of that same code; k may be the code's length, which is whatever
// runs after it.
func Here(k int) int32 { return int32(-2 - k) }

// Edit collects changes to one function and makes them all at once, so that
// every position in it means the function as it was.
type Edit struct {
	f       *Func
	enter   []Insn
	before  map[int][]Insn
	instead map[int][]Insn
}

// NewEdit starts an edit of f.
func NewEdit(f *Func) *Edit {
	return &Edit{f: f, before: map[int][]Insn{}, instead: map[int][]Insn{}}
}

// Enter puts code before the function that runs once, when it is entered: unlike
// with Insert at 0, a branch to instruction 0 does not run it.
func (e *Edit) Enter(code ...Insn) { e.enter = code }

// Insert puts code before instruction i: whoever branches to i runs it first.
// Code inserted twice at one place runs in the order of the calls.
func (e *Edit) Insert(i int, code ...Insn) {
	e.before[i] = splice(e.before[i], code)
}

// Replace puts code in the place of instruction i; none deletes it.
func (e *Edit) Replace(i int, code ...Insn) {
	e.instead[i] = code
}

// Replaced tells whether instruction i is replaced already.
func (e *Edit) Replaced(i int) bool {
	_, ok := e.instead[i]
	return ok
}

// Empty tells whether the edit changes nothing.
func (e *Edit) Empty() bool { return len(e.enter)+len(e.before)+len(e.instead) == 0 }

// splice appends b to a, both with branches in the form of Here.
func splice(a, b []Insn) []Insn {
	shift := int32(len(a))
	for _, in := range b {
		if in.Target < NoTarget {
			in.Target -= shift
		}
		a = append(a, in)
	}
	return a
}

// Apply makes the changes. The source line of an instruction goes to the first
// instruction that now stands at its place, and when nothing does, to the next
// one that had relied on it.
func (e *Edit) Apply() {
	if e.Empty() {
		return
	}
	old := e.f.Insns
	grow := len(e.enter)
	for _, c := range e.before {
		grow += len(c)
	}
	for _, c := range e.instead {
		grow += len(c)
	}
	out := place(make([]Insn, 0, len(old)+grow), e.enter)
	if len(out) > 0 && len(old) > 0 {
		out[0].Line = old[0].Line // a function starts with a line (kernel/bpf/verifier.c, check_btf_line)
	}
	at := make([]int32, len(old)+1) // where old instruction i, or its code, starts now
	var pending *Line
	for i := range old {
		at[i] = int32(len(out))
		line := old[i].Line
		if line == nil {
			line = pending
		}
		pending = nil
		code := e.before[i]
		if c, ok := e.instead[i]; ok {
			code = splice(code, c)
		} else {
			kept := old[i]
			kept.Line = nil
			out = append(place(out, code), kept)
			out[at[i]].Line = line
			continue
		}
		out = place(out, code)
		if len(code) > 0 {
			out[at[i]].Line = line
		} else {
			pending = line
		}
	}
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
