package prove

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/bdd"
	"github.com/hintjit/hintjit/internal/code"
)

// access executes loads and stores.
func (s *side) access(st *state, in *code.Insn) error {
	size, mode := in.OpCode.Size().Sizeof(), in.OpCode.Mode()
	regs := &st.top().regs
	off := bdd.Number(uint64(in.Offset))
	switch class := in.OpCode.Class(); {
	case in.OpCode.IsDWordLoad():
		v, err := s.wide(st, in)
		regs[in.Dst] = v
		return err
	case class == asm.LdXClass && (mode == asm.MemMode || mode == asm.MemSXMode && size < 8):
		p, err := s.moved(st, regs[in.Src], off)
		if err == nil {
			err = s.flavoured(in, &p)
		}
		if err != nil {
			return err
		}
		v, err := s.load(st, p, size)
		if mode == asm.MemSXMode && err == nil {
			v = numeric(s.address(st, v).Extend(8 * size))
		}
		regs[in.Dst] = v
		return err
	case class == asm.StClass && mode == asm.MemMode:
		p, err := s.moved(st, regs[in.Dst], off)
		if err != nil {
			return err
		}
		return s.store(st, p, size, constant(uint64(int64(int32(in.Constant)))))
	case class == asm.StXClass && mode == asm.MemMode:
		p, err := s.moved(st, regs[in.Dst], off)
		if err != nil {
			return err
		}
		return s.store(st, p, size, regs[in.Src])
	case class == asm.StXClass && mode == asm.AtomicMode && size >= 4:
		p, err := s.moved(st, regs[in.Dst], off)
		if err != nil {
			return err
		}
		return s.atomic(st, in, p, size)
	}
	return errors.New("the instruction is not supported")
}

// moved adds an instruction's offset to an address.
func (e *engine) moved(st *state, p value, off bdd.Word) (value, error) {
	if p.kind == nothing {
		return value{}, errUnset
	}
	p.word = e.add(st, p.word, off)
	return p, nil
}

// load reads memory, as an unsigned number or as the pointer that was stored.
func (s *side) load(st *state, p value, size int) (value, error) {
	if p.kind != pointer {
		return s.loadKernel(st, p, size)
	}
	switch r := p.region; r.kind {
	case stackRegion:
		return s.loadStack(st, p, size)
	case contextRegion:
		return s.loadContext(st, p, size)
	case packetRegion:
		return numeric(s.loadPacket(st, p, size)), nil
	case imageRegion:
		return s.loadImage(st, p, size)
	case valueRegion:
		op := fmt.Sprintf("%d bytes of %s in world %d", size, r.name, st.world)
		return numeric(s.apply(st, op, 8*size, place, p.word)), nil
	default:
		return value{}, fmt.Errorf("loads from %s", r.name)
	}
}

// loadContext reads struct xdp_md, whose pointers are loaded whole whatever their
// type in C (__is_valid_xdp_access in net/core/filter.c).
func (s *side) loadContext(st *state, p value, size int) (value, error) {
	off, ok := p.word.Constant()
	if !ok || size != 4 {
		return value{}, errors.New("reads the context otherwise than by its members")
	}
	packet, span := value{kind: pointer, region: s.packet(st.epoch)}, s.spans[st.epoch]
	switch off {
	case 0: // data
		return packet, nil
	case 4: // data_end
		packet.word = span.data
		return packet, nil
	case 8: // data_meta
		packet.word = s.sub(st, bdd.Word{}, span.meta)
		return packet, nil
	}
	return numeric(s.apply(st, fmt.Sprintf("xdp_md+%d", off), 32, place)), nil
}

