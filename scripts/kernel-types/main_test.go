package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/layouts"
)

// What is made of types that were made before is the same: nothing that a walk
// names is lost or moves, and the committed files are those of today's layouts.
func TestAgain(t *testing.T) {
	kernels, err := filepath.Glob("../../internal/kernel/testdata/*")
	require.NoError(t, err)
	require.NotEmpty(t, kernels)
	for _, kernel := range kernels {
		modules, out := t.TempDir(), t.TempDir()
		var names []string
		for _, nic := range layouts.Names() {
			l, err := layouts.Shipped(nic)
			require.NoError(t, err)
			if len(l.Walks) == 0 {
				continue
			}
			names = append(names, l.Module)
			data, err := os.ReadFile(filepath.Join(kernel, l.Module))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(modules, l.Module+".ko"), data, 0o600))
		}
		require.NoError(t, run(filepath.Join(kernel, "vmlinux"), modules, out))
		for _, name := range append(names, "vmlinux") {
			want, err := os.ReadFile(filepath.Join(kernel, name))
			require.NoError(t, err)
			got, err := os.ReadFile(filepath.Join(out, name))
			require.NoError(t, err)
			require.Equal(t, want, got, "%s, %s", kernel, name)
		}
	}
}

func TestErrors(t *testing.T) {
	const real = "../../internal/kernel/testdata/debian-6.12.117/"
	dir := t.TempDir()
	require.ErrorContains(t, run(filepath.Join(dir, "vmlinux"), dir, dir), "no such file")
	require.NoError(t, run(real+"vmlinux", dir, dir), "no modules")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ice.ko"), []byte("\x7fELF"), 0o600))
	require.ErrorContains(t, run(real+"vmlinux", dir, dir), "ice.ko")
}
