package prove

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/bdd"
	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/kernel"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/verifier/driver"
)

// walk is what the layout's walk comes to in the driver's memory: what is in that
// memory, or where, nobody knows, only that the same address has the same byte.
type walk struct {
	kernel *driver.Kernel
	values map[string]bdd.Word // by name
	states []bdd.Word          // what lies beside the descriptor
	desc   []octet
	checks bdd.Ref // where all of them hold
}

// walked goes through the steps once, before the programs do.
func (e *engine) walked() (*walk, error) {
	k := e.meaning.Kernel
	st := &state{when: bdd.True}
	w := &walk{kernel: k, checks: bdd.True, values: map[string]bdd.Word{layouts.XDP: e.kernelContext(st)}}
	for _, start := range []struct{ of, typ, name string }{{layouts.XDP, "xdp_buff", layouts.RXQ}, {layouts.RXQ, "xdp_rxq_info", layouts.Dev}} {
		v, err := e.operand(st, w, layouts.Operand{Kind: layouts.MemberValue, Value: start.of,
			Member: layouts.Member{Type: start.typ, Path: []string{start.name}}})
		if err != nil {
			return nil, err
		}
		w.values[start.name] = v
	}
	for i := range k.Walk.Steps {
		if err := e.step(st, w, &k.Walk.Steps[i]); err != nil {
			return nil, fmt.Errorf("walk %s, step %d: %w", k.Walk.Name, i+1, err)
		}
	}
	if e.meaning.Guarded && !provesQueue(k.Walk) {
		if err := e.generic(st, w); err != nil {
			return nil, err
		}
	}
	return w, e.beside(st, w)
}

// provesQueue tells whether a check shows the queue to be the driver's: no packet
// in generic mode comes past it.
func provesQueue(w *layouts.Walk) bool {
	return slices.ContainsFunc(w.Steps, func(s layouts.Step) bool { return s.Strict == layouts.Own })
}

// kernelContext is the address of the xdp_buff.
func (e *engine) kernelContext(st *state) bdd.Word {
	return e.apply(st, "the xdp_buff", 64, place)
}

// memory is a byte of the kernel's memory.
func (e *engine) memory(st *state, at bdd.Word, places [8]uint32) (b octet) {
	// Only what is found from where the packet is can change meanwhile.
	version := world(0)
	if e.nearPacket {
		version = st.near
	}
	w := e.apply(st, fmt.Sprintf("the kernel's memory %d", version), 8, func(bit int) uint32 { return places[bit] }, at)
	copy(b[:], w[:])
	return b
}

// number reads an integer of some bytes in memory.
func (e *engine) number(st *state, at bdd.Word, size int, big bool) bdd.Word {
	bytes := make([]octet, size)
	for i := range bytes {
		weight := i
		if big {
			weight = size - 1 - i
		}
		var places [8]uint32
		for bit := range places {
			places[bit] = place(8*weight + bit)
		}
		bytes[i] = e.memory(st, e.add(st, at, bdd.Number(uint64(i))), places)
	}
	return word(bytes, big)
}

// place looks up where a kernel has a member.
func (w *walk) place(value string, m layouts.Member) (kernel.Place, error) {
	if m.Type == "" {
		m.Type, _ = w.kernel.Walk.TypeOf(value)
	}
	p, ok := w.kernel.Places[m.String()]
	if !ok {
		return p, fmt.Errorf("the kernel has no %v", m)
	}
	return p, nil
}