// loadPacket reads the packet, or the metadata at entry as long as nothing may have
// changed it.
func (s *side) loadPacket(st *state, p value, size int) bdd.Word {
	fromMeta := s.add(st, p.word, s.spans[st.epoch].meta)
	if at, ok := fromMeta.Constant(); ok && at <= uint64(maxMeta+4-size) && st.meta == 0 {
		bytes := make([]octet, size)
		for i := range bytes {
			bytes[i] = s.metaByte(int(at) + i)
		}
		return word(bytes, s.big)
	}
	// Numbers in packets are big-endian: what one byte swap makes of one is to lie as
	// other numbers do.
	network := func(bit int) uint32 {
		if !s.big {
			bit = 8*(size-1-bit/8) + bit%8
		}
		return place(bit)
	}
	op := fmt.Sprintf("%d bytes of %s in world %d", size, p.region.name, st.world)
	w := s.apply(st, op, 8*size, network, p.word)
	if at, ok := p.word.Constant(); ok && st.world == 0 && at < 1<<lengthWidth {
		s.nameBytes(&w, int(at), size)
	}
	return w
}

// nameBytes notes which bytes of the packet at entry a word's bits are.
func (s *side) nameBytes(w *bdd.Word, at, size int) {
	for i := range 8 * size {
		k := i / 8
		if s.big {
			k = size - 1 - k
		}
		values, _ := s.m.Solve(w[i])
		for v := range values {
			s.origins[v] = origin{packetByte, at + k, i % 8}
		}
	}
}

// loadImage reads what does not change, at an offset that may be any of several.
func (s *side) loadImage(st *state, p value, size int) (value, error) {
	bytes := p.region.image.bytes
	outside := bdd.False
	var read func(when bdd.Ref, bit int, at uint64) bdd.Word
	read = func(when bdd.Ref, bit int, at uint64) bdd.Word {
		if when == bdd.False {
			return bdd.Word{}
		}
		if bit < 0 {
			if at > uint64(len(bytes)) || size > len(bytes)-int(at) {
				outside = s.m.Or(outside, when)
				return bdd.Word{}
			}
			return word(bytes[at:int(at)+size], s.big)
		}
		b := p.word[bit]
		lo := read(s.m.And(when, b.Not()), bit-1, at)
		hi := read(s.m.And(when, b), bit-1, at|1<<bit)
		return s.m.IfWord(b, &hi, &lo)
	}
	out := read(st.when, len(p.word)-1, 0)
	if outside != bdd.False {
		return value{}, &difference{what: fmt.Sprintf("reads %d bytes outside %s", size, p.region.name), when: outside}
	}
	return numeric(out), nil
}

// frameOf is the frame that a pointer points into, and where, for a pointer that
// always points to the same place.
func (st *state) frameOf(p value) (*frame, int, error) {
	off, ok := p.word.Constant()
	if !ok {
		return nil, 0, errors.New("goes to a place in the stack that depends on the input")
	}
	if p.region.index >= len(st.frames) {
		return nil, 0, errors.New("goes to the stack of a function that has returned")
	}
	return st.frames[p.region.index], int(int64(off)), nil
}

// choice is a number that a word may be, and where it is.
type choice struct {
	n    uint64
	when bdd.Ref
}

const maxChoices = 64

// choices are the numbers that a word may be, nil if these are too many.
func (s *side) choices(st *state, w bdd.Word) (out []choice) {
	var split func(when bdd.Ref, bit int, n uint64) bool
	split = func(when bdd.Ref, bit int, n uint64) bool {
		if when == bdd.False {
			return true
		}
		if bit < 0 {
			out = append(out, choice{n, when})
			return len(out) <= maxChoices
		}
		return split(s.m.And(when, w[bit].Not()), bit-1, n) && split(s.m.And(when, w[bit]), bit-1, n|1<<bit)
	}
	if !split(st.when, len(w)-1, 0) {
		return nil
	}
	return out
}

