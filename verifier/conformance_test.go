package verifier

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// conformance is one case of testdata/*.txt.
type conformance struct {
	name, text            string
	memory                []byte
	result, resultBig     uint64
	after, afterBig       []byte
	err                   string
	interpreterOnly, want bool
}

// readCases parses a file of cases: "== name", instructions, "-- key value".
func readCases(t *testing.T, file string) []conformance {
	t.Helper()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(raw), "\n== ")
	var cases []conformance
	for _, part := range strings.Split(rest, "\n== ") {
		name, body, _ := strings.Cut(part, "\n")
		c := conformance{name: name}
		var text []string
		for _, line := range strings.Split(body, "\n") {
			if fact, ok := strings.CutPrefix(line, "-- "); ok {
				require.True(t, c.fact(fact), "%s: %s", name, fact)
			} else {
				text = append(text, line)
			}
		}
		c.text = strings.Join(text, "\n")
		require.True(t, c.want, "%s: neither result nor error", name)
		cases = append(cases, c)
	}
	return cases
}

// fact takes one "key value" of a case and tells whether it is one.
func (c *conformance) fact(s string) bool {
	key, value, _ := strings.Cut(s, " ")
	big := strings.HasPrefix(value, "be ")
	value = strings.TrimPrefix(value, "be ")
	mem := func() []byte {
		b, err := hex.DecodeString(strings.ReplaceAll(value, " ", ""))
		if err != nil {
			panic(err)
		}
		return b
	}
	switch {
	case key == "result" && big:
		c.resultBig = uint64(number(value))
	case key == "result":
		c.result, c.want = uint64(number(value)), true
		c.resultBig = c.result
	case key == "memory":
		c.memory = mem()
		c.after, c.afterBig = c.memory, c.memory
	case key == "after" && big:
		c.afterBig = mem()
	case key == "after":
		c.after = mem()
	case key == "error":
		c.err, c.want = value, true
	case key == "interpreter":
		c.interpreterOnly = true
	default:
		return false
	}
	return true
}

// caller calls the function of a case and puts the result in front of the
// packet, where BPF_PROG_RUN shows all 64 bits of it.
const caller = `
.program main
r6 = r1
r7 = *(u32 *)(r6 + 0)
r3 = *(u32 *)(r6 + 4)
r1 = r7
r1 += %d
r0 = 0
if r1 > r3 goto out
r1 = r7
r1 += 8
r2 = %d
call case
*(u64 *)(r7 + 0) = r0
r0 = 2
out:
exit
`

func (c *conformance) program() string {
	text := c.text
	if !strings.HasPrefix(text, ".static") {
		text = ".static case\n" + text
	}
	return fmt.Sprintf(caller, 8+len(c.memory), len(c.memory)) + text
}

// packet is the room for the result, then the memory. The kernel wants at least
// an Ethernet header.
func (c *conformance) packet() []byte {
	return append(make([]byte, 8), append(append([]byte(nil), c.memory...), make([]byte, max(0, 6-len(c.memory)))...)...)
}

func (c *conformance) check(t *testing.T, order binary.ByteOrder, got outcome) {
	t.Helper()
	result, after := c.result, c.after
	if order == binary.BigEndian {
		result, after = c.resultBig, c.afterBig
	}
	require.Equal(t, uint32(2), got.Return)
	require.Equal(t, fmt.Sprintf("%#x", result), fmt.Sprintf("%#x", order.Uint64(got.Packet)))
	require.Equal(t, hex.EncodeToString(after), hex.EncodeToString(got.Packet[8:8+len(after)]))
}

func eachCase(t *testing.T, run func(t *testing.T, c conformance)) {
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.Len(t, files, 4)
	for _, file := range files {
		for _, c := range readCases(t, file) {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+c.name, func(t *testing.T) { run(t, c) })
		}
	}
}

func TestMachine(t *testing.T) {
	eachCase(t, func(t *testing.T, c conformance) {
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			u := assemble(t, order, c.program())
			if c.err != "" {
				m := &Machine{Unit: u, Packet: c.packet()[:8+max(6, len(c.memory))]}
				if len(c.memory) > 0 {
					m.Packet = m.Packet[:8+len(c.memory)]
				}
				_, err := m.Run("main")
				require.ErrorContains(t, err, c.err)
				var fault *Fault
				require.ErrorAs(t, err, &fault)
				continue
			}
			c.check(t, order, runMachine(t, u, c.packet()))
		}
	})
}

// The kernel runs the same cases, so that what they expect is no opinion.
func TestCasesInKernel(t *testing.T) {
	needKernel(t)
	eachCase(t, func(t *testing.T, c conformance) {
		if c.err != "" || c.interpreterOnly {
			t.Skip("no program for the kernel: its verifier refuses it or it has no counterpart there")
		}
		prog := loadKernel(t, assemble(t, binary.LittleEndian, c.program()))
		c.check(t, binary.LittleEndian, runKernel(t, prog, c.packet()))
	})
}