// operand is the value of one.
func (e *engine) operand(st *state, w *walk, o layouts.Operand) (bdd.Word, error) {
	switch o.Kind {
	case layouts.Number:
		return bdd.Number(o.N), nil
	case layouts.Enumerator:
		n, ok := w.kernel.Enums[o.Member.String()]
		if !ok {
			return bdd.Word{}, fmt.Errorf("the kernel has no %v", o.Member)
		}
		return bdd.Number(n), nil
	case layouts.SizeOf:
		size, ok := w.kernel.Sizes[o.Member.Type]
		if !ok || o.N == 0 {
			return bdd.Word{}, fmt.Errorf("the size of %s is not known", o.Member.Type)
		}
		return bdd.Number((uint64(size) + o.N - 1) / o.N * o.N), nil
	}
	base, ok := w.values[o.Value]
	if !ok {
		return bdd.Word{}, fmt.Errorf("there is no value %s", o.Value)
	}
	if o.Kind == layouts.Named {
		return base, nil
	}
	p := kernel.Place{Offset: int(o.N), Size: o.Int.Bits / 8}
	if o.Kind != layouts.AtOffset {
		var err error
		if p, err = w.place(o.Value, o.Member); err != nil {
			return bdd.Word{}, err
		}
	}
	at := e.add(st, base, bdd.Number(uint64(p.Offset)))
	if o.Kind == layouts.MemberAddress {
		return at, nil
	}
	if !o.Loads() {
		return bdd.Word{}, errors.New("an operand that is no value")
	}
	big := e.big
	switch o.Int.Order {
	case layouts.BigEndian:
		big = true
	case layouts.LittleEndian:
		big = false
	}
	v := e.number(st, at, p.Size, big)
	switch {
	case p.Bits == 0:
		return v, nil
	case e.big: // bits are counted from the most significant one
		return v.Shr(8*p.Size-p.Bit-p.Bits, bdd.False).Low(p.Bits), nil
	default:
		return v.Shr(p.Bit, bdd.False).Low(p.Bits), nil
	}
}

// step executes one, as docs/layout-format.md says what it means.
func (e *engine) step(st *state, w *walk, s *layouts.Step) error {
	a, err := e.operand(st, w, s.A)
	if err != nil {
		return err
	}
	var b bdd.Word
	switch s.Op {
	case layouts.Copy:
	case layouts.ContainerOf:
		p, err := w.place(s.B.Value, s.B.Member)
		if err != nil {
			return err
		}
		b = bdd.Number(uint64(p.Offset))
	default:
		if b, err = e.operand(st, w, s.B); err != nil {
			return err
		}
	}
	switch s.Op {
	case layouts.Copy:
		w.values[s.Name] = a
	case layouts.ContainerOf, layouts.Sub64:
		w.values[s.Name] = e.sub(st, a, b)
	case layouts.AddScaled:
		factor, err := e.operand(st, w, s.Factor)
		if err != nil {
			return err
		}
		w.values[s.Name] = e.add(st, a, e.mul(st, b, factor))
	case layouts.And64:
		if w.values[s.Name], err = e.arithmetic(st, asm.And, a, b, true); err != nil {
			return err
		}
	case layouts.ShiftRight:
		n, ok := b.Constant()
		if !ok || n > 63 {
			return errors.New("a shift by what is no number below 64")
		}
		w.values[s.Name] = a.Shr(int(n), bdd.False)
	case layouts.Previous:
		zero := e.test(st, "equal", e.m.Equal, a, bdd.Word{})
		w.values[s.Name] = e.sub(st, e.m.IfWord(zero, &b, &a), bdd.Number(1))
	case layouts.Same:
		w.values[s.Name] = bdd.Word{e.test(st, "equal", e.m.Equal, a, b)}
	case layouts.Require, layouts.Differ:
		if s.Strict != layouts.Always && !e.meaning.Guarded {
			return nil
		}
		holds := e.test(st, "equal", e.m.Equal, a, b)
		if s.Op == layouts.Differ {
			holds = holds.Not()
		}
		w.checks = e.m.And(w.checks, holds)
	}
	return nil
}

// generic leaves out the packets whose queue is one of the device's own, dev->_rx:
// in generic mode, under BPF_PROG_RUN and on tun's skb path it is, and no driver
// hands over one (docs/reach.md).
func (e *engine) generic(st *state, w *walk) error {
	member := func(value, typ, name string) layouts.Operand {
		return layouts.Operand{Kind: layouts.MemberValue, Value: value, Member: layouts.Member{Type: typ, Path: []string{name}}}
	}
	queues, err := e.operand(st, w, member(layouts.Dev, "net_device", "_rx"))
	if err != nil {
		return err
	}
	index, err := e.operand(st, w, member(layouts.RXQ, "xdp_rxq_info", "queue_index"))
	if err != nil {
		return err
	}
	inside, ok := w.kernel.Places["netdev_rx_queue.xdp_rxq"]
	size, ok2 := w.kernel.Sizes["netdev_rx_queue"]
	if !ok || !ok2 {
		return errors.New("the kernel has no netdev_rx_queue")
	}
	// The distance and not the address: such a sum of three is less to know.
	distance := e.sub(st, w.values[layouts.RXQ], queues)
	own := e.add(st, e.times(st, index, uint64(size)), bdd.Number(uint64(inside.Offset)))
	w.checks = e.m.And(w.checks, e.test(st, "equal", e.m.Equal, distance, own).Not())
	return nil
}

