package verifier

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// little is a key or a value of 4 bytes.
func little(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

// run assembles a text and runs it once, with what is done to its maps before.
func run(t *testing.T, text string, prepare func(a *assembler, m *Machine)) (*Machine, *assembler, uint32, error) {
	t.Helper()
	a := assembleAll(t, binary.LittleEndian, text)
	m := machineWith(a)
	m.Packet = make([]byte, 64)
	if prepare != nil {
		prepare(a, m)
	}
	ret, err := m.Run("main")
	return m, a, ret, err
}

func TestLRUEvictsTheOldest(t *testing.T) {
	_, a, _, err := run(t, `
.map lru 9 4 4 2
.program main
*(u32 *)(r10 - 4) = 1
r1 = &lru
r2 = r10
r2 += -4
call 1
*(u32 *)(r10 - 4) = 3
r1 = &lru
r2 = r10
r2 += -4
r3 = r2
r4 = 0
call 2
exit`, func(a *assembler, _ *Machine) {
		a.maps[0].Set(little(1), little(1))
		a.maps[0].Set(little(2), little(2))
	})
	require.NoError(t, err)
	require.Equal(t, [][]byte{little(1), little(3)}, a.maps[0].Keys(), "1 was looked up, 2 was not")
}

const lookupInner = `
.map outer 12 4 4 2
.map inner 2 4 8 1
.program main
*(u32 *)(r10 - 4) = 1
r1 = &outer
r2 = r10
r2 += -4
call 1
if r0 == 0 goto none
*(u32 *)(r10 - 4) = 0
r1 = r0
r2 = r10
r2 += -4
call 1
r0 = *(u64 *)(r0 + 0)
none:
exit`

func TestMapOfMaps(t *testing.T) {
	_, _, ret, err := run(t, lookupInner, nil)
	require.NoError(t, err)
	require.Zero(t, ret)
	_, _, ret, err = run(t, lookupInner, func(a *assembler, _ *Machine) {
		a.maps[1].Set(little(0), []byte{42})
		a.maps[0].SetInner(little(1), a.maps[1])
	})
	require.NoError(t, err)
	require.Equal(t, uint32(42), ret)
}

func TestReadOnlyMap(t *testing.T) {
	_, _, _, err := run(t, `
.map constants 2 4 8 1
.program main
*(u32 *)(r10 - 4) = 0
r1 = &constants
r2 = r10
r2 += -4
call 1
*(u8 *)(r0 + 0) = 1
exit`, func(a *assembler, _ *Machine) { a.maps[0].ReadOnly = true })
	require.ErrorContains(t, err, "constants is read-only")
	_, _, _, err = run(t, ".map constants 2 4 8 1\n.program main\nr1 = &constants\nr2 = r10\nr2 += -8\nr3 = r2\nr4 = 0\ncall 2\nexit",
		func(a *assembler, _ *Machine) { a.maps[0].ReadOnly = true })
	require.ErrorContains(t, err, "FnMapUpdateElem: map constants is read-only")
}

// What a program holds a pointer to stays, when an update puts another value into a hash
// (htab_map_update_elem in kernel/bpf/hashtab.c); an array changes where it is.
func TestUpdateUnderAPointer(t *testing.T) {
	for typ, want := range map[string]uint32{"1": 5, "2": 7} {
		_, _, ret, err := run(t, `
.map m `+typ+` 4 4 1
.program main
*(u32 *)(r10 - 4) = 0
r1 = &m
r2 = r10
r2 += -4
call 1
r6 = r0
*(u32 *)(r10 - 8) = 7
r1 = &m
r2 = r10
r2 += -4
r3 = r10
r3 += -8
r4 = 0
call 2
r0 = *(u32 *)(r6 + 0)
exit`, func(a *assembler, _ *Machine) { a.maps[0].Set(little(0), little(5)) })
		require.NoError(t, err)
		require.Equal(t, want, ret, typ)
	}
}

func TestRecordsOfRingBuffers(t *testing.T) {
	const reserve = `
.map records 27 0 0 64
.program main
r1 = &records
r2 = 8
r3 = 0
call 131
r6 = r0
r1 = 0x1234
*(u64 *)(r6 + 0) = r1
r1 = r6
r2 = 0
`
	m, _, _, err := run(t, reserve+"call 132\nr0 = 0\nexit", nil)
	require.NoError(t, err)
	require.Equal(t, [][]byte{{0x34, 0x12, 0, 0, 0, 0, 0, 0}}, m.Calls[1].Data)
	m, _, _, err = run(t, reserve+"call 133\nr0 = 0\nexit", nil)
	require.NoError(t, err)
	require.Empty(t, m.Calls[1].Data)
	_, _, _, err = run(t, reserve+"call 132\nr0 = *(u8 *)(r6 + 0)\nexit", nil)
	require.ErrorContains(t, err, "is no address", "the record is gone")
	_, _, _, err = run(t, reserve+"r1 += 1\ncall 132\nr0 = 0\nexit", nil)
	require.ErrorContains(t, err, "record of records+1 is no record of a ring buffer")
	_, _, _, err = run(t, reserve+"call 132\nexit", nil)
	require.ErrorContains(t, err, "r0: nothing was written to it", "it returns nothing")
}

func TestPerfEventOutput(t *testing.T) {
	text := func(flags string) string {
		return `
.map events 4 4 4 2
.program main
*(u32 *)(r10 - 4) = 7
r2 = &events
r3 = ` + flags + ` ll
r4 = r10
r4 += -4
r5 = 4
call 25
exit`
	}
	m, _, ret, err := run(t, text("0x3_ffffffff"), func(_ *assembler, m *Machine) { copy(m.Packet, "abcdef") })
	require.NoError(t, err)
	require.Zero(t, ret)
	require.Equal(t, [][]byte{little(7), []byte("abc")}, m.Calls[0].Data, "data, and so much of the packet")
	for flags, want := range map[string]int{
		"0": 0, "1": eOpNotSupp, "2": e2Big, "0x41_ffffffff": eFault, "0x100000_ffffffff": eInval,
	} {
		_, _, ret, err := run(t, text(flags), nil)
		require.NoError(t, err)
		require.Equal(t, uint32(errno(want)), ret, flags)
	}
}

// Every kind of target that a driver's redirection has.
func TestRedirectMap(t *testing.T) {
	for typ, flags := range map[string]uint32{"14": 31, "25": 31, "16": 3, "17": 3} {
		for key, want := range map[string]uint32{"1": 4, "2": 2} {
			_, _, ret, err := run(t, ".map targets "+typ+" 4 4 4\n.program main\nr1 = &targets\nr2 = "+key+"\nr3 = 2\ncall 51\nexit",
				func(a *assembler, _ *Machine) { a.maps[0].Set(little(1), little(9)) })
			require.NoError(t, err)
			require.Equal(t, want, ret, "type %s, key %s", typ, key)
		}
		_, _, ret, err := run(t, ".map targets "+typ+" 4 4 4\n.program main\nr1 = &targets\nr2 = 2\nr3 = 10\ncall 51\nexit", nil)
		require.NoError(t, err)
		require.Equal(t, flags == 31, ret == 4, "only interfaces can be broadcast to")
	}
}

func TestTailCallOfNothing(t *testing.T) {
	const text = `
.map programs 3 4 4 4
.program main
r6 = r1
r2 = &programs
r3 = 3
call 12
`
	m, _, ret, err := run(t, text+"r0 = 1\nexit", nil)
	require.NoError(t, err)
	require.Equal(t, uint32(1), ret)
	require.Equal(t, errno(eNoEnt), m.Calls[0].Result)
	_, _, _, err = run(t, text+"exit", nil)
	require.ErrorContains(t, err, "r0: nothing was written to it")
	_, _, _, err = run(t, text+"r0 = 1\nexit", func(a *assembler, _ *Machine) { a.maps[0].SetProgram(little(3), "elsewhere") })
	require.ErrorContains(t, err, "map programs names elsewhere, which is not in the unit")
}

// A tail call in a function that the program called ends that function, not the program.
func TestTailCallInAFunction(t *testing.T) {
	_, _, ret, err := run(t, `
.map programs 3 4 4 4
.program main
call jump
r0 += 1
exit
.static jump
*(u64 *)(r10 - 8) = 1
r2 = &programs
r3 = 0
call 12
r0 = 0
exit
.program other
r0 = *(u32 *)(r1 + 12)
r0 *= 10
exit`, func(a *assembler, m *Machine) {
		m.Ifindex = 4
		a.maps[0].SetProgram(little(0), "other")
	})
	require.NoError(t, err)
	require.Equal(t, uint32(41), ret)
}

func TestMapsOfOtherTypes(t *testing.T) {
	for text, want := range map[string]string{
		".map q 22 0 8 3\n.program main\nr1 = &q\nr2 = r10\nr2 += -8\ncall 1\nexit":                         "not of map q, which is a Queue",
		".map s 7 4 8 3\n.program main\nr1 = &s\nr2 = r10\nr2 += -8\ncall 1\nexit":                          "map s is a StackTrace, which is not supported",
		".map a 2 8 8 3\n.program main\nr1 = &a\nr2 = r10\nr2 += -8\ncall 1\nexit":                          "has a key of 8 bytes, wanted 4",
		".map t 11 4 8 3\n.program main\nr1 = &t\nr2 = r10\nr2 += -8\ncall 1\nexit":                         "has a key of 4 bytes, wanted 5 or more",
		".map d 14 4 8 3\n.program main\nr1 = &d\nr2 = r10\nr2 += -8\nr3 = r2\nr4 = 0\ncall 2\nexit":        "not of map d, which is a DevMap",
		".map h 1 4 8 3\n.program main\nr1 = &h\nr2 = r10\nr2 += -8\nr3 = r2\nr4 = 4\ncall 2\nexit":         "with BPF_F_LOCK is not supported",
		".map r 27 0 0 64\n.program main\nr1 = &r\nr2 = 2\ncall 134\nexit":                                  "is not supported",
		".map h 1 4 8 3\n.program main\nr1 = &h\nr2 = r10\nr2 += -8\nr3 = 0x40000000\nr4 = 0\ncall 130":     "1073741824 bytes of memory are too much",
		".map h 1 4 8 3\n.program main\nr1 = &h\nr2 = &h\nr3 = 0\nr4 = 0\ncall 164\nexit":                   "r2: h+0 is not the address of a function",
		".map h 1 4 8 3\n.program main\nr1 = &h\nr2 = r10\nr2 += -4\nr3 = 1\ncall 195\nexit":                "not of map h, which is a Hash",
		".map b 30 0 8 3\n.program main\nr1 = &b\nr2 = r10\nr2 += -8\ncall 88\nexit":                        "not of map b",
		".program main\nr1 = r10\nr2 = 8\nr3 = r10\nr3 += -1\n*(u8 *)(r10 - 1) = 7\ncall 182\nr0 = 0\nexit": "outside [-512, 0)",
	} {
		_, _, _, err := run(t, text, nil)
		require.ErrorContains(t, err, want, text)
	}
}

// Only the values of the CPU that the program runs on are there.
func TestPerCPU(t *testing.T) {
	for cpu, want := range map[string]uint32{"3": 9, "2": 1} {
		_, _, ret, err := run(t, `
.map counts 6 4 4 1
.program main
*(u32 *)(r10 - 4) = 0
r1 = &counts
r2 = r10
r2 += -4
r3 = `+cpu+`
call 195
if r0 == 0 goto none
r0 = *(u32 *)(r0 + 0)
exit
none:
r0 = 1
exit`, func(a *assembler, m *Machine) {
			m.CPU = 3
			a.maps[0].Set(little(0), little(9))
		})
		require.NoError(t, err)
		require.Equal(t, want, ret, cpu)
	}
}
