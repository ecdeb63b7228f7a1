package main

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/bpf"
)

// shown is a command in a document and what it prints.
var shown = regexp.MustCompile("(?m)^```\n\\$ hintjit (.*)\n((?:[^`\n].*\n|\n)*)```$")

// refusedLog is what bpftool prints where the driver's module is not loaded: the kernel
// names no instruction then.
const refusedLog = `libbpf: prog 'ptype_count': BPF program load failed: Invalid argument
libbpf: prog 'ptype_count': -- BEGIN PROG LOAD LOG --
invalid kernel function call not eliminated in verifier pass
processed 59 insns (limit 1000000) max_states_per_insn 0 total_states 5 peak_states 5 mark_read 0
-- END PROG LOAD LOG --
libbpf: prog 'ptype_count': failed to load: -22
libbpf: failed to load object 'prog.i40e.o'
Error: failed to load object file
`

// ownLayout is a layout of one's own with two faults.
const ownLayout = `nic: my-nic
descriptors:
  - name: completion
    size: 16
    word: le32
    ready: [done]
    fields:
      done:   w3[31]
      hash:   w0
      hashed: w1[3-0]
    hints:
      rx_hash: {from: hash, when: [hased != 0]}
`

// TestDocument runs the commands that docs/command.md shows, one after the other
// in a directory that holds an example as prog.o, refusedLog and ownLayout, and compares.
func TestDocument(t *testing.T) {
	file, err := filepath.Abs("../../docs/command.md")
	require.NoError(t, err)
	document, err := os.ReadFile(file)
	require.NoError(t, err)
	object, err := bpf.Example("ptype_count", binary.LittleEndian)
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("prog.o", object, 0o666))
	require.NoError(t, os.WriteFile("notes.txt", []byte("not an object\n"), 0o666))
	require.NoError(t, os.WriteFile("log.txt", []byte(refusedLog), 0o666))
	require.NoError(t, os.WriteFile("my-nic.yaml", []byte(ownLayout), 0o666))

	commands := 0
	now := shown.ReplaceAllStringFunc(string(document), func(block string) string {
		commands++
		command := shown.FindStringSubmatch(block)[1]
		var out strings.Builder
		run(strings.Fields(command), strings.NewReader(""), &out, &out)
		have := "```\n$ hintjit " + command + "\n" + out.String() + "```"
		if !*update {
			assert.Equal(t, block, have, "go test ./cmd/hintjit -update writes docs/command.md anew")
		}
		return have
	})
	require.Greater(t, commands, 5)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(now), 0o666))
	}
}
