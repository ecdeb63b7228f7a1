package verifier

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/flow"
)

// Reach says how inserted code may get at a descriptor. The zero value: not at all.
type Reach struct {
	// Meta is how many bytes the descriptor has that lies at data_meta, 0: none does.
	Meta int
	// Cast is the kernel function that takes the program's context to the kernel's
	// own, View the one that makes an address readable; "": there is no walk. Where
	// on a walk members lie is the kernel's to know: what is read through View is
	// within Span bytes, or where a CO-RE record says.
	Cast, View string
	Span       int
	// Stops are functions that no kernel has, called where the way is not known.
	Stops []string
}

// The invariants about inserted code, which want Options.Before.
const (
	keptInstruction   = "kept instruction"
	preservedRegister = "preserved register"
	preservedStack    = "preserved stack"
	insertedStore     = "inserted store"
	insertedCall      = "inserted call"
	insertedOperand   = "inserted operand"
	descriptorLoad    = "descriptor load"
)

// reason says which invariant an access breaks, and how.
type reason struct{ invariant, text string }

// load returns what a load of inserted code brings, and what is wrong with it.
func (w *rewritten) load(s *output, i int) (holding, reason) {
	in := &w.f.Insns[i]
	base, size := s.value(in.Src), in.OpCode.Size().Sizeof()
	off := int64(base.n) + int64(in.Offset)
	number := holding{kind: computed}
	wrong := func(format string, args ...any) (holding, reason) {
		return number, reason{descriptorLoad, fmt.Sprintf("%v at r%d%+d ", in.OpCode, in.Src, in.Offset) + fmt.Sprintf(format, args...)}
	}
	switch base.kind {
	case frameAt:
		return w.loadFrame(s, in, int(off), size)
	case own:
		if base.n != int32(asm.R1) || !w.legal[i] {
			return wrong("reads through r%d of the program", base.n)
		}
		fallthrough
	case handed:
		if h, ok := contextMembers[int64(in.Offset)]; ok && size == 4 {
			return h, reason{}
		}
		return wrong("is no member of struct xdp_md")
	case start:
		if off < 0 || off+int64(size) > int64(w.opts.Reach.Meta) {
			return wrong("reads bytes %d to %d of a descriptor of %d", off, off+int64(size)-1, w.opts.Reach.Meta)
		}
		if off+int64(size) > int64(s.tested) {
			return wrong("reads up to byte %d of the metadata area, and %d are known to be there", off+int64(size)-1, s.tested)
		}
		return number, reason{}
	case tableAt:
		n := 0
		if int(base.of) < len(w.unit.Tables) {
			n = len(w.unit.Tables[base.of].Data)
		}
		if off < 0 || off+int64(size) > int64(n) {
			return wrong("reads bytes %d to %d of a table of %d", off, off+int64(size)-1, n)
		}
		return number, reason{}
	case inTable:
		return number, reason{}
	case context, typed:
		if in.Offset < 0 {
			return wrong("reads before a struct of the kernel")
		}
		if size == 8 {
			return holding{kind: typed}, reason{}
		}
		return holding{kind: walked}, reason{}
	case viewed:
		if in.CORE == nil && (in.Offset < 0 || int(in.Offset)+size > w.opts.Reach.Span) {
			return wrong("reads bytes %d to %d, and the walk reads within %d", in.Offset, int(in.Offset)+size-1, w.opts.Reach.Span)
		}
		return holding{kind: walked}, reason{}
	}
	return wrong("reads what is not known to belong to the descriptor")
}

// contextMembers is struct xdp_md (include/uapi/linux/bpf.h): six numbers of 32
// bits, of which the kernel makes addresses of the first three.
var contextMembers = map[int64]holding{
	0: {kind: end}, 4: {kind: computed}, 8: {kind: start}, 12: {kind: computed}, 16: {kind: computed}, 20: {kind: computed},
}

// loadFrame: inserted code reads of the frame what it has written there on every
// path.
func (w *rewritten) loadFrame(s *output, in *code.Insn, off, size int) (holding, reason) {
	slots, whole := slotsOf(off, size)
	h := holding{kind: computed}
	for ; slots != 0; slots &= slots - 1 {
		there := s.slots.at(bits.TrailingZeros64(slots))
		if there.kind == nothing {
			return h, reason{preservedStack, fmt.Sprintf("%v reads r10%+d, which inserted code has not written on every path", in.OpCode, off)}
		}
		if whole {
			h = there
		}
	}
	return h, reason{}
}

// call returns what a call of inserted code brings, and what is wrong with it.
func (w *rewritten) call(s *output, i int) (holding, string) {
	in, r := &w.f.Insns[i], &w.opts.Reach
	number := holding{kind: computed}
	name := ""
	if in.Ref.Kind == code.RefExtern && in.Ref.Index >= 0 && int(in.Ref.Index) < len(w.unit.Externs) {
		name = w.unit.Externs[in.Ref.Index].Name
	}
	switch {
	case name == "":
		return number, "inserted code calls a helper, or a function of the program"
	case name == r.Cast:
		if s.value(asm.R1).kind != handed && (!s.has(asm.R1) || !w.legal[i]) {
			return number, name + " is given what is not known to be the program's context"
		}
		return holding{kind: context}, ""
	case name == r.View:
		if !s.value(asm.R1).isWalk() {
			return number, name + " is given an address that was not read on the walk"
		}
		if k := s.value(asm.R2).kind; k != constant && k != computed && !s.fixed.has(asm.R2) {
			return number, name + " is not given a type"
		}
		return holding{kind: viewed}, ""
	case slices.Contains(r.Stops, name):
		return number, ""
	}
	return number, "inserted code calls " + name
}

// placeContext notes where inserted code may take what the program has in r1 for
// its context: at the entry of a program, and where a call that is gone was handed
// it. From there it may keep it for a fetch further down.
func (w *rewritten) placeContext(gone []bool) {
	calls := make([]int, len(gone)+1) // how many before each
	for i, g := range gone {
		calls[i+1] = calls[i]
		if g && w.before.Insns[i].IsCall() {
			calls[i+1]++
		}
	}
	w.legal, w.called = make([]bool, len(w.f.Insns)), make([]bool, len(w.f.Insns))
	next := len(gone) // the program's own instruction after this
	behind := 0
	for i := len(w.f.Insns) - 1; i >= 0; i = behind {
		for behind = i; behind >= 0 && w.f.Insns[behind].Origin < 0; behind-- {
		}
		previous := 0
		if behind >= 0 {
			previous = int(w.f.Insns[behind].Origin) + 1
		}
		called := calls[next] > calls[previous]
		ok := called || behind < 0 && w.f.Linkage == code.Program
		for k := behind + 1; k <= i; k++ {
			w.legal[k], w.called[k] = ok, called
		}
		if behind >= 0 {
			next = int(w.f.Insns[behind].Origin)
			behind--
		}
	}
}

// arity returns how many arguments a call takes.
func (w *rewritten) arity(in *code.Insn) int {
	i := int(in.Ref.Index)
	switch {
	case in.Ref.Kind == code.RefFunc && i >= 0 && i < len(w.unit.Funcs):
		return w.unit.Funcs[i].Args
	case in.Ref.Kind == code.RefExtern && i >= 0 && i < len(w.unit.Externs):
		if proto := prototype(w.unit.Externs[i].Type); proto != nil {
			return len(proto.Params)
		}
	case in.IsBuiltinCall():
		return flow.HelperArgs(in.Constant)
	}
	return 0
}
