package verifier

import (
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/rlimit"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/code"
)

// needKernel skips a test where programs can not be run in the kernel.
func needKernel(t testing.TB) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("running BPF in the kernel needs root")
	}
	if !hostOrder(binary.LittleEndian) {
		t.Skip("the programs of this test are little endian, this machine is not")
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		t.Skipf("this kernel has no BPF: %v", err)
	}
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type:         ebpf.XDP,
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()},
	})
	if errors.Is(err, ebpf.ErrNotSupported) || errors.Is(err, os.ErrPermission) {
		t.Skipf("this kernel runs no XDP programs for us: %v", err)
	}
	require.NoError(t, err)
	require.NoError(t, prog.Close())
}

// hasLoadAcquire tells whether this kernel has load-acquire and store-release, which
// came with Linux 6.15.
var hasLoadAcquire = sync.OnceValue(func() bool {
	load := asm.LoadAcquire(asm.R0, asm.R10, asm.Word, -4)
	load.Constant = int64(loadAcquire >> 8) // which cilium/ebpf does not do
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.XDP, Instructions: asm.Instructions{
		asm.StoreImm(asm.R10, -4, 2, asm.Word), load, asm.Return(),
	}})
	if err != nil {
		return false
	}
	prog.Close()
	return true
})

func hostOrder(order binary.ByteOrder) bool {
	return binary.NativeEndian.Uint16([]byte{1, 0}) == order.Uint16([]byte{1, 0})
}

// loadKernel loads the function named "main" and all others of the unit; its maps are
// those that its wide loads have the numbers of.
func loadKernel(t testing.TB, u *code.Unit, maps ...*ebpf.Map) *ebpf.Program {
	t.Helper()
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "main", Type: ebpf.XDP, License: "GPL", Instructions: kernelCode(t, u, maps),
	})
	var verr *ebpf.VerifierError
	if errors.As(err, &verr) {
		require.NoError(t, err, "%+v", verr)
	}
	require.NoError(t, err)
	t.Cleanup(func() { prog.Close() })
	return prog
}

// kernelCode returns the functions of u one behind the other, as the kernel
// takes them.
func kernelCode(t testing.TB, u *code.Unit, maps []*ebpf.Map) asm.Instructions {
	t.Helper()
	var all asm.Instructions
	scalar := &btf.Int{Name: "long", Size: 8, Encoding: btf.Signed}
	for _, f := range u.Funcs {
		f := &code.Func{Name: f.Name, Insns: append([]code.Insn(nil), f.Insns...)}
		require.NoError(t, f.Link(true))
		proto := &btf.FuncProto{Return: scalar}
		for i := range f.Insns {
			ins := f.Insns[i].Instruction
			if ins.OpCode.Class().IsALU() && ins.Offset != 0 { // cilium/ebpf would write 0
				ins.OpCode, ins.Offset = ins.OpCode.SetALUOp(extended(ins.OpCode.ALUOp(), ins.Offset)), 0
			}
			if ins.OpCode.IsDWordLoad() && ins.Src == asm.PseudoMapFD {
				ins.Constant = int64(maps[ins.Constant].FD())
			}
			if ref := f.Insns[i].Ref; ref.Kind == code.RefFunc {
				ins.Constant = -1
				if ins.OpCode.IsDWordLoad() {
					ins.Src = asm.PseudoFunc
				}
				ins = ins.WithReference(u.Funcs[ref.Index].Name)
			}
			if i == 0 {
				fn := &btf.Func{Name: f.Name, Type: proto, Linkage: btf.StaticFunc}
				ins = btf.WithFuncMetadata(ins.WithSymbol(f.Name), fn)
			}
			all = append(all, ins)
		}
	}
	return all
}

// inKernel makes the maps of a text in the kernel, with what is in them.
func inKernel(t testing.TB, maps []*Map) []*ebpf.Map {
	t.Helper()
	var made []*ebpf.Map
	for _, mp := range maps {
		spec := &ebpf.MapSpec{
			Name: mp.Name, Type: mp.Type, KeySize: uint32(mp.KeySize), ValueSize: uint32(mp.ValueSize),
			MaxEntries: uint32(mp.MaxEntries),
		}
		if mp.Type == ebpf.LPMTrie {
			spec.Flags = 1 // BPF_F_NO_PREALLOC, which a trie wants
		}
		if mp.Type == ebpf.ProgramArray {
			made = append(made, newMap(t, spec))
			continue
		}
		m := newMap(t, spec)
		for _, key := range mp.Keys() {
			require.NoError(t, m.Put(key, mp.Value(key)))
		}
		made = append(made, m)
	}
	return made
}

func newMap(t testing.TB, spec *ebpf.MapSpec) *ebpf.Map {
	t.Helper()
	m, err := ebpf.NewMap(spec)
	require.NoError(t, err)
	t.Cleanup(func() { m.Close() })
	return m
}

// machineWith is a machine for a text, with its maps.
func machineWith(a *assembler) *Machine {
	return &Machine{Unit: a.unit, MapAt: func(f *code.Func, i int) (*Map, bool) {
		if in := &f.Insns[i]; in.Src == asm.PseudoMapFD {
			return a.maps[in.Constant], false
		}
		return nil, false
	}}
}

// outcome is what a run on a packet ends in; the packet has the metadata before it that
// the program made.
type outcome struct {
	Return uint32
	Packet []byte
}

func runKernel(t testing.TB, prog *ebpf.Program, packet []byte) outcome {
	t.Helper()
	opts := &ebpf.RunOptions{Data: packet, DataOut: make([]byte, len(packet)+512)}
	ret, err := prog.Run(opts)
	require.NoError(t, err)
	return outcome{ret, opts.DataOut}
}

func runMachine(t testing.TB, m *Machine, packet []byte) outcome {
	t.Helper()
	m.Packet, m.Meta = packet, nil
	ret, err := m.Run("main")
	require.NoError(t, err)
	return outcome{ret, slices.Concat(m.Meta, m.Packet)}
}