// beside reads the descriptor and its states.
func (e *engine) beside(st *state, w *walk) error {
	d := e.meaning.Descriptor
	if desc, ok := w.values[layouts.Desc]; ok {
		for i := range d.Size {
			w.desc = append(w.desc, e.memory(st, e.add(st, desc, bdd.Number(uint64(i))), e.places[i]))
			for bit, f := range w.desc[i] {
				e.origin(f, origin{recordByte, i, bit})
			}
		}
	} else if d.Size > 0 {
		return fmt.Errorf("walk %s leads to no descriptor", w.kernel.Walk.Name)
	}
	for i := range d.State {
		at := d.State[i].At
		if at.Kind == layouts.MemberValue {
			if _, err := w.place(at.Value, at.Member); err != nil {
				w.states = append(w.states, bdd.Word{}) // not on this kernel
				continue
			}
		} else if _, ok := w.values[at.Value]; !ok {
			w.states = append(w.states, bdd.Word{})
			continue
		}
		v, err := e.operand(st, w, at)
		if err != nil {
			return err
		}
		for bit, f := range v {
			e.origin(f, origin{recordByte, d.Size + 8*i + 7 - bit/8, bit % 8})
		}
		w.states = append(w.states, v)
	}
	return nil
}

// origin notes what a bit that is a variable is, if that is not known yet.
func (e *engine) origin(f bdd.Ref, o origin) {
	values, _ := e.m.Solve(f)
	if len(values) != 1 {
		return
	}
	for v := range values {
		if e.m.Of(v) == f && e.origins[v].kind == unknown {
			e.origins[v] = o
		}
	}
}

// readsPacketPlace tells whether a walk finds memory from where the packet is.
func readsPacketPlace(w *layouts.Walk) bool {
	for _, s := range w.Steps {
		for _, o := range s.Operands() {
			if o.Value == layouts.XDP && len(o.Member.Path) > 0 && strings.HasPrefix(o.Member.Path[0], "data") {
				return true
			}
		}
	}
	return false
}

// loadKernel reads the kernel's memory. A load that faults gives 0, which is one of
// the values that anything can have.
func (s *side) loadKernel(st *state, p value, size int) (value, error) {
	if s.meaning.Kernel == nil || s.original {
		return value{}, errors.New("loads from an address that it computed")
	}
	return numeric(s.number(st, p.word, size, s.big)), nil
}

// kernelFunction calls one of those by which a walk goes.
func (s *side) kernelFunction(st *state, name string) error {
	r1, r2 := st.top().regs[asm.R1], st.top().regs[asm.R2]
	switch name {
	case "bpf_cast_to_kern_ctx":
		if r1.kind != pointer || r1.region.kind != contextRegion || r1.word != (bdd.Word{}) {
			return errors.New("bpf_cast_to_kern_ctx does not get the context")
		}
		st.done(numeric(s.kernelContext(st)))
		return nil
	case "bpf_rdonly_cast":
		id, ok := r2.word.Constant()
		if r1.kind != number || r2.kind != number || !ok || !s.carries(id) {
			return errors.New("bpf_rdonly_cast does not get an address and a type that memory can be read as")
		}
		st.done(r1)
		return nil
	}
	return fmt.Errorf("calls %s, which no kernel has", name)
}

func (s *side) carries(id uint64) bool {
	for _, carrier := range s.meaning.Kernel.Carriers {
		if id == uint64(carrier) {
			return true
		}
	}
	return false
}

// unanswered tells whether an instruction still asks for something that this
// kernel lacks: a loader poisons it.
func unanswered(in *code.Insn) bool {
	return in.CORE != nil && in.CORE.Type != nil && strings.HasSuffix(in.CORE.Type.TypeName(), "___walk")
}
