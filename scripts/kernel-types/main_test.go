package main

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"
)

// What is made of types that were made before is the same: nothing that a walk
// names is lost or moves, the committed files are those of today's layouts, and no
// driver is missing that the kernel has by its list.
func TestAgain(t *testing.T) {
	kernels, err := filepath.Glob("../../internal/kernel/testdata/*")
	require.NoError(t, err)
	require.NotEmpty(t, kernels)
	for _, kernel := range kernels {
		modules, out := filepath.Join(t.TempDir(), "drivers", "net"), t.TempDir()
		require.NoError(t, os.MkdirAll(modules, 0o700))
		list, err := os.ReadFile(filepath.Join(kernel, listFile))
		require.NoError(t, err)
		for _, module := range strings.Fields(string(list)) {
			data, err := os.ReadFile(filepath.Join(kernel, module))
			if !errors.Is(err, fs.ErrNotExist) { // one that no layout is of is empty, and not read
				require.NoError(t, err)
			}
			require.NoError(t, os.WriteFile(filepath.Join(modules, module+".ko"), data, 0o600))
		}
		require.NoError(t, run(filepath.Join(kernel, "vmlinux"), modules, out), "scripts/kernel-types.sh makes %s anew", kernel)
		require.Equal(t, contents(t, kernel), contents(t, out), "scripts/kernel-types.sh makes %s anew", kernel)
	}
}

// contents are a folder's files, by name.
func contents(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	files := map[string][]byte{}
	for _, e := range entries {
		files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
	}
	return files
}

// What a kernel beside it has is left out; files of modules may have dashes, be
// packed, or lie elsewhere.
func TestBeside(t *testing.T) {
	const real = "../../internal/kernel/testdata/debian-6.12.117/"
	modules, first, second := t.TempDir(), t.TempDir(), t.TempDir()
	add := func(file, of string) {
		data, err := os.ReadFile(real + of)
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(modules, file)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(modules, file), data, 0o600))
	}
	add("drivers/net/veth.ko", "veth")
	add("net/core/igb.ko", "igb")
	require.NoError(t, run(real+"vmlinux", modules, first))
	add("drivers/net/virtio-net.ko", "virtio_net")
	require.NoError(t, run(real+"vmlinux", modules, second, first))
	require.ElementsMatch(t, []string{"vmlinux", "veth", listFile}, slices.Collect(maps.Keys(contents(t, first))))
	require.Equal(t, "veth\n", string(contents(t, first)[listFile]))
	require.ElementsMatch(t, []string{"vmlinux", "virtio_net", listFile}, slices.Collect(maps.Keys(contents(t, second))))
	require.Equal(t, "virtio_net\n", string(contents(t, second)[listFile]))
}

// BTF in an image of a kernel is found, whatever looks like it before and behind.
func TestImage(t *testing.T) {
	whole, err := os.ReadFile("../../internal/kernel/testdata/debian-6.12.117/vmlinux")
	require.NoError(t, err)
	small, err := os.ReadFile("../../internal/kernel/testdata/debian-6.12.117/veth")
	require.NoError(t, err)
	for name, image := range map[string][]byte{
		"alone":          whole,
		"a magic before": slices.Concat([]byte("MZ"), magic, []byte("code"), whole, []byte("more"), magic),
		"less behind":    slices.Concat(make([]byte, 13), whole, small),
		"less before":    slices.Concat(small, make([]byte, 3), whole),
	} {
		got, err := longestBTF(image)
		require.NoError(t, err, name)
		require.Equal(t, whole, got, name)
	}
	_, err = longestBTF(whole[:len(whole)-1])
	require.Error(t, err)
}

// Of enums the numbers that walks ask for are kept, of inner structs the members that
// walks go through.
func TestKept(t *testing.T) {
	u32 := &btf.Int{Name: "u32", Size: 4}
	inner := func(member string) *btf.Struct {
		return &btf.Struct{Name: "of_" + member, Size: 4, Members: []btf.Member{{Name: member, Type: u32}}}
	}
	r := &reduced{
		named: &named{through: map[string]bool{"way": true}, numbers: map[string]bool{"TWO": true, "THREE": true}},
		of:    map[btf.Type]btf.Type{},
	}
	got := r.reduce(&btf.Struct{Name: "ring", Size: 16, Members: []btf.Member{
		{Name: "way", Type: inner("a")},
		{Name: "else", Type: inner("b"), Offset: 32},
		{Type: inner("c"), Offset: 64},
		{Name: "state", Offset: 96, Type: &btf.Enum{Name: "states", Size: 4, Values: []btf.EnumValue{
			{Name: "ONE", Value: 1}, {Name: "TWO", Value: 2}, {Name: "THREE", Value: 3}}}},
		{Name: "kind", Offset: 128, Type: &btf.Enum{Name: "kinds", Size: 4, Values: []btf.EnumValue{
			{Name: "FIRST", Value: 1}, {Name: "LAST", Value: 2}}}},
	}}).(*btf.Struct)
	require.Equal(t, &btf.Struct{Name: "ring", Size: 16, Members: []btf.Member{
		{Name: "way", Type: inner("a")},
		{Name: "else", Type: &btf.Struct{Size: 4}, Offset: 32},
		{Type: inner("c"), Offset: 64},
		{Name: "state", Offset: 96, Type: &btf.Enum{Name: "states", Size: 4, Values: []btf.EnumValue{
			{Name: "TWO", Value: 2}, {Name: "THREE", Value: 3}}}},
		{Name: "kind", Offset: 128, Type: &btf.Enum{Name: "kinds", Size: 4, Values: []btf.EnumValue{{Name: "FIRST", Value: 1}}}},
	}}, got)
}

func TestErrors(t *testing.T) {
	const real = "../../internal/kernel/testdata/debian-6.12.117/"
	dir := t.TempDir()
	require.ErrorContains(t, run(filepath.Join(dir, "vmlinux"), dir, dir), "no such file")
	require.NoError(t, run(real+"vmlinux", dir, dir), "no modules")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "drivers", "net"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "drivers", "net", "ice.ko"), []byte("\x7fELF"), 0o600))
	require.ErrorContains(t, run(real+"vmlinux", dir, dir), "ice.ko")
	require.ErrorContains(t, run(real+"vmlinux", dir, dir, filepath.Join(dir, "drivers")), listFile)
}
