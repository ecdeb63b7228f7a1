package verifier

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
)

// call calls a function of the unit, an extern or a helper.
func (m *Machine) call(fr *frame, in *code.Insn) error {
	var args [5]uint64
	for r := asm.R1; r <= asm.R5; r++ {
		if fr.defined.has(r) {
			args[r-asm.R1] = fr.regs[r]
		}
	}
	ret, ok, err := uint64(0), true, error(nil)
	switch index := int(in.Ref.Index); {
	case in.Ref.Kind == code.RefFunc && index >= 0 && index < len(m.Unit.Funcs):
		ret, ok, err = m.enter(m.Unit.Funcs[index], args, fr.defined&arguments(5))
	case in.Ref.Kind == code.RefExtern && index >= 0 && index < len(m.Unit.Externs):
		ret, err = m.callExtern(m.Unit.Externs[index].Name, args)
	case in.Ref.Kind == code.RefNone && in.IsBuiltinCall():
		ret, ok, err = m.callHelper(asm.BuiltinFunc(in.Constant), args, fr.defined)
	default:
		err = errors.New("the call does not say of what")
	}
	fr.regs[asm.R0] = ret
	fr.defined &^= arguments(5) | regs(asm.R0)
	if ok {
		fr.defined |= regs(asm.R0)
	}
	return err
}

func (m *Machine) callExtern(name string, args [5]uint64) (uint64, error) {
	fn := m.Externs[name]
	if fn == nil {
		fn = externs[name]
	}
	if fn == nil {
		return 0, fmt.Errorf("%w: nothing was given to stand for the extern %s", ErrUnsupported, name)
	}
	ret, err := fn(m, args)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return ret, nil
}

// callHelper calls a helper; ok is unset when it leaves nothing in r0.
func (m *Machine) callHelper(fn asm.BuiltinFunc, args [5]uint64, defined regset) (ret uint64, ok bool, err error) {
	c := &Call{Helper: fn, Args: args}
	helper := m.Helpers[fn]
	prototype := prototypes[fn]
	if helper == nil {
		if helper = helpers[fn]; helper == nil {
			return 0, false, fmt.Errorf("%w: helper %v is not supported", ErrUnsupported, fn)
		}
		if err := m.takeArguments(c, &prototype, defined); err != nil {
			return 0, false, fmt.Errorf("%v: %w", fn, err)
		}
	}
	m.Calls = append(m.Calls, c)
	if c.Result, err = helper(m, c); err != nil {
		return 0, false, fmt.Errorf("%v: %w", fn, err)
	}
	return c.Result, prototype.Returns != ReturnVoid, nil
}

// takeArguments finds what the arguments of a helper of the Machine's own point at,
// and records what is read there.
func (m *Machine) takeArguments(c *Call, p *Prototype, defined regset) error {
	for i, kind := range p.Args {
		r := asm.R1 + asm.Register(i)
		if kind == ArgNone {
			break
		}
		if kind != ArgVariadic && !defined.has(r) {
			return fmt.Errorf("%v: nothing was written to it", r)
		}
		if err := m.takeArgument(c, p, i); err != nil {
			return fmt.Errorf("%v: %w", r, err)
		}
	}
	return nil
}

func (m *Machine) takeArgument(c *Call, p *Prototype, i int) error {
	kind, value := p.Args[i], c.Args[i]
	switch kind {
	case ArgScalar, ArgVariadic, ArgSize, ArgAddress, ArgPassed:
		return nil
	case ArgContext:
		if value != address(contextKind, 0) {
			return fmt.Errorf("%#x is not the context", value)
		}
		return nil
	}
	r, off, err := m.at(value)
	switch {
	case value == 0 && (kind == ArgReadOrNull || kind == ArgWriteOrNull) && c.Args[i+1] == 0:
		return nil
	case err != nil:
		return err
	case kind == ArgMap && (r.m == nil || off != 0):
		return fmt.Errorf("%s%+d is no map", r.name, off)
	case kind == ArgFunc && (r.f == nil || off != 0):
		return fmt.Errorf("%s%+d is not the address of a function", r.name, off)
	case kind == ArgRecord && (r.record == nil || off != 0):
		return fmt.Errorf("%s%+d is no record of a ring buffer", r.name, off)
	case kind == ArgMap:
		c.m = r.m
	case kind == ArgFunc:
		c.f = r.f
	case kind == ArgRecord:
		c.record = r
	default:
		return m.takeMemory(c, p, i)
	}
	return nil
}

// memoryUse is what a helper does to the memory that an argument points to.
var memoryUse = map[ArgKind]struct{ read, write bool }{
	ArgKey:         {read: true},
	ArgValue:       {read: true},
	ArgValueWrite:  {write: true},
	ArgRead:        {read: true},
	ArgReadOrNull:  {read: true},
	ArgWrite:       {write: true},
	ArgWriteOrNull: {write: true},
	ArgReadWrite:   {read: true, write: true},
	ArgString:      {read: true},
	ArgField:       {write: true},
}

// maxMemory is more than the kernel's verifier lets any helper read or write.
const maxMemory = 1 << 29 // BPF_MAX_VAR_SIZ in linux/bpf_verifier.h

func (m *Machine) takeMemory(c *Call, p *Prototype, i int) (err error) {
	kind := p.Args[i]
	use, ok := memoryUse[kind]
	if !ok {
		return fmt.Errorf("%w: what it takes is not supported", ErrUnsupported)
	}
	size := 0
	switch {
	case kind == ArgKey:
		size = c.m.KeySize
	case kind == ArgValue || kind == ArgValueWrite:
		size = c.m.ValueSize
	case kind == ArgString:
		size, err = m.stringLength(c.Args[i])
	case kind == ArgField:
		size = lockSize
	case p.Fixed[i] > 0:
		size = p.Fixed[i]
	default:
		if c.Args[i+1] > maxMemory {
			return fmt.Errorf("%d bytes of memory are too much", c.Args[i+1])
		}
		size = int(c.Args[i+1])
	}
	if err != nil {
		return err
	}
	c.mem[i], err = m.Bytes(c.Args[i], size, use.write)
	if err == nil && use.read && size > 0 {
		c.Data = append(c.Data, append([]byte(nil), c.mem[i]...))
	}
	return err
}

// stringLength returns how many bytes come before the 0.
func (m *Machine) stringLength(addr uint64) (int, error) {
	for n := 0; ; n++ {
		b, err := m.Bytes(addr+uint64(n), 1, false)
		if err != nil || b[0] == 0 {
			return n, err
		}
	}
}
