package prove

import (
	"maps"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/bdd"
)

// state is a program in the middle of a run, for all inputs with which it comes
// there.
type state struct {
	when   bdd.Ref // what holds of these inputs; beyond them the rest means nothing
	frames []*frame
	world  world // what was done so far to packet, maps and the kernel
	// meta is the world that changed the metadata area last, or may have; epoch the
	// one that moved packet or metadata last. 0 is the packet at entry.
	meta, epoch world
	// near is the world that last changed what lies before the frame's start, or
	// where that is.
	near   world
	result value // once frames is empty
}

// frame is one activation of a function.
type frame struct {
	f     *function
	at    int // the next instruction; in a caller, the call
	regs  [asm.R10 + 1]value
	stack map[int]cell // by offset from r10
}

// cell is a byte of the stack: of a number, or the index-th byte of a pointer that
// was stored there.
type cell struct {
	bits    octet
	pointer *value // nil: bits are it
	index   int
}

func (st *state) top() *frame { return st.frames[len(st.frames)-1] }

// clone copies what changes.
func (st *state) clone() *state {
	out := *st
	out.frames = make([]*frame, len(st.frames))
	for i, fr := range st.frames {
		c := *fr
		c.stack = maps.Clone(fr.stack)
		out.frames[i] = &c
	}
	return &out
}

// before tells whether the state is to go on before another one: it may come to
// where the other is. Inner calls come before what follows them, and the order of
// the code is that of time except in loops.
func (st *state) before(o *state) bool {
	for i, fr := range st.frames {
		if i >= len(o.frames) {
			return true
		}
		if fr.at != o.frames[i].at {
			return fr.at < o.frames[i].at
		}
	}
	return false
}

// beside tells whether two states are at the same place.
func (st *state) beside(o *state) bool {
	if len(st.frames) != len(o.frames) {
		return false
	}
	for i, fr := range st.frames {
		if fr.f != o.frames[i].f || fr.at != o.frames[i].at {
			return false
		}
	}
	return true
}

// merge makes one state of two that are at the same place, nil if there is
// something that both need and that can not be one value.
func (e *engine) merge(a, b *state) *state {
	if a.world != b.world || a.meta != b.meta || a.near != b.near || a.epoch != b.epoch {
		return nil
	}
	out := a.clone()
	first := bdd.False // which of the two it is, wherever it is one of them
	ok := e.m.Within(e.tryNodes(), func() {
		out.when = e.m.Or(a.when, b.when)
		first = e.m.Restrict(a.when, out.when)
	})
	if ok && len(out.frames) == 0 {
		out.result, ok = e.either(first, &a.result, &b.result)
	}
	for i := 0; ok && i < len(out.frames); i++ {
		ok = e.mergeFrames(first, out.frames[i], b.frames[i], i < len(out.frames)-1)
	}
	if !ok {
		return nil
	}
	return out
}

func (e *engine) mergeFrames(first bdd.Ref, into, from *frame, calling bool) bool {
	live := into.f.live(into.at, calling)
	for r := range into.regs {
		a, b := &into.regs[r], &from.regs[r]
		if live[r] == 0 && r != int(asm.R10) {
			*a = value{}
			continue
		}
		v, ok := e.either(first, a, b)
		if !ok {
			return false
		}
		*a = v
	}
	for at, a := range into.stack {
		b, there := from.stack[at]
		switch {
		case !there:
			delete(into.stack, at)
		case a.pointer == nil && b.pointer == nil:
			bits, ok := e.eitherByte(first, a.bits, b.bits)
			if !ok {
				return false
			}
			into.stack[at] = cell{bits: bits}
		case a.pointer == nil || b.pointer == nil || a.index != b.index:
			return false
		case a.pointer != b.pointer:
			v, ok := e.either(first, a.pointer, b.pointer)
			if !ok {
				return false
			}
			into.stack[at] = cell{pointer: &v, index: a.index}
		}
	}
	return true
}

// either is a where first holds and b where it does not.
func (e *engine) either(first bdd.Ref, a, b *value) (value, bool) {
	if *a == *b {
		return *a, true
	}
	if a.kind == nothing || b.kind == nothing {
		return value{}, true // who reads it is told
	}
	if a.kind != b.kind || a.region != b.region {
		return value{}, false
	}
	out := *a
	ok := e.m.Within(e.tryNodes(), func() { out.word = e.m.IfWord(first, &a.word, &b.word) })
	return out, ok
}

func (e *engine) eitherByte(first bdd.Ref, a, b octet) (out octet, ok bool) {
	if a == b {
		return a, true
	}
	ok = e.m.Within(e.tryNodes(), func() {
		for i := range out {
			out[i] = e.m.If(first, a[i], b[i])
		}
	})
	return out, ok
}
