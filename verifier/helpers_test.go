package verifier

import (
	"encoding/binary"
	"errors"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/code"
)

// withMap makes a machine whose loads of map descriptors give mp, and whose
// loads of map values give what is in it.
func withMap(t *testing.T, mp *Map, text string) *Machine {
	u := assemble(t, binary.LittleEndian, text)
	return &Machine{Unit: u, MapAt: func(f *code.Func, i int) (*Map, bool) {
		switch f.Insns[i].Constant {
		case 111:
			return mp, false
		case 222:
			return mp, true
		}
		return nil, false
	}}
}

// update and count stores r8 under r7 and returns 100 times that result plus
// what a lookup gives.
const updateAndLookup = `
*(u32 *)(r10 - 4) = r7
*(u64 *)(r10 - 16) = r8
r1 = 111 ll
r2 = r10
r2 += -4
r3 = r10
r3 += -16
r4 = r9
call 2
r6 = r0
r1 = 111 ll
r2 = r10
r2 += -4
call 1
r6 *= -100
if r0 == 0 goto none
r0 = *(u64 *)(r0 + 0)
r6 += r0
none:
r0 = r6
exit
`

func TestMaps(t *testing.T) {
	array := func() *Map { return &Map{Name: "a", KeySize: 4, ValueSize: 8, MaxEntries: 2} }
	hash := func() *Map { return &Map{Name: "h", Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 1} }
	full := func() *Map {
		m := hash()
		m.Set([]byte{9, 0, 0, 0}, []byte{77})
		return m
	}
	for name, tt := range map[string]struct {
		mp              *Map
		key, val, flags string
		want            uint32
	}{
		"array":                        {array(), "1", "7", "0", 7},
		"array, index too large":       {array(), "2", "7", "0", 100 * e2Big},
		"array has all elements":       {array(), "1", "7", "1", 100 * eExist},
		"array, existing":              {array(), "0", "7", "2", 7},
		"hash":                         {hash(), "5", "7", "0", 7},
		"hash, must be new":            {hash(), "5", "7", "1", 7},
		"hash, must be there":          {hash(), "5", "7", "2", 100 * eNoEnt},
		"hash, must be there, and is":  {full(), "9", "7", "2", 7},
		"hash, must be new, and isn't": {full(), "9", "7", "1", 100*eExist + 77},
		"hash is full":                 {full(), "5", "7", "0", 100 * e2Big},
		"unknown flags":                {full(), "9", "7", "3", 100*eInval + 77},
	} {
		t.Run(name, func(t *testing.T) {
			m := withMap(t, tt.mp, "r7 = "+tt.key+"\nr8 = "+tt.val+"\nr9 = "+tt.flags+"\n"+updateAndLookup)
			ret, err := m.Run("main")
			require.NoError(t, err)
			require.Equal(t, tt.want, ret)
			require.Equal(t, []asm.BuiltinFunc{asm.FnMapUpdateElem, asm.FnMapLookupElem},
				[]asm.BuiltinFunc{m.Calls[0].Helper, m.Calls[1].Helper})
			require.Equal(t, tt.val[0]-'0', m.Calls[0].Data[1][0])
		})
	}
}

func TestMapValueIsMemory(t *testing.T) {
	mp := &Map{Name: "data", KeySize: 4, ValueSize: 8, MaxEntries: 1}
	m := withMap(t, mp, "r1 = 222 ll\nr1 += -222\n*(u32 *)(r1 + 4) = 258\nr0 = *(u64 *)(r1 + 0)\nexit")
	_, err := m.Run("main")
	require.NoError(t, err)
	require.Equal(t, []byte{0, 0, 0, 0, 2, 1, 0, 0}, mp.Value(make([]byte, 4)))

	// As cilium/ebpf has it: the offset above, a descriptor below.
	m = withMap(t, mp, "r1 = 222 ll\nr0 = *(u8 *)(r1 + 0)\nexit")
	m.MapAt = func(*code.Func, int) (*Map, bool) { return mp, true }
	m.Unit.Funcs[0].Insns[0].Src, m.Unit.Funcs[0].Insns[0].Constant = asm.PseudoMapValue, 4<<32|222
	ret, err := m.Run("main")
	require.NoError(t, err)
	require.Equal(t, uint32(2), ret)

	m = withMap(t, mp, "r1 = 222 ll\nr0 = *(u8 *)(r1 + 0)\nexit")
	_, err = m.Run("main")
	require.ErrorContains(t, err, "1 bytes at data+222 are outside [0, 8)")
}

func TestHashHasNoFirstValue(t *testing.T) {
	mp := &Map{Name: "h", Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 1}
	_, err := withMap(t, mp, "r1 = 222 ll\nr0 = 0\nexit").Run("main")
	require.ErrorContains(t, err, "map h has no value there")
}

func TestFaultNamesTheSourceLine(t *testing.T) {
	m := &Machine{Unit: assemble(t, binary.LittleEndian, "r0 = 2\nr0 += r3\nexit")}
	m.Unit.Funcs[0].Insns[0].Line = &code.Line{File: "prog.c", Number: 42}
	_, err := m.Run("main")
	require.EqualError(t, err, "main: instruction 1 (prog.c:42): AddReg dst: r0 src: r3: r3: nothing was written to it")
}

