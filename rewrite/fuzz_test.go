package rewrite_test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf/asm"
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
		requireSound(t, raw, all[int(which)%len(all)].options())
	})
}

// The same for objects whose instructions alone are at random: what FuzzObject
// makes is seldom read beyond its headers. A patch is a slot and what is to be
// changed in it. The hints are in the metadata area or at the end of a walk, on
// one kernel or any.
func FuzzInstructions(f *testing.F) {
	objects := committed(f)
	all := grounds(f)
	for i := range max(len(objects), len(all)) {
		f.Add(byte(i), byte(i), []byte{0, 3, 0, 0, 0, 8, 0, 0, 0, 0})
	}
	f.Fuzz(func(t *testing.T, base, which byte, patches []byte) {
		raw := bytes.Clone(objects[int(base)%len(objects)])
		insns := codeSection(t, raw)
		for ; len(patches) >= 10; patches = patches[10:] {
			at := int(binary.LittleEndian.Uint16(patches)) * 8 % len(insns)
			for i, b := range patches[2:10] {
				insns[at+i] ^= b
			}
		}
		requireSound(t, raw, all[int(which)%len(all)].options)
	})
}

// The same for all the other sections: types, records, symbols, relocations and
// the headers of all of them. A patch is a section, or the table of headers, a
// place there, and what is to be put there.
func FuzzSections(f *testing.F) {
	objects := committed(f)
	all := grounds(f)
	for i := range objects {
		for k := range byte(2) {
			f.Add(byte(i), byte(i), []byte{byte(i)/2 + 8*k, 1, byte(20 * i), k, 0, 0, 0, 0})
		}
	}
	f.Fuzz(func(t *testing.T, base, which byte, patches []byte) {
		raw := bytes.Clone(objects[int(base)%len(objects)])
		parts := sections(t, raw)
		for ; len(patches) >= 8; patches = patches[8:] {
			part := parts[int(patches[0])%len(parts)]
			at := int(binary.BigEndian.Uint16(patches[1:])) % len(part)
			n := min(1+int(patches[3]%4), len(part)-at)
			copy(part[at:at+n], patches[4:])
		}
		requireSound(t, raw, all[int(which)%len(all)].options)
	})
}

// sections are the parts of raw, the table of headers first.
func sections(t *testing.T, raw []byte) (parts [][]byte) {
	t.Helper()
	file, err := elf.NewFile(bytes.NewReader(raw))
	require.NoError(t, err)
	parts = append(parts, raw[file.ByteOrder.Uint64(raw[40:]):])
	for _, s := range file.Sections {
		if s.Size > 0 && s.Type != elf.SHT_NOBITS {
			parts = append(parts, raw[s.Offset:s.Offset+s.Size])
		}
	}
	return parts
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

func requireSound(t *testing.T, raw []byte, opts rewrite.Options) {
	t.Helper()
	kept := bytes.Clone(raw)
	out, report, err := rewrite.Object(raw, opts)
	require.Equal(t, kept, raw, "the input changed")
	before, parseErr := object.Parse(raw)
	if parseErr != nil {
		require.Error(t, err)
		return
	}
	if err != nil {
		var broken verifier.Violations
		if errors.As(err, &broken) && sound(before.Unit()) {
			requireInherited(t, broken)
		}
		return
	}
	if bytes.Equal(raw, out) {
		require.Empty(t, report.Programs)
		return
	}
	after, err := object.Parse(out)
	require.NoError(t, err)
	if sound(before.Unit()) { // what an input broke can not be told from what the output does
		require.NoError(t, verifier.Check(after.Unit(), verifier.Options{Gone: []string{"hintjit_rx"}}))
	}
}

// requireInherited allows for what a sound unit may hide: that a store goes
// outside the frame shows only when no other path leads to it any more.
func requireInherited(t *testing.T, broken verifier.Violations) {
	t.Helper()
	for _, v := range broken {
		require.Equal(t, "stack access", v.Invariant, "%v", broken)
	}
}

// sound tells whether a unit keeps all invariants and has nothing that the kernel
// refuses at sight and passes do not follow: packet loads of the old kind, which
// XDP programs can not have, and arithmetic with an offset.
func sound(u *code.Unit) bool {
	for _, f := range u.Funcs {
		for i := range f.Insns {
			in := &f.Insns[i]
			packetLoad := in.OpCode.Class() == asm.LdClass && !in.OpCode.IsDWordLoad()
			if packetLoad || in.OpCode.Class().IsALU() && in.Offset != 0 {
				return false
			}
		}
	}
	return verifier.Check(u, verifier.Options{}) == nil
}
