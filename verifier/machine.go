package verifier

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
)

// Machine executes the programs of a unit, on packets and in the byte order of
// the unit. It is stricter than a CPU: a register that holds nothing can not be
// read, memory can only be reached in its bounds, and whatever it does not know
// ends the run with an error.
type Machine struct {
	Unit *code.Unit

	// Packet and Meta are the frame and the metadata in front of it; Run replaces
	// them by what the program leaves.
	Packet, Meta           []byte
	Ifindex, Queue, Egress uint32 // members of struct xdp_md

	// What helpers answer that depends on the machine a program runs on.
	Now       uint64 // nanoseconds, of every clock
	CPU, Node uint32 // of per-CPU maps, only this CPU's values are there
	MTU       int    // of every interface; 0: 1500
	Seed      uint64 // of what is left to chance; every Run starts with it anew

	// MapAt tells what the wide load at instruction i of f refers to: a map, or
	// with value set, the first value of a map (global data). Without a map the
	// load is that of a constant.
	MapAt   func(f *code.Func, i int) (mp *Map, value bool)
	Helpers map[asm.BuiltinFunc]Helper // besides or instead of the Machine's own
	Externs map[string]Extern          // by name, besides or instead of the Machine's own

	// Step is told of every instruction before it is executed, with the registers as
	// they are. nil: nobody listens.
	Step func(f *code.Func, insn int, regs *Registers)

	// Branch is told of every conditional branch with what it compared, of a 32-bit
	// one the lower halves. nil: nobody listens.
	Branch func(f *code.Func, insn int, a, b uint64, taken bool)

	MaxSteps int // instructions a Run may execute; 0: a million

	Calls []*Call // of helpers during the last Run

	bigEndian bool
	steps     int
	depth     int
	tails     int        // tail calls so far
	tail      *code.Func // what a tail call that has just succeeded goes on with
	stacks    *[maxFrames]region
	regions   [kinds][]*region
	values    map[*byte]uint64 // address of a map's value
	probes    []uint64         // what Probe was asked for
	context   *region
	packet    *region
	buffer    []byte // the packet's, from run to run
	data      int    // offset of the frame in packet; metadata lies before it
	random    *rand.Rand
}

// Extern stands for a function that the unit declares and does not have.
type Extern func(m *Machine, args [5]uint64) (uint64, error)

// Fault is an error at an instruction.
type Fault struct {
	Func *code.Func
	Insn int
	Err  error
}

func (e *Fault) Error() string {
	where := fmt.Sprintf("%s: instruction %d", e.Func.Name, e.Insn)
	if line := e.Func.LineAt(e.Insn); line != nil {
		where += fmt.Sprintf(" (%s:%d)", line.File, line.Number)
	}
	if e.Insn < len(e.Func.Insns) {
		where += fmt.Sprintf(": %v", e.Func.Insns[e.Insn].Instruction)
	}
	return fmt.Sprintf("%s: %v", where, e.Err)
}

func (e *Fault) Unwrap() error { return e.Err }

// ErrUnsupported is in the chain of errors about what a Machine does not know: it
// says nothing of the program.
var ErrUnsupported = errors.New("not in the model")

// Limits of a run, of which the kernel has the first as MAX_CALL_FRAMES in
// linux/bpf_verifier.h, the second as MAX_TAIL_CALL_CNT in linux/bpf.h.
const (
	maxFrames       = 8
	maxTailCalls    = 33
	defaultMaxSteps = 1_000_000
)

// maxMayGoto is how often in one activation of a function a may_goto falls
// through before it is taken. The kernel asks its clock each time this many have
// passed (BPF_MAX_TIMED_LOOPS in linux/bpf.h, Linux 6.15), so how long its loops
// run can not be told; here they end the first time that they may.
const maxMayGoto = 0xffff

// poison fills a new frame: what a program reads there without having written
// it should not look like a sensible value.
const poison = 0xa5

// Run executes the program with that name and returns its return code. What it
// did is in Packet, Meta, Calls and the maps afterwards, also after an error.
func (m *Machine) Run(program string) (uint32, error) {
	f := m.function(program)
	if f == nil {
		return 0, fmt.Errorf("program %s: not in the unit", program)
	}
	return m.run(f)
}

func (m *Machine) function(name string) *code.Func {
	for _, f := range m.Unit.Funcs {
		if f.Name == name {
			return f
		}
	}
	return nil
}

func (m *Machine) run(f *code.Func) (uint32, error) {
	if m.Unit.Order == nil {
		return 0, errors.New("the unit has no byte order")
	}
	m.bigEndian = m.Unit.Order.Uint16([]byte{1, 0}) == 1<<8
	m.regions = [kinds][]*region{}
	m.values = make(map[*byte]uint64)
	m.random = rand.New(rand.NewPCG(m.Seed, 0))
	m.Calls, m.probes, m.tail, m.depth, m.tails, m.steps = nil, nil, nil, 0, 0, m.MaxSteps
	if m.steps == 0 {
		m.steps = defaultMaxSteps
	}
	if err := m.layPacket(); err != nil {
		return 0, err
	}
	m.layUnit()
	ret, ok, err := m.enter(f, [5]uint64{address(contextKind, 0)}, arguments(1))
	m.takePacket()
	if err == nil && !ok {
		err = fmt.Errorf("%s: returned without a value in r0", f.Name)
	}
	return uint32(ret), err
}

