package prove

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/bdd"
	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/verifier"
)

// call calls a function of the object, one of the kernel's or a helper. It returns
// states where the run divides or comes to where another may be.
func (s *side) call(st *state, in *code.Insn) ([]*state, error) {
	switch index := int(in.Ref.Index); {
	case in.Ref.Kind == code.RefFunc && index >= 0 && index < len(s.subject.Unit.Funcs):
		return nil, s.enter(st, s.subject.Unit.Funcs[index])
	case in.Ref.Kind == code.RefExtern && index >= 0 && index < len(s.subject.Unit.Externs):
		return nil, s.extern(st, s.subject.Unit.Externs[index].Name)
	case in.Ref.Kind == code.RefNone && in.IsBuiltinCall():
		return s.helper(st, asm.BuiltinFunc(in.Constant))
	}
	return nil, errors.New("the call does not say of what")
}

func (s *side) enter(st *state, f *code.Func) error {
	if len(st.frames) == maxFrames {
		return fmt.Errorf("calls are nested more than %d deep", maxFrames)
	}
	fn, err := s.function(f)
	if err != nil {
		return err
	}
	fr := s.frame(fn, len(st.frames))
	copy(fr.regs[asm.R1:asm.R6], st.top().regs[asm.R1:asm.R6])
	st.frames = append(st.frames, fr)
	return nil
}

// done gives a call's result to the program, whose r1 to r5 are lost.
func (st *state) done(result value) {
	fr := st.top()
	for r := asm.R1; r <= asm.R5; r++ {
		fr.regs[r] = value{}
	}
	fr.regs[asm.R0] = result
	fr.at++
}

func (s *side) extern(st *state, name string) error {
	if !s.original && s.meaning.Kernel != nil {
		return s.kernelFunction(st, name)
	}
	if name != hintFunc || !s.original {
		return fmt.Errorf("what %s does is not known here", name)
	}
	if r1 := st.top().regs[asm.R1]; r1.kind != pointer || r1.region.kind != contextRegion {
		return errors.New("hintjit_rx does not get the context")
	}
	r, err := s.hintsOf(s.hints)
	if err != nil {
		return err
	}
	st.done(value{kind: pointer, region: r})
	return nil
}