func (s *side) loadStack(st *state, p value, size int) (value, error) {
	if _, ok := p.word.Constant(); ok {
		return s.loadSlot(st, p, size)
	}
	var out value
	list := s.choices(st, p.word)
	if list == nil {
		return value{}, errors.New("loads from too many places in the stack")
	}
	for i, c := range list {
		p.word = bdd.Number(c.n)
		v, err := s.loadSlot(st, p, size)
		if err != nil {
			return value{}, err
		}
		if i == 0 {
			out = v
			continue
		}
		merged, ok := s.either(c.when, &v, &out)
		if !ok {
			return value{}, errors.New("loads one of several pointers")
		}
		out = merged
	}
	return out, nil
}

func (s *side) loadSlot(st *state, p value, size int) (value, error) {
	fr, off, err := st.frameOf(p)
	if err != nil {
		return value{}, err
	}
	if first := fr.stack[off]; first.pointer != nil && size == 8 {
		whole := true
		for i := range 8 {
			c := fr.stack[off+i]
			whole = whole && c.pointer != nil && *c.pointer == *first.pointer && c.index == i
		}
		if whole {
			return *first.pointer, nil
		}
	}
	bytes, err := s.stackBytes(st, p, size)
	if err != nil {
		return value{}, err
	}
	return numeric(word(bytes, s.big)), nil
}

// stackBytes reads bytes of the stack as numbers.
func (s *side) stackBytes(st *state, p value, n int) ([]octet, error) {
	fr, off, err := st.frameOf(p)
	if err != nil {
		return nil, err
	}
	bytes := make([]octet, n)
	for i := range bytes {
		c, ok := fr.stack[off+i]
		switch {
		case !ok:
			return nil, fmt.Errorf("reads the stack at r10%+d, where nothing was written", off+i)
		case c.pointer == nil:
			bytes[i] = c.bits
		default:
			w := s.address(st, *c.pointer)
			bytes[i] = octets(&w, 8, s.big)[c.index]
		}
	}
	return bytes, nil
}

// store writes memory. What is not the stack is seen by others: it is an effect.
func (s *side) store(st *state, p value, size int, v value) error {
	if v.kind == nothing {
		return errUnset
	}
	if p.kind != pointer {
		return errors.New("stores to an address that it computed")
	}
	switch p.region.kind {
	case stackRegion:
		return s.storeStack(st, p, size, v)
	case valueRegion, packetRegion:
		op := fmt.Sprintf("store of %d bytes to %s", size, p.region.name)
		s.act(st, st.where(), op, p.word, s.address(st, v).Low(8*size))
		s.spoil(st, p)
		return nil
	default:
		return fmt.Errorf("stores to %s", p.region.name)
	}
}

// spoil notes that a write may have gone to the metadata area: it lies below the
// frame's start.
func (s *side) spoil(st *state, p value) {
	if p.region.kind == packetRegion && s.m.And(st.when, p.word[63]) != bdd.False {
		st.meta, st.near = st.world, st.world
	}
}

func (s *side) storeStack(st *state, p value, size int, v value) error {
	if _, ok := p.word.Constant(); !ok {
		return s.storeSomewhere(st, p, size, v)
	}
	fr, off, err := st.frameOf(p)
	if err != nil {
		return err
	}
	if v.kind == pointer && size == 8 {
		for i := range 8 {
			fr.stack[off+i] = cell{pointer: &v, index: i}
		}
		return nil
	}
	w := s.address(st, v)
	for i, b := range octets(&w, size, s.big) {
		fr.stack[off+i] = cell{bits: b}
	}
	return nil
}

// storeSomewhere writes a number to one of several places in the stack.
func (s *side) storeSomewhere(st *state, p value, size int, v value) error {
	w := s.address(st, v)
	list := s.choices(st, p.word)
	if list == nil {
		return errors.New("stores to too many places in the stack")
	}
	for _, c := range list {
		p.word = bdd.Number(c.n)
		fr, off, err := st.frameOf(p)
		if err != nil {
			return err
		}
		for i, b := range octets(&w, size, s.big) {
			old, ok := fr.stack[off+i]
			if !ok || old.pointer != nil {
				return errors.New("stores to one of several places in the stack, not all of which hold a number")
			}
			if bits, ok := s.eitherByte(c.when, b, old.bits); ok {
				fr.stack[off+i] = cell{bits: bits}
				continue
			}
			return errors.New("stores to the stack what is too large to know")
		}
	}
	return nil
}

