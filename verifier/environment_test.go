package verifier

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/code"
)

// Equal seeds give equal routes; and over many, every answer that there is.
func TestRoutesAreLeftToChance(t *testing.T) {
	a := assembleAll(t, binary.LittleEndian, `
*(u64 *)(r10 - 56) = 0
*(u64 *)(r10 - 16) = 0x1234
r2 = r10
r2 += -64
r3 = 64
r4 = 0
call 69
r1 = *(u32 *)(r10 - 56)
r0 <<= 8
r0 |= r1
r1 = *(u32 *)(r10 - 16)
r0 <<= 16
r0 |= r1
exit`)
	answers := map[uint32]bool{}
	for seed := range uint64(400) {
		m := &Machine{Unit: a.unit, Packet: make([]byte, 64), Seed: seed}
		ret, err := m.Run("main")
		require.NoError(t, err)
		again, err := m.Run("main")
		require.NoError(t, err)
		require.Equal(t, ret, again)
		answer, ifindex, vlan := ret>>24, ret>>16&0xff, ret&0xffff
		require.Equal(t, answer == 0, ifindex > 0, "an interface when a route was found")
		require.Equal(t, answer == 0, vlan == 0, "and no tag")
		answers[answer] = true
	}
	require.Len(t, answers, 10, "found, and BPF_FIB_LKUP_RET_BLACKHOLE to BPF_FIB_LKUP_RET_NO_SRC_ADDR")
}

func TestSyncookies(t *testing.T) {
	answers := map[uint32]bool{}
	for seed := range uint64(40) {
		for size, generated := range map[string]bool{"20": true, "24": false, "16": false} {
			m, _, ret, err := run(t, `
*(u64 *)(r10 - 32) = 0
*(u8 *)(r10 - 20) = 0x50
r1 = r10
r1 += -64
r2 = r10
r2 += -32
r3 = `+size+`
call 204
r1 = r10
r1 += -64
r2 = r10
r2 += -32
call 206
exit`, func(_ *assembler, m *Machine) { m.Seed = seed })
			require.NoError(t, err)
			require.Equal(t, !generated, m.Calls[0].Result == errno(eInval), size)
			require.Len(t, m.Calls[0].Data[0], ipv4Size)
			require.Len(t, m.Calls[1].Data[1], tcpSize)
			answers[ret] = true
		}
	}
	require.Equal(t, map[uint32]bool{0: true, uint32(errno(eAcces)): true}, answers)
}

// Loads through a pointer that bpf_rdonly_cast gave read 0 where nothing lies, as near to
// it as they can be; others do not.
func TestProbe(t *testing.T) {
	text := func(load string) string {
		return "r1 = 0x1000\ncall bpf_rdonly_cast\nr1 = r0\nr0 = 77\n" + load + "\nexit"
	}
	cast := func(_ *assembler, m *Machine) {
		m.Externs = map[string]Extern{
			"bpf_rdonly_cast": func(m *Machine, args [5]uint64) (uint64, error) { return m.Probe(args[0]), nil },
		}
	}
	for load, want := range map[string]string{
		"r0 = *(u64 *)(r1 + 32767)":             "",
		"r0 = *(u8 *)(r1 - 4096)":               "",
		"r1 += 0x20000\nr0 = *(u8 *)(r1 + 0)":   "0x21000 is no address",
		"*(u8 *)(r1 + 0) = 0":                   "0x1000 is no address",
		"r1 = 0x100000\nr0 = *(u64 *)(r1 + 16)": "0x100010 is no address",
	} {
		_, _, ret, err := run(t, text(load), cast)
		if want != "" {
			require.ErrorContains(t, err, want)
			continue
		}
		require.NoError(t, err)
		require.Zero(t, ret, load)
	}
	_, _, _, err := run(t, "r1 = 0x1000\nr0 = *(u8 *)(r1 + 0)\nexit", cast)
	require.ErrorContains(t, err, "is no address", "without the cast")
}

