package equivalence

import (
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/verifier"
)

// side is one of the two programs, in one scene.
type side struct {
	*scene
	subject *verifier.Subject
	meaning *meaning // of hintjit_rx; nil: it was rewritten
	steps   int      // that a run may take
}

// A run may take so many steps, which is more than programs for every packet do.
// The rewritten one has more to do.
const (
	maxSteps   = 200_000
	extraSteps = 20 * maxSteps
)

// outcome is all that a run leaves behind.
type outcome struct {
	ret          uint32
	err          error
	meta, packet []byte
	events       []event
	tail         string // the tail call that ended it
	maps         map[string]*verifier.Map
	hinted       bool // hintjit_rx was called
}

// event is a call of a helper.
type event struct {
	f       *code.Func
	insn    int
	fn      asm.BuiltinFunc
	args    [5]uint64
	address [5]bool   // the argument is one
	maps    [5]string // names, of arguments that are maps
	data    [][]byte  // what it read of the program's memory
	state   uint64    // of packet, metadata and maps before it
	result  uint64
}

var (
	// errRefused ends a run where a loader would not have taken the program.
	errRefused = errors.New("refused by the name of a function that no kernel has")
	// errTail ends a run with a tail call.
	errTail = errors.New("tail call")
)

// watch is who looks on while a program runs.
type watch struct {
	step   func(f *code.Func, insn int, regs *verifier.Registers)
	branch func(f *code.Func, insn int, a, b uint64, taken bool)
	found  func(m *verifier.Map, key, value []byte) // a lookup, value nil: in vain
}

var seed = maphash.MakeSeed()

// run executes a program once.
func (s *side) run(program string, in *Input, w watch) *outcome {
	o := &outcome{maps: makeMaps(s.subject, in)}
	m := &verifier.Machine{
		Unit: s.subject.Unit, Packet: slices.Clone(in.Packet), Meta: slices.Clone(in.Meta),
		Ifindex: in.Ifindex, Queue: in.Queue, Egress: in.Egress,
		Now: in.Seed >> 1, Seed: in.Seed, MaxSteps: s.steps, Branch: w.branch,
		Externs: map[string]verifier.Extern{},
	}
	m.MapAt = func(f *code.Func, i int) (*verifier.Map, bool) {
		name, value := s.subject.MapAt(f, i)
		return o.maps[name], value
	}
	m.Step = func(f *code.Func, insn int, regs *verifier.Registers) {
		if w.step != nil {
			w.step(f, insn, regs)
		}
		if i := &f.Insns[insn]; i.IsCall() && i.Ref.Kind == code.RefNone && i.IsBuiltinCall() {
			o.call(m, f, insn, regs)
			if w.found != nil && asm.BuiltinFunc(i.Constant) == asm.FnMapLookupElem {
				lookup(m, w.found, regs)
			}
		}
	}
	m.Helpers = map[asm.BuiltinFunc]verifier.Helper{asm.FnTailCall: o.tailCall(in.Seed)}
	s.attach(m, o, in)
	o.ret, o.err = m.Run(program)
	if errors.Is(o.err, errTail) {
		o.err = nil
	}
	o.meta, o.packet = m.Meta, m.Packet
	for i := range min(len(o.events), len(m.Calls)) {
		o.events[i].args, o.events[i].data, o.events[i].result = m.Calls[i].Args, m.Calls[i].Data, m.Calls[i].Result
	}
	return o
}

// attach gives a machine what the kernel has, and hintjit_rx.
func (s *side) attach(m *verifier.Machine, o *outcome, in *Input) {
	if s.way != nil && !s.refused() {
		s.packet(in).Attach(m)
	}
	if s.meaning == nil {
		for _, x := range s.subject.Unit.Externs {
			if refusal(x.Name) {
				m.Externs[x.Name] = func(*verifier.Machine, [5]uint64) (uint64, error) { return 0, errRefused }
			}
		}
		return
	}
	var at uint64
	m.Externs[hintFunc] = func(m *verifier.Machine, _ [5]uint64) (uint64, error) {
		o.hinted = true
		if at != 0 {
			return at, nil
		}
		var err error
		at, err = m.ReadOnly("struct hintjit_rx", s.meaning.memory(s.hints(in)))
		return at, err
	}
}

// refusal tells whether a name is one that a rewritten program calls where it must
// not be loaded; hintjit_rx that is left over is one as well.
func refusal(name string) bool { return strings.HasPrefix(name, "hintjit_") }

// tailCall notes where a tail call goes, if there is a program: chance says so,
// the same for both sides.
func (o *outcome) tailCall(chance uint64) verifier.Helper {
	return func(m *verifier.Machine, c *verifier.Call) (uint64, error) {
		mp := m.MapOf(c.Args[1])
		if mp == nil {
			return 0, errors.New("r2 is no map")
		}
		index := uint32(c.Args[2])
		if int64(index) >= int64(mp.MaxEntries) || (chance^uint64(index)*0x9e3779b97f4a7c15)>>13&3 == 0 {
			const noEntry = 2
			return ^uint64(noEntry - 1), nil
		}
		o.tail = fmt.Sprintf("%s[%d]", mp.Name, index)
		return 0, errTail
	}
}

// call notes a call of a helper, before it is made.
func (o *outcome) call(m *verifier.Machine, f *code.Func, insn int, regs *verifier.Registers) {
	e := event{f: f, insn: insn, fn: asm.BuiltinFunc(f.Insns[insn].Constant), state: o.state(m)}
	for k := range e.args {
		v := regs[int(asm.R1)+k]
		e.address[k] = m.IsAddress(v)
		if mp := m.MapOf(v); mp != nil {
			e.maps[k] = mp.Name
		}
	}
	o.events = append(o.events, e)
}

// lookup tells of a map's value before it is looked up.
func lookup(m *verifier.Machine, found func(*verifier.Map, []byte, []byte), regs *verifier.Registers) {
	mp := m.MapOf(regs[asm.R1])
	if mp == nil {
		return
	}
	if key, err := m.Bytes(regs[asm.R2], mp.KeySize, false); err == nil {
		found(mp, slices.Clone(key), slices.Clone(mp.Value(key)))
	}
}

// state is a sum of all that others can see: packet, metadata and maps.
func (o *outcome) state(m *verifier.Machine) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	meta, packet := m.Frame()
	h.Write(meta)
	h.WriteByte(0)
	h.Write(packet)
	for _, name := range slices.Sorted(maps.Keys(o.maps)) {
		if constant(name) {
			continue // the rewritten one may have more of these
		}
		h.WriteString(name)
		values := content(o.maps[name])
		for _, key := range slices.Sorted(maps.Keys(values)) {
			h.WriteString(key)
			h.Write(values[key])
		}
	}
	return h.Sum64()
}

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
