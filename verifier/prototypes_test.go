package verifier

import (
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"
)

// lastHelper is bpf_cgrp_storage_delete: the list is closed since Linux 6.2, new
// functions are kfuncs (include/uapi/linux/bpf.h).
const lastHelper = asm.FnCgrpStorageDelete

// kernelSays returns what the kernel's verifier has against a program, "" for
// nothing.
func kernelSays(t *testing.T, insns asm.Instructions) string {
	t.Helper()
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, License: "GPL", Instructions: insns})
	if err == nil {
		require.NoError(t, prog.Close())
		return ""
	}
	var verr *ebpf.VerifierError
	require.ErrorAs(t, err, &verr)
	log := strings.Join(verr.Log, "\n")
	if strings.Contains(log, "Unreleased reference") { // of what the helper gave
		return ""
	}
	return log
}

// later are the helpers that bpf_base_func_proto gives since Linux 6.16 or so.
var later = map[asm.BuiltinFunc]bool{
	asm.FnGetCurrentUidGid:       true,
	asm.FnGetCurrentComm:         true,
	asm.FnGetCgroupClassid:       true,
	asm.FnPerfEventRead:          true,
	asm.FnCurrentTaskUnderCgroup: true,
	asm.FnPerfEventReadValue:     true,
	asm.FnSendSignal:             true,
	asm.FnSendSignalThread:       true,
	asm.FnGetTaskStack:           true,
	asm.FnCopyFromUser:           true,
	asm.FnTaskStorageGet:         true,
	asm.FnTaskStorageDelete:      true,
	asm.FnGetBranchSnapshot:      true,
	asm.FnFindVma:                true,
	asm.FnCopyFromUserTask:       true,
}

// The table has the helpers that this kernel gives to XDP programs, and no other.
func TestPrototypesAreThoseOfXDP(t *testing.T) {
	needKernel(t)
	for fn := asm.FnMapLookupElem; fn <= lastHelper; fn++ {
		says := kernelSays(t, asm.Instructions{fn.Call(), asm.Mov.Imm(asm.R0, 0), asm.Return()})
		p, ok := PrototypeOf(fn)
		switch {
		case strings.Contains(says, "invalid func"):
			t.Logf("%v is not in this kernel", fn)
		default:
			refused := strings.Contains(says, "cannot use helper") || strings.Contains(says, "unknown func")
			if !later[fn] {
				require.Equal(t, !refused, ok, "%v: %s", fn, says)
			}
			if ok {
				require.Equal(t, fn.String(), "Fn"+camel(strings.TrimPrefix(p.Name, "bpf_")))
			}
		}
	}
}

