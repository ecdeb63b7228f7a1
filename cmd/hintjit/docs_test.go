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

// TestDocument runs the commands that docs/command.md shows, one after the other
// in a directory that holds an example as prog.o, and compares.
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