func TestMapArguments(t *testing.T) {
	mp := &Map{Name: "m", KeySize: 4, ValueSize: 8, MaxEntries: 1}
	for text, want := range map[string]string{
		"r1 = 5\nr2 = r10\nr2 += -4\ncall 1\nexit":                       "FnMapLookupElem: r1: 0x5 is no address",
		"r1 = 0\nr2 = r10\nr3 = 8\nr4 = 0\ncall 130\nexit":               "FnRingbufOutput: r1: 0x0 is no address",
		"r1 = 111 ll\ncall 1\nexit":                                      "FnMapLookupElem: r2: nothing was written to it",
		"r1 = r10\nr2 = r10\nr2 += -4\ncall 1\nexit":                     "r1: r10+0 is no map",
		"r1 = 111 ll\nr2 = r10\nr2 += -2\ncall 1\nexit":                  "r2: 4 bytes at r10-2 are outside",
		"r1 = 111 ll\nr0 = *(u8 *)(r1 + 0)\nexit":                        "1 bytes at m+0 are outside [0, 0)",
		"r1 = 111 ll\nr2 = r10\nr2 += -4\nr3 = r2\nr4 = 0\ncall 2\nexit": "r3: 8 bytes at r10-4 are outside",
	} {
		_, err := withMap(t, mp, text).Run("main")
		require.ErrorContains(t, err, want, text)
	}
}

func TestRingbufOutputIsRecorded(t *testing.T) {
	m := withMap(t, &Map{Name: "rb", Type: ebpf.RingBuf, MaxEntries: 4096}, "r1 = 0x1234\n*(u64 *)(r10 - 8) = r1\nr1 = 111 ll\nr2 = r10\nr2 += -8\nr3 = 6\nr4 = 0\ncall 130\nexit")
	ret, err := m.Run("main")
	require.NoError(t, err)
	require.Zero(t, ret)
	require.Equal(t, [][]byte{{0x34, 0x12, 0, 0, 0, 0}}, m.Calls[0].Data)
}

func TestTimeAndRandomAreRepeatable(t *testing.T) {
	m := &Machine{Unit: assemble(t, binary.LittleEndian, "call 5\nr6 = r0\ncall 7\nr0 ^= r6\nexit"), Now: 5, Seed: 1}
	first, err := m.Run("main")
	require.NoError(t, err)
	require.Equal(t, uint64(5), m.Calls[0].Result)
	again, err := m.Run("main")
	require.NoError(t, err)
	require.Equal(t, first, again)
	m.Seed = 2
	other, err := m.Run("main")
	require.NoError(t, err)
	require.NotEqual(t, first, other)
}

func TestRedirect(t *testing.T) {
	for flags, want := range map[string]uint32{"0": 4, "1": 0} {
		m := &Machine{Unit: assemble(t, binary.LittleEndian, "r1 = 7\nr2 = "+flags+"\ncall 23\nexit")}
		ret, err := m.Run("main")
		require.NoError(t, err)
		require.Equal(t, want, ret)
		require.Equal(t, uint64(7), m.Calls[0].Args[0])
	}
}

func TestExtern(t *testing.T) {
	m := &Machine{
		Unit: assemble(t, binary.BigEndian, "call hintjit_rx\nr0 = *(u16 *)(r0 + 2)\nexit"),
		Externs: map[string]Extern{"hintjit_rx": func(m *Machine, args [5]uint64) (uint64, error) {
			_, err := m.Bytes(args[0], 1, false)
			require.Error(t, err, "the context has no bytes")
			return m.ReadOnly("hints", []byte{1, 2, 3, 4})
		}},
	}
	ret, err := m.Run("main")
	require.NoError(t, err)
	require.Equal(t, uint32(0x304), ret)

	m.Unit = assemble(t, binary.BigEndian, "call hintjit_rx\n*(u8 *)(r0 + 2) = 1\nexit")
	_, err = m.Run("main")
	require.ErrorContains(t, err, "hints is read-only")

	noHints := errors.New("no hints today")
	m.Externs["hintjit_rx"] = func(*Machine, [5]uint64) (uint64, error) { return 0, noHints }
	_, err = m.Run("main")
	require.ErrorContains(t, err, "main: instruction 0: Call 0: hintjit_rx: no hints today")
	require.ErrorIs(t, err, noHints)
}

func TestOwnHelper(t *testing.T) {
	m := &Machine{
		Unit:    assemble(t, binary.LittleEndian, "r1 = 3\ncall 6\nexit"),
		Helpers: map[asm.BuiltinFunc]Helper{asm.FnTracePrintk: func(_ *Machine, c *Call) (uint64, error) { return c.Args[0] + 1, nil }},
	}
	ret, err := m.Run("main")
	require.NoError(t, err)
	require.Equal(t, uint32(4), ret)
}

func TestExternNobodyStandsFor(t *testing.T) {
	m := &Machine{Unit: assemble(t, binary.LittleEndian, "call hintjit_rx\nexit")}
	_, err := m.Run("main")
	require.ErrorContains(t, err, "nothing was given to stand for the extern hintjit_rx")
}

func TestTable(t *testing.T) {
	m := &Machine{Unit: assemble(t, binary.BigEndian, "r1 = &table\nr0 = *(u32 *)(r1 + 4)\nexit")}
	ret, err := m.Run("main")
	require.NoError(t, err)
	require.Equal(t, uint32(0x05060708), ret)

	m.Unit = assemble(t, binary.BigEndian, "r1 = &table\n*(u8 *)(r1 + 0) = 1\nexit")
	_, err = m.Run("main")
	require.ErrorContains(t, err, "table is read-only")
}

func TestRunRefuses(t *testing.T) {
	m := &Machine{Unit: assemble(t, binary.LittleEndian, "r1 = 0\nexit")}
	_, err := m.Run("other")
	require.EqualError(t, err, "program other: not in the unit")
	_, err = m.Run("main")
	require.ErrorContains(t, err, "r0: nothing was written to it")
	m.Unit.Order = nil
	_, err = m.Run("main")
	require.EqualError(t, err, "the unit has no byte order")
}