// helper calls a helper: an effect on the world, and a result that follows from it.
func (s *side) helper(st *state, fn asm.BuiltinFunc) ([]*state, error) {
	p, ok := verifier.PrototypeOf(fn)
	if !ok {
		return nil, fmt.Errorf("helper %v is not known", fn)
	}
	h := &helperCall{side: s, st: st, p: p, op: []string{p.Name}}
	for i, kind := range p.Args {
		if err := h.argument(i, kind); err != nil {
			return nil, fmt.Errorf("%s: r%d: %w", p.Name, i+1, err)
		}
	}
	s.act(st, st.where(), strings.Join(h.op, ", "), h.args...)
	for _, w := range h.written {
		if err := s.overwrite(st, w); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	if p.MovesPacket {
		s.move(st, fn)
	}
	here := fmt.Sprintf("world %d", st.world)
	switch {
	case fn == asm.FnTailCall:
		return s.tailCall(st, here), nil
	case p.Returns == verifier.ReturnValueOrNull, p.Returns == verifier.ReturnMemoryOrNull:
		return s.orNull(st, here, h.size), nil
	}
	st.done(numeric(s.apply(st, "result in "+here, 64, place)))
	return nil, nil
}

// orNull divides a state into one where the helper found nothing, and one where it
// gave memory.
func (s *side) orNull(st *state, here string, size int) []*state {
	found := s.apply(st, "found in "+here, 1, place)[0]
	none := st.clone()
	none.when = s.m.And(st.when, found.Not())
	none.done(constant(0))
	st.when = s.m.And(st.when, found)
	st.done(value{kind: pointer, region: s.region(region{kind: valueRegion, name: "value of " + here, size: size})})
	return possible(st, none)
}

// tailCall divides a state into one that goes on in another program and one that
// stays because there is none.
func (s *side) tailCall(st *state, here string) []*state {
	found := s.apply(st, "found in "+here, 1, place)[0]
	gone := st.clone()
	gone.when = s.m.And(st.when, found)
	gone.frames, gone.result = nil, constant(0)
	st.when = s.m.And(st.when, found.Not())
	st.done(numeric(s.apply(st, "result in "+here, 64, place)))
	return possible(st, gone)
}

// possible leaves out the states that no input leads to.
func possible(states ...*state) []*state {
	return slices.DeleteFunc(states, func(st *state) bool { return st.when == bdd.False })
}

// move begins a new epoch: pointers are to be loaded anew, and lengths may be
// others. bpf_xdp_adjust_head moves the metadata along (net/core/filter.c).
func (s *side) move(st *state, fn asm.BuiltinFunc) {
	old := s.spans[st.epoch]
	st.epoch = st.world
	now, known := s.spans[st.epoch]
	if !known {
		now = s.lengths(st.epoch)
	}
	switch fn {
	case asm.FnXdpAdjustTail:
		now.meta = old.meta
	case asm.FnXdpAdjustHead:
		now.meta = old.meta
		st.near = st.world
	case asm.FnXdpAdjustMeta:
		now.data = old.data
		st.meta, st.near = st.world, st.world
	default:
		st.meta, st.near = st.world, st.world
	}
	s.spans[st.epoch] = now
}

// helperCall gathers what a helper gets.
type helperCall struct {
	*side
	st      *state
	p       verifier.Prototype
	op      []string // what it is called with, by name
	args    []bdd.Word
	written []stretch
	subject *region // the map
	size    int
}

// stretch is memory that a helper writes.
type stretch struct {
	at    value
	size  int
	bytes []octet // what it writes, where that is known
}

func (h *helperCall) argument(i int, kind verifier.ArgKind) error {
	v := h.st.top().regs[asm.R1+asm.Register(i)]
	if kind == verifier.ArgNone {
		return nil
	}
	if v.kind == nothing {
		if kind == verifier.ArgVariadic {
			return nil
		}
		return errUnset
	}
	switch kind {
	case verifier.ArgContext:
		return h.isRegion(v, contextRegion)
	case verifier.ArgMap:
		h.subject = v.region
		return h.isRegion(v, mapRegion)
	case verifier.ArgRecord, verifier.ArgField:
		h.name(v)
		return h.isRegion(v, valueRegion)
	case verifier.ArgKey, verifier.ArgValue, verifier.ArgValueOrNull, verifier.ArgRead, verifier.ArgReadOrNull,
		verifier.ArgReadWrite, verifier.ArgWrite, verifier.ArgWriteOrNull, verifier.ArgValueWrite:
		return h.memory(i, kind, v)
	case verifier.ArgAddress:
		return h.probed(v)
	case verifier.ArgScalar, verifier.ArgSize, verifier.ArgVariadic, verifier.ArgKernel, verifier.ArgKernelOrNull:
		h.args = append(h.args, h.address(h.st, v))
		return nil
	}
	return errors.New("such an argument is not supported")
}

// isRegion sees that a value points to the start of such a region, or anywhere
// into a map's value.
func (h *helperCall) isRegion(v value, kind regionKind) error {
	if v.kind != pointer || v.region.kind != kind || kind != valueRegion && v.word != (bdd.Word{}) {
		return errors.New("not what the helper takes")
	}
	if kind == mapRegion {
		h.op = append(h.op, v.region.name)
	}
	return nil
}

// name lets the effect say which address it is.
func (h *helperCall) name(v value) {
	if v.kind == pointer {
		h.op = append(h.op, "at "+v.region.name)
	}
	h.args = append(h.args, v.word)
}

// memory gathers memory that a helper reads or writes. What the program alone has
// counts by its contents, since it may lie elsewhere in the other program; what
// the world has, by its address.
func (h *helperCall) memory(i int, kind verifier.ArgKind, v value) error {
	if v.kind == number {
		h.name(v) // NULL
		return nil
	}
	size, err := h.length(i, kind)
	if err != nil {
		return err
	}
	writes := kind == verifier.ArgWrite || kind == verifier.ArgWriteOrNull || kind == verifier.ArgValueWrite
	switch r := v.region; {
	case r.kind == valueRegion, r.kind == packetRegion:
		h.name(v)
	case size < 0:
		return errors.New("the size of what it gets depends on the input")
	case writes:
		h.op = append(h.op, fmt.Sprintf("%d bytes to write", size))
	case r.kind == stackRegion, r.kind == imageRegion:
		bytes, err := h.ownBytes(v, size)
		if err != nil {
			return err
		}
		h.contents(bytes)
	default:
		return errors.New("not what the helper takes")
	}
	if writes || kind == verifier.ArgReadWrite {
		h.written = append(h.written, stretch{at: v, size: size})
	}
	return nil
}

// probed is what bpf_probe_read_kernel and its like read at an address: of the
// program's own memory they take a copy.
func (h *helperCall) probed(v value) error {
	if v.kind == number || v.region.kind != stackRegion && v.region.kind != imageRegion {
		h.name(v)
		return nil
	}
	if h.p.Name != "bpf_probe_read_kernel" || len(h.written) != 1 || h.written[0].size < 0 {
		return errors.New("not what is supported of the program's own memory")
	}
	bytes, err := h.ownBytes(v, h.written[0].size)
	if err != nil {
		return err
	}
	h.contents(bytes)
	h.written[0].bytes = bytes
	return nil
}

// ownBytes is memory that no other sees.
func (h *helperCall) ownBytes(v value, size int) ([]octet, error) {
	if v.region.kind == stackRegion {
		return h.stackBytes(h.st, v, size)
	}
	off, ok := v.word.Constant()
	if n := uint64(len(v.region.image.bytes)); !ok || off > n || uint64(size) > n-off {
		return nil, fmt.Errorf("reads outside %s", v.region.name)
	}
	return v.region.image.bytes[off:][:size], nil
}

func (h *helperCall) contents(bytes []octet) {
	h.op = append(h.op, fmt.Sprintf("%d bytes", len(bytes)))
	for ; len(bytes) > 0; bytes = bytes[min(8, len(bytes)):] {
		h.args = append(h.args, word(bytes[:min(8, len(bytes))], false))
	}
}

// length is how much memory an argument is, -1 when that depends on the input.
func (h *helperCall) length(i int, kind verifier.ArgKind) (int, error) {
	switch kind {
	case verifier.ArgKey, verifier.ArgValue, verifier.ArgValueOrNull, verifier.ArgValueWrite:
		if h.subject == nil {
			return 0, errors.New("there is no map before it")
		}
		spec := h.subject.maps.Maps[strings.TrimPrefix(h.subject.name, "map ")]
		if spec == nil {
			return 0, errors.New("the map is not known")
		}
		if kind == verifier.ArgKey {
			return int(spec.KeySize), nil
		}
		return int(spec.ValueSize), nil
	}
	if n := h.p.Fixed[i]; n > 0 {
		return n, nil
	}
	if i+1 >= len(h.p.Args) || h.p.Args[i+1] != verifier.ArgSize {
		return 0, errors.New("its size is not known")
	}
	v := h.st.top().regs[asm.R2+asm.Register(i)]
	if v.kind != number {
		return 0, errUnset
	}
	if n, ok := v.word.Low(32).Constant(); ok && n < 1<<20 {
		return int(n), nil
	}
	return -1, nil
}

// overwrite leaves in memory what a helper wrote there.
func (s *side) overwrite(st *state, w stretch) error {
	if w.at.region.kind != stackRegion {
		s.spoil(st, w.at)
		return nil
	}
	fr, off, err := st.frameOf(w.at)
	if err != nil {
		return err
	}
	for i := range w.size {
		if w.bytes != nil {
			fr.stack[off+i] = cell{bits: w.bytes[i]}
			continue
		}
		b := s.apply(st, fmt.Sprintf("byte %d written in world %d", i, st.world), 8, place)
		fr.stack[off+i] = cell{bits: octet(b[:8])}
	}
	return nil
}
