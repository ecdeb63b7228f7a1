package verifier

import (
	"encoding/binary"
	"errors"
	"os"
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

func hostOrder(order binary.ByteOrder) bool {
	return binary.NativeEndian.Uint16([]byte{1, 0}) == order.Uint16([]byte{1, 0})
}

// loadKernel loads the function named "main" and all others of the unit.
func loadKernel(t testing.TB, u *code.Unit) *ebpf.Program {
	t.Helper()
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "main", Type: ebpf.XDP, License: "GPL", Instructions: kernelCode(t, u),
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
func kernelCode(t testing.TB, u *code.Unit) asm.Instructions {
	t.Helper()
	var all asm.Instructions
	scalar := &btf.Int{Name: "long", Size: 8, Encoding: btf.Signed}
	for _, f := range u.Funcs {
		f := &code.Func{Name: f.Name, Insns: append([]code.Insn(nil), f.Insns...)}
		require.NoError(t, f.Link(true))
		proto := &btf.FuncProto{Return: scalar}
		for i := range f.Insns {
			ins := f.Insns[i].Instruction
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

// outcome is what a run on a packet ends in.
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

func runMachine(t testing.TB, u *code.Unit, packet []byte) outcome {
	t.Helper()
	m := &Machine{Unit: u, Packet: packet}
	ret, err := m.Run("main")
	require.NoError(t, err)
	return outcome{ret, m.Packet}
}