// layUnit gives tables, functions and stack frames their addresses.
func (m *Machine) layUnit() {
	for i := range m.Unit.Tables {
		t := &m.Unit.Tables[i]
		m.regions[tableKind] = append(m.regions[tableKind], &region{name: t.Name, data: t.Data, hi: len(t.Data)})
	}
	for _, f := range m.Unit.Funcs {
		m.regions[functionKind] = append(m.regions[functionKind], &region{name: f.Name, f: f})
	}
	m.regions[stackKind] = make([]*region, maxFrames)
	if m.stacks == nil {
		m.stacks = new([maxFrames]region)
		for i := range m.stacks {
			m.stacks[i] = region{name: "r10", data: make([]byte, maxStack), base: -maxStack, lo: -maxStack, writable: true}
		}
	}
}

// frame is one activation of a function.
type frame struct {
	place
	regs    Registers
	defined regset
	passed  int // may_gotos that fell through
}

// enter runs a function with the arguments that are defined and returns r0, with
// ok unset when nothing was written to it.
func (m *Machine) enter(f *code.Func, args [5]uint64, defined regset) (r0 uint64, ok bool, err error) {
	if m.depth == maxFrames {
		return 0, false, fmt.Errorf("%s: more than %d calls deep", f.Name, maxFrames)
	}
	var fr frame
	m.depth++
	m.begin(&fr, f, args, defined)
	defer func() {
		m.depth--
		m.regions[stackKind][m.depth] = nil
	}()

	for i := 0; i >= 0; {
		next, err := m.step(&fr, i)
		if err != nil {
			var inner *Fault
			if errors.As(err, &inner) {
				return 0, false, err
			}
			return 0, false, &Fault{fr.f, i, err}
		}
		i = next
	}
	return fr.regs[asm.R0], fr.defined.has(asm.R0), nil
}

// begin makes the innermost frame that of a function at its start.
func (m *Machine) begin(fr *frame, f *code.Func, args [5]uint64, defined regset) {
	*fr = frame{place: place{m.Unit, f}, defined: defined | regs(asm.R10)}
	copy(fr.regs[asm.R1:], args[:])
	fr.regs[asm.R10] = address(stackKind, m.depth-1)
	stack := &m.stacks[m.depth-1]
	for i := range stack.data {
		stack.data[i] = poison
	}
	m.regions[stackKind][m.depth-1] = stack
}

// step executes instruction i and returns the index of the next, -1 after exit.
func (m *Machine) step(fr *frame, i int) (next int, err error) {
	if i >= len(fr.f.Insns) {
		return 0, errors.New("control ran off the end of the function")
	}
	if m.steps == 0 {
		return 0, errors.New("the program takes more steps than it may")
	}
	m.steps--
	in := &fr.f.Insns[i]
	if in.Dst > asm.R10 || in.Src > asm.R10 {
		return 0, errors.New("the register does not exist")
	}
	if missing := fr.reads(in) &^ fr.defined; missing != 0 {
		return 0, fmt.Errorf("%v: nothing was written to it", missing)
	}
	if writes(in).has(asm.R10) {
		return 0, errors.New("r10 can not be written")
	}
	if m.Step != nil {
		m.Step(fr.f, i, &fr.regs)
	}
	if class := in.OpCode.Class(); class.IsJump() {
		return m.jump(fr, in, i)
	} else if class.IsALU() {
		fr.regs[in.Dst], err = alu(in, fr.regs[in.Dst], fr.regs[in.Src], m.bigEndian)
	} else {
		err = m.access(fr, in, i)
	}
	fr.defined |= writes(in)
	return i + 1, err
}

func (m *Machine) jump(fr *frame, in *code.Insn, i int) (int, error) {
	switch {
	case in.IsExit():
		return -1, nil
	case in.IsCall():
		if err := m.call(fr, in); err != nil || m.tail == nil {
			return i + 1, err
		}
		f := m.tail
		m.tail = nil
		m.begin(fr, f, [5]uint64{address(contextKind, 0)}, arguments(1))
		return 0, nil
	}
	take, err := m.decide(fr, in, i)
	if err != nil || !take {
		return i + 1, err
	}
	if in.Target < 0 || int(in.Target) >= len(fr.f.Insns) {
		return 0, fmt.Errorf("the target %d is not in the function", in.Target)
	}
	return int(in.Target), nil
}

// decide tells whether a branch is taken.
func (m *Machine) decide(fr *frame, in *code.Insn, i int) (bool, error) {
	switch in.OpCode.JumpOp() {
	case asm.Ja:
		return true, nil
	case asm.JCOND:
		fr.passed++
		return fr.passed > maxMayGoto, nil
	}
	a, b := operands(in, fr.regs[in.Dst], fr.regs[in.Src])
	take, err := taken(in, a, b)
	if m.Branch != nil && err == nil {
		m.Branch(fr.f, i, a, b, take)
	}
	return take, err
}