func TestProbeReadKernel(t *testing.T) {
	const text = `
r6 = 0x1122334455667788 ll
*(u64 *)(r10 - 8) = r6
*(u64 *)(r10 - 16) = r6
r1 = r10
r1 += -16
r2 = 8
r3 = r10
r3 += %
call 113
r1 = *(u64 *)(r10 - 16)
r0 += r1
exit`
	for at, want := range map[string]uint32{"-8": 0x55667788, "-4": uint32(errno(eFault))} {
		_, _, ret, err := run(t, string(bytes.ReplaceAll([]byte(text), []byte("%"), []byte(at))), nil)
		require.NoError(t, err)
		require.Equal(t, want, ret, at)
	}
}

func TestStrncmp(t *testing.T) {
	for _, c := range []struct {
		a, b string
		size string
		want int64
	}{
		{"abc", "abc", "4", 0}, {"abc", "abd", "3", -1}, {"abd", "abc", "3", 1}, {"ab", "abc", "2", 0},
		{"ab", "abc", "3", -1}, {"abc", "ab", "3", 1}, {"\xff", "a", "1", 1},
	} {
		_, _, ret, err := run(t, "r1 = 111 ll\nr2 = "+c.size+"\nr3 = 222 ll\ncall 182\nexit", func(a *assembler, m *Machine) {
			values := map[int64]*Map{}
			for constant, s := range map[int64]string{111: c.a, 222: c.b} {
				values[constant] = &Map{Name: s, KeySize: 4, ValueSize: 8, MaxEntries: 1}
				values[constant].Set(little(0), []byte(s))
			}
			for i := range a.unit.Funcs[0].Insns {
				if in := &a.unit.Funcs[0].Insns[i]; in.OpCode.IsDWordLoad() {
					values[int64(i)] = values[in.Constant]
					in.Constant = 0
				}
			}
			m.MapAt = func(_ *code.Func, i int) (*Map, bool) { return values[int64(i)], true }
		})
		require.NoError(t, err)
		require.Equal(t, uint32(c.want), ret, "%q %q %s", c.a, c.b, c.size)
	}
}

// What depends on the machine is what the Machine says.
func TestEnvironment(t *testing.T) {
	m := &Machine{Now: 8_000_000, CPU: 3, Node: 1, Packet: make([]byte, 64)}
	for call, want := range map[asm.BuiltinFunc]uint32{
		asm.FnGetSmpProcessorId: 3, asm.FnGetNumaNodeId: 1, asm.FnJiffies64: 2, asm.FnKtimeGetBootNs: 8_000_000,
		asm.FnKtimeGetCoarseNs: 8_000_000, asm.FnKtimeGetTaiNs: 8_000_000, asm.FnGetCurrentPidTgid: 0, asm.FnGetCurrentCgroupId: 1,
	} {
		m.Unit = assemble(t, binary.LittleEndian, "call 5\nexit")
		m.Unit.Funcs[0].Insns[0].Constant = int64(call)
		ret, err := m.Run("main")
		require.NoError(t, err)
		require.Equal(t, want, ret, call)
	}
}

// A driver without hints says so; the externs of the Machine can say other things.
func TestMetadataKfuncs(t *testing.T) {
	_, _, ret, err := run(t, "r2 = 0\nr3 = 0\ncall bpf_xdp_metadata_rx_hash\nexit", nil)
	require.NoError(t, err)
	require.Equal(t, uint32(errno(eOpNotSupp)), ret)
	_, _, ret, err = run(t, "r2 = r10\nr2 += -8\ncall bpf_xdp_metadata_rx_timestamp\nr0 = *(u64 *)(r10 - 8)\nexit", func(_ *assembler, m *Machine) {
		m.Externs = map[string]Extern{"bpf_xdp_metadata_rx_timestamp": func(m *Machine, args [5]uint64) (uint64, error) {
			b, err := m.Bytes(args[1], 8, true)
			copy(b, []byte{5, 0, 0, 0, 0, 0, 0, 0})
			return 0, err
		}}
	})
	require.NoError(t, err)
	require.Equal(t, uint32(5), ret)
}

// Each activation of a function has its own count of may_gotos, and the machine's own
// end of a program comes after it.
func TestMayGotoEnds(t *testing.T) {
	m, _, ret, err := run(t, `
.program main
call spin
call spin
exit
.static spin
r0 = 0
again:
may_goto out
r0 += 1
goto again
out:
exit`, nil)
	require.NoError(t, err)
	require.Equal(t, uint32(maxMayGoto), ret)
	require.Equal(t, defaultMaxSteps-2*(3*maxMayGoto+3)-3, m.steps)
}
