package rewrite_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/object"
	"github.com/hintjit/hintjit/rewrite"
	"github.com/hintjit/hintjit/verifier"
)

// committed are the objects that lie in the tree.
func committed(f *testing.F) (objects [][]byte) {
	f.Helper()
	for _, pattern := range []string{"testdata/golden/*.o", "../bpf/examples/*.o"} {
		files, err := filepath.Glob(pattern)
		require.NoError(f, err)
		require.NotEmpty(f, files)
		for _, file := range files {
			raw, err := os.ReadFile(file)
			require.NoError(f, err)
			objects = append(objects, raw)
		}
	}
	return objects
}

// Whatever the file is: an error, or an object that can be read, keeps every
// invariant that the input kept, and does not call hintjit_rx any more.
func FuzzObject(f *testing.F) {
	for i, raw := range committed(f) {
		f.Add(raw, byte(i))
	}
	all := nics(f)
	f.Fuzz(func(t *testing.T, raw []byte, which byte) {
		requireSound(t, raw, all[int(which)%len(all)])
	})
}

// The same for objects whose instructions alone are at random: what FuzzObject
// makes is seldom read beyond its headers. A patch is a slot and what is to be
// changed in it.
func FuzzInstructions(f *testing.F) {
	objects := committed(f)
	for i := range objects {
		f.Add(byte(i), byte(i), []byte{0, 3, 0, 0, 0, 8, 0, 0, 0, 0})
	}
	all := nics(f)
	f.Fuzz(func(t *testing.T, base, which byte, patches []byte) {
		raw := bytes.Clone(objects[int(base)%len(objects)])
		insns := codeSection(t, raw)
		for ; len(patches) >= 10; patches = patches[10:] {
			at := int(binary.LittleEndian.Uint16(patches)) * 8 % len(insns)
			for i, b := range patches[2:10] {
				insns[at+i] ^= b
			}
		}
		requireSound(t, raw, all[int(which)%len(all)])
	})
}

// codeSection is the part of raw that holds the XDP programs.
func codeSection(t *testing.T, raw []byte) []byte {
	t.Helper()
	file, err := elf.NewFile(bytes.NewReader(raw))
	require.NoError(t, err)
	s := file.Section("xdp")
	require.NotNil(t, s)
	return raw[s.Offset : s.Offset+s.Size]
}

func requireSound(t *testing.T, raw []byte, n nic) {
	t.Helper()
	kept := bytes.Clone(raw)
	out, report, err := rewrite.Object(raw, n.options())
	require.Equal(t, kept, raw, "the input changed")
	if err != nil {
		require.NotContains(t, err.Error(), "fault of hintjit")
		return
	}
	if bytes.Equal(raw, out) {
		require.Empty(t, report.Programs)
		return
	}
	before, err := object.Parse(raw)
	require.NoError(t, err)
	after, err := object.Parse(out)
	require.NoError(t, err)
	// Origin of an instruction that was just read is where it stands: what the input
	// broke can not be told from what the output breaks, so only a sound input counts.
	if verifier.Check(before.Unit(), verifier.Options{}) != nil {
		return
	}
	require.NoError(t, verifier.Check(after.Unit(), verifier.Options{Gone: []string{"hintjit_rx"}}))
	require.False(t, slices.ContainsFunc(after.Unit().Externs, func(e code.Extern) bool { return e.Name == "hintjit_rx" }))
}
