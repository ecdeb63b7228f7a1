package verifier

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/object"
)

const clang = "clang-19"

// compile compiles testdata/mixed.c for a byte order and a CPU level.
func compile(t *testing.T, target, cpu string) []byte {
	t.Helper()
	if _, err := exec.LookPath(clang); err != nil {
		t.Skipf("no C compiler for BPF: %v", err)
	}
	out := filepath.Join(t.TempDir(), "mixed.o")
	log, err := exec.Command(clang, "-target", target, "-mcpu="+cpu, "-O2", "-g", "-Wall", "-Werror",
		"-c", "testdata/mixed.c", "-o", out).CombinedOutput()
	require.NoError(t, err, "%s", log)
	raw, err := os.ReadFile(out)
	require.NoError(t, err)
	return raw
}

// machineFor returns a machine for an object of mixed.c, whose only map is the one
// thing its wide loads of 0 refer to.
func machineFor(t *testing.T, raw []byte) *Machine {
	t.Helper()
	file, err := object.Parse(raw)
	require.NoError(t, err)
	counts := &Map{Name: "counts", Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 16}
	m := &Machine{Unit: file.Unit(), MapAt: func(f *code.Func, i int) (*Map, bool) {
		if f.Insns[i].Constant == 0 {
			return counts, false
		}
		return nil, false
	}}
	require.NoError(t, Check(m.Unit, Options{}))
	return m
}

func TestCompiledPrograms(t *testing.T) {
	r := chance.Rand(t)
	for _, cpu := range []string{"v1", "v2", "v3", "v4"} {
		t.Run(cpu, func(t *testing.T) {
			little, big := compile(t, "bpfel", cpu), compile(t, "bpfeb", cpu)
			el, eb := machineFor(t, little), machineFor(t, big)
			require.Equal(t, binary.ByteOrder(binary.BigEndian), eb.Unit.Order)
			returns := map[uint32]bool{}
			for range 200 {
				packet := randomInput(r, binary.BigEndian)
				for _, program := range []string{"arithmetic", "remember"} {
					el.Packet, eb.Packet = packet, packet
					want, err := el.Run(program)
					require.NoError(t, err)
					got, err := eb.Run(program)
					require.NoError(t, err)
					require.Empty(t, differs(outcome{want, el.Packet}, outcome{got, eb.Packet}), "%s of %x", program, packet)
					returns[got] = true
				}
			}
			require.Len(t, returns, 2, "arithmetic returns 2 or 3, remember 3")
		})
	}
}

func TestCompiledProgramsAsKernel(t *testing.T) {
	needKernel(t)
	r := chance.Rand(t)
	for _, cpu := range []string{"v1", "v2", "v3", "v4"} {
		t.Run(cpu, func(t *testing.T) {
			raw := compile(t, "bpfel", cpu)
			m := machineFor(t, raw)
			spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(raw))
			require.NoError(t, err)
			loaded, err := ebpf.NewCollection(spec)
			require.NoError(t, err)
			defer loaded.Close()
			for range 200 {
				packet := randomInput(r, binary.BigEndian)
				for _, program := range []string{"arithmetic", "remember"} {
					want := runKernel(t, loaded.Programs[program], packet)
					m.Packet = packet
					ret, err := m.Run(program)
					require.NoError(t, err)
					require.Empty(t, differs(want, outcome{ret, m.Packet}), "%s of %x", program, packet)
				}
			}
		})
	}
}