// atomic executes a read-modify-write of RFC 9669 section 5.3.
func (s *side) atomic(st *state, in *code.Insn, p value, size int) error {
	const fetch = 1
	regs := &st.top().regs
	op, src, r0 := in.OpCode.AtomicOp(), regs[in.Src], regs[asm.R0]
	if src.kind == nothing || op == asm.CmpXchg && r0.kind == nothing {
		return errUnset
	}
	if p.kind == pointer && p.region.kind == stackRegion {
		return errors.New("atomic operations on the stack are not supported")
	}
	old, err := s.load(st, p, size)
	if err != nil {
		return err
	}
	args := []bdd.Word{p.word, s.address(st, src).Low(8 * size)}
	if op == asm.CmpXchg {
		args = append(args, s.address(st, r0).Low(8*size))
	}
	if p.region.kind != valueRegion && p.region.kind != packetRegion {
		return fmt.Errorf("stores to %s", p.region.name)
	}
	s.act(st, st.where(), fmt.Sprintf("atomic operation %#x on %d bytes of %s", uint32(op), size, p.region.name), args...)
	s.spoil(st, p)
	switch {
	case op == asm.CmpXchg:
		regs[asm.R0] = old
	case op&fetch != 0:
		regs[in.Src] = old
	}
	return nil
}

// wide is what a wide load gives: a constant, or the address of a map, of global
// data, of a table or of a function.
func (s *side) wide(st *state, in *code.Insn) (value, error) {
	fr := st.top()
	if in.Ref.Kind == code.RefFunc && int(in.Ref.Index) < len(s.subject.Unit.Funcs) {
		name := s.subject.Unit.Funcs[in.Ref.Index].Name
		return value{kind: pointer, region: s.region(region{kind: functionRegion, name: "function " + name})}, nil
	}
	if in.Ref.Kind == code.RefTable && int(in.Ref.Index) < len(s.subject.Unit.Tables) {
		t := &s.subject.Unit.Tables[in.Ref.Index]
		return s.table("table "+t.Name, t.Data, in.Constant), nil
	}
	if in.Ref.Kind != code.RefNone {
		return value{}, errors.New("the address it refers to is not known")
	}
	name, first := s.subject.MapAt(fr.f.Func, fr.at)
	switch {
	case name == "" && in.Src != asm.R0:
		return value{}, errors.New("the map it refers to is not known")
	case name == "":
		return constant(uint64(in.Constant)), nil
	case !first:
		return value{kind: pointer, region: s.region(region{kind: mapRegion, name: "map " + name, maps: s.subject})}, nil
	case !s.shared[name]: // a pass made it
		spec := s.subject.Maps[name]
		if spec == nil || len(spec.Contents) != 1 {
			return value{}, fmt.Errorf("the contents of %s are not known", name)
		}
		data, ok := spec.Contents[0].Value.([]byte)
		if !ok {
			return value{}, fmt.Errorf("the contents of %s are not known", name)
		}
		return s.table("section "+name, data, in.Constant), nil
	}
	r := s.region(region{kind: valueRegion, name: "section " + name})
	return value{kind: pointer, region: r, word: bdd.Number(uint64(in.Constant))}, nil
}

// table is a pointer into data that never changes.
func (s *side) table(name string, data []byte, at int64) value {
	r := s.region(region{kind: imageRegion, name: name})
	if r.image == nil {
		r.image = &image{make([]octet, len(data))}
		for i, b := range data {
			w := bdd.Number(uint64(b))
			copy(r.image.bytes[i][:], w[:])
		}
	}
	return value{kind: pointer, region: r, word: bdd.Number(uint64(at))}
}