// camel is a helper's name as cilium/ebpf writes it.
func camel(name string) string {
	var b strings.Builder
	for _, word := range strings.Split(name, "_") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// A helperCaller makes programs that call one helper. They have in r6 the context and in the stack 64 bytes that are initialised.
type helperCaller struct {
	t        *testing.T
	maps     map[asm.BuiltinFunc]*ebpf.Map
	readOnly *ebpf.Map // its value is the string "%d"
}

// mapTypes are the maps that a helper takes, where not any will do.
var mapTypes = map[asm.BuiltinFunc]ebpf.MapType{
	asm.FnTailCall:             ebpf.ProgramArray,
	asm.FnPerfEventOutput:      ebpf.PerfEventArray,
	asm.FnRedirectMap:          ebpf.DevMap,
	asm.FnMapPushElem:          ebpf.Queue,
	asm.FnMapPopElem:           ebpf.Queue,
	asm.FnMapPeekElem:          ebpf.Queue,
	asm.FnRingbufOutput:        ebpf.RingBuf,
	asm.FnRingbufReserve:       ebpf.RingBuf,
	asm.FnRingbufQuery:         ebpf.RingBuf,
	asm.FnUserRingbufDrain:     ebpf.MapType(31), // BPF_MAP_TYPE_USER_RINGBUF
	asm.FnMapLookupPercpuElem:  ebpf.PerCPUArray,
	asm.FnRingbufReserveDynptr: ebpf.RingBuf,
}

func newCaller(t *testing.T) *helperCaller {
	readOnly, err := ebpf.NewMap(&ebpf.MapSpec{
		Type: ebpf.Array, KeySize: 4, ValueSize: 64, MaxEntries: 1, Flags: 1 << 7, // BPF_F_RDONLY_PROG
		Contents: []ebpf.MapKV{{Key: uint32(0), Value: append([]byte("%d"), make([]byte, 62)...)}},
	})
	require.NoError(t, err)
	require.NoError(t, readOnly.Freeze())
	t.Cleanup(func() { readOnly.Close() })
	return &helperCaller{t, make(map[asm.BuiltinFunc]*ebpf.Map), readOnly}
}

func (c *helperCaller) mapFor(fn asm.BuiltinFunc) *ebpf.Map {
	if c.maps[fn] == nil {
		spec := &ebpf.MapSpec{Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 4}
		if typ, ok := mapTypes[fn]; ok {
			spec.Type = typ
		}
		switch spec.Type {
		case ebpf.RingBuf, ebpf.MapType(31):
			spec.KeySize, spec.ValueSize, spec.MaxEntries = 0, 0, 4096
		case ebpf.Queue:
			spec.KeySize = 0
		case ebpf.DevMap, ebpf.ProgramArray, ebpf.PerfEventArray:
			spec.ValueSize = 4
		}
		m, err := ebpf.NewMap(spec)
		require.NoError(c.t, err)
		c.t.Cleanup(func() { m.Close() })
		c.maps[fn] = m
	}
	return c.maps[fn]
}

// argument returns what puts a sensible argument into r, nil for a kind that needs
// more than a few instructions.
func (c *helperCaller) argument(fn asm.BuiltinFunc, kind ArgKind, r asm.Register) asm.Instructions {
	switch kind {
	case ArgScalar, ArgVariadic:
		return asm.Instructions{asm.Mov.Imm(r, 0)}
	case ArgSize:
		return asm.Instructions{asm.Mov.Imm(r, 8)}
	case ArgContext:
		return asm.Instructions{asm.Mov.Reg(r, asm.R6)}
	case ArgMap:
		return asm.Instructions{asm.LoadMapPtr(r, c.mapFor(fn).FD())}
	case ArgFunc:
		ins := asm.LoadImm(r, -1, asm.DWord)
		ins.Src = asm.PseudoFunc
		return asm.Instructions{ins.WithReference("callback")}
	case ArgString:
		return asm.Instructions{asm.LoadMapValue(r, c.readOnly.FD(), 0)}
	case ArgKey, ArgValue, ArgValueWrite, ArgRead, ArgReadOrNull, ArgWrite, ArgWriteOrNull, ArgReadWrite, ArgAddress, ArgPassed:
		return asm.Instructions{asm.Mov.Reg(r, asm.R10), asm.Add.Imm(r, -64)}
	}
	return nil
}

// call is a program that calls a helper with the given arguments.
func (c *helperCaller) call(fn asm.BuiltinFunc, args []asm.Instructions) asm.Instructions {
	scalar := &btf.Int{Name: "long", Size: 8, Encoding: btf.Signed}
	named := func(ins asm.Instruction, name string) asm.Instruction {
		fn := &btf.Func{Name: name, Type: &btf.FuncProto{Return: scalar}, Linkage: btf.StaticFunc}
		return btf.WithFuncMetadata(ins.WithSymbol(name), fn)
	}
	prog := asm.Instructions{named(asm.Mov.Reg(asm.R6, asm.R1), "main")}
	for off := int16(-64); off < 0; off += 8 {
		prog = append(prog, asm.Instruction{OpCode: asm.StoreImmOp(asm.DWord), Dst: asm.R10, Offset: off})
	}
	prog = append(prog, asm.FnKtimeGetNs.Call()) // which leaves r1 to r5 unreadable
	callback := false
	for _, a := range args {
		prog = append(prog, a...)
		callback = callback || len(a) > 0 && a[0].Src == asm.PseudoFunc && a[0].OpCode.IsDWordLoad()
	}
	prog = append(prog, fn.Call(), asm.Mov.Imm(asm.R0, 0), asm.Return())
	if callback {
		prog = append(prog, named(asm.Mov.Imm(asm.R0, 0), "callback"), asm.Return())
	}
	return prog
}

// What the table says of a helper's arguments, the kernel enforces: each of them is
// read and no other, numbers are no pointers, and read-only memory is not written to.
func TestPrototypeArguments(t *testing.T) {
	needKernel(t)
	c := newCaller(t)
	checked := 0
	for fn, p := range prototypes {
		var good []asm.Instructions
		for i, kind := range p.Args {
			if kind == ArgNone {
				break
			}
			good = append(good, c.argument(fn, kind, asm.R1+asm.Register(i)))
		}
		if says := kernelSays(t, c.call(fn, nil)); len(good) > 0 {
			require.Contains(t, says, "R1 !read_ok", p.Name)
		}
		if containsNil(good) {
			continue
		}
		checked++
		require.Empty(t, kernelSays(t, c.call(fn, good)), p.Name)
		for i := range good {
			c.checkArgument(fn, p, good, i)
		}
	}
	require.Greater(t, checked, 55)
}

func containsNil(args []asm.Instructions) bool {
	for _, a := range args {
		if a == nil {
			return true
		}
	}
	return false
}

// checkArgument gives a helper one argument that is not as the table wants it.
func (c *helperCaller) checkArgument(fn asm.BuiltinFunc, p Prototype, good []asm.Instructions, i int) {
	r := asm.R1 + asm.Register(i)
	with := func(insns ...asm.Instruction) string {
		args := append([]asm.Instructions(nil), good...)
		args[i] = insns
		return kernelSays(c.t, c.call(fn, args))
	}
	if p.Args[i] == ArgVariadic {
		require.Empty(c.t, with(), "%s without %v", p.Name, r)
		return
	}
	require.NotEmpty(c.t, with(), "%s without %v", p.Name, r)
	switch p.Args[i] {
	case ArgScalar, ArgSize, ArgAddress:
		require.NotContains(c.t, with(asm.Mov.Imm(r, 1)), "expected=", "%s: %v is a number, not only NULL", p.Name, r)
		return
	}
	require.NotEmpty(c.t, with(asm.Mov.Imm(r, 1)), "%s: %v is a pointer", p.Name, r)
	says := with(asm.LoadMapValue(r, c.readOnly.FD(), 0))
	switch p.Args[i] {
	case ArgKey, ArgValue, ArgRead, ArgReadOrNull, ArgString:
		if fn != asm.FnXdpStoreBytes { // declared as if it wrote there
			require.Empty(c.t, says, "%s: %v is read", p.Name, r)
		}
	case ArgValueWrite, ArgWrite, ArgWriteOrNull, ArgReadWrite:
		require.NotEmpty(c.t, says, "%s: %v is written", p.Name, r)
	}
	if p.Args[i] == ArgReadOrNull || p.Args[i] == ArgWriteOrNull {
		none := asm.Mov.Imm(r, 0) // and of no size
		args := append([]asm.Instructions(nil), good...)
		args[i], args[i+1] = asm.Instructions{none}, asm.Instructions{asm.Mov.Imm(r+1, 0)}
		require.NotContains(c.t, kernelSays(c.t, c.call(fn, args)), "expected=", "%s: %v may be NULL", p.Name, r)
	}
}

// The names and the memory of the table make sense together.
func TestPrototypesAreComplete(t *testing.T) {
	for fn, p := range prototypes {
		require.NotEmpty(t, p.Name, fn)
		ended := false
		for i, kind := range p.Args {
			require.False(t, ended && kind != ArgNone, "%s: an argument after none", p.Name)
			ended = ended || kind == ArgNone
			switch kind {
			case ArgRead, ArgReadOrNull, ArgWrite, ArgWriteOrNull, ArgReadWrite:
				sized := i < 4 && p.Args[i+1] == ArgSize
				require.NotEqual(t, sized, p.Fixed[i] > 0, "%s: the size of argument %d", p.Name, i+1)
			case ArgSize:
				require.Positive(t, i, p.Name)
			default:
				require.Zero(t, p.Fixed[i], p.Name)
			}
		}
	}
	_, ok := PrototypeOf(asm.FnSkbStoreBytes)
	require.False(t, ok, "of another program type")
}
