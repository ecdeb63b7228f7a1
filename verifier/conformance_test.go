package verifier

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// conformance is one case in testdata/conformance, in the format of the public
// conformance tests (github.com/Alan-Jowett/bpf_conformance): sections that start with
// a line of two dashes. "asm" or "raw" is the code, which is called with r1 = the memory
// of "mem" and r2 = its length; "result" is what it leaves in r0, "error" a part of what
// ends it; "map" has a line a map. Cases of our own may have besides
//
//	result be        what a big-endian machine returns, where that differs
//	after, after be  what the memory is in the end
//	interpreter      why the kernel does not run the case
type conformance struct {
	name, text          string
	raw                 []uint64
	memory              []byte
	result, resultBig   uint64
	after, afterBig     []byte
	err                 string
	interpreterOnly     string
	hasResult, hasAfter bool
}

// readCase parses a file.
func readCase(t *testing.T, file string) *conformance {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	c := &conformance{name: strings.TrimSuffix(file, ".data")}
	_, rest, _ := strings.Cut("\n"+string(content), "\n-- ")
	for _, section := range strings.Split(rest, "\n-- ") {
		name, body, _ := strings.Cut(section, "\n")
		require.True(t, c.section(name, strings.TrimSpace(body)), "%s: section %q", file, name)
	}
	require.NotEqual(t, c.hasResult, c.err != "", "%s: neither result nor error, or both", file)
	return c
}

// section takes one section of a case and tells whether there is such a one.
func (c *conformance) section(name, body string) bool {
	memory := func() []byte {
		b, err := hex.DecodeString(strings.Join(strings.Fields(body), ""))
		if err != nil {
			panic(err)
		}
		return b
	}
	switch name {
	case "asm":
		c.text += withFunctions(body)
	case "raw":
		c.text += ".static case\nexit"
		for _, word := range strings.Fields(body) {
			c.raw = append(c.raw, uint64(number(word)))
		}
	case "map":
		for _, line := range strings.Split(body, "\n") {
			if !strings.HasPrefix(line, "#") {
				c.text = ".map " + line + "\n" + c.text
			}
		}
	case "mem":
		c.memory = memory()
	case "result":
		c.result, c.hasResult = uint64(number(body)), true
		c.resultBig = c.result
	case "result be":
		c.resultBig = uint64(number(body))
	case "after":
		c.after, c.hasAfter = memory(), true
		c.afterBig = c.after
	case "after be":
		c.afterBig = memory()
	case "interpreter":
		c.interpreterOnly = body
	case "error":
		c.err = body
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

func (c *conformance) assemble(t *testing.T, order binary.ByteOrder) *assembler {
	t.Helper()
	maps, text, found := strings.Cut(c.text, ".static case")
	if !found {
		maps, text = "", c.text
	}
	a := assembleAll(t, order, maps+fmt.Sprintf(caller, 8+len(c.memory), len(c.memory))+".static case"+text)
	if c.raw != nil { // in the place of what is there for it
		a.unit.Funcs[1].Insns = decodeRaw(c.raw)
	}
	return a
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
	if c.hasAfter {
		require.Equal(t, hex.EncodeToString(after), hex.EncodeToString(got.Packet[8:8+len(after)]))
	}
}

func cases(t *testing.T) []*conformance {
	t.Helper()
	var all []*conformance
	require.NoError(t, filepath.WalkDir("testdata/conformance", func(file string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, readCase(t, file))
		}
		return err
	}))
	return all
}

func eachCase(t *testing.T, run func(t *testing.T, c *conformance)) {
	for _, c := range cases(t) {
		t.Run(strings.TrimPrefix(c.name, "testdata/conformance/"), func(t *testing.T) { run(t, c) })
	}
}

func TestMachine(t *testing.T) {
	eachCase(t, func(t *testing.T, c *conformance) {
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			m := machineWith(c.assemble(t, order))
			if c.err == "" {
				c.check(t, order, runMachine(t, m, c.packet()))
				continue
			}
			m.Packet = c.packet()
			if len(c.memory) > 0 {
				m.Packet = m.Packet[:8+len(c.memory)]
			}
			_, err := m.Run("main")
			require.ErrorContains(t, err, c.err)
			var fault *Fault
			require.ErrorAs(t, err, &fault)
		}
	})
}

// The kernel runs the same cases, so that what they expect is no opinion.
func TestCasesInKernel(t *testing.T) {
	needKernel(t)
	eachCase(t, func(t *testing.T, c *conformance) {
		if c.err != "" || c.interpreterOnly != "" {
			t.Skip("no program for the kernel: its verifier refuses it or it has no counterpart there")
		}
		if strings.Contains(c.text, "load_acquire") || strings.Contains(c.text, "store_release") {
			if !hasLoadAcquire() {
				t.Skip("this kernel has no load-acquire and store-release")
			}
		}
		a := c.assemble(t, binary.LittleEndian)
		prog := loadKernel(t, a.unit, inKernel(t, a.maps)...)
		c.check(t, binary.LittleEndian, runKernel(t, prog, c.packet()))
	})
}
