package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every fault has its place in the sources as they are now: one that had not would
// be planted nowhere, and the table would rot.
func TestFaultsHaveTheirPlaces(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	faults, err := readFaults("scripts/mutate/faults.yaml", "")
	require.NoError(t, err)
	require.Greater(t, len(faults), 60)
	names := map[string]bool{}
	for _, f := range faults {
		require.False(t, names[f.Name], "fault %q is there twice", f.Name)
		names[f.Name] = true
		require.NotEqual(t, f.Old, f.New, "fault %q is none", f.Name)
		require.NotEmpty(t, f.Class, "fault %q", f.Name)
	}
}

// A fault is planted in its place and nowhere else.
func TestPlant(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	faults, err := readFaults("scripts/mutate/faults.yaml", "byte order")
	require.NoError(t, err)
	dir := t.TempDir()
	for _, f := range faults {
		_, err := plant(dir, f)
		require.NoError(t, err)
		was, err := os.ReadFile(f.File)
		require.NoError(t, err)
		is, err := os.ReadFile(filepath.Join(dir, filepath.Base(f.File)))
		require.NoError(t, err)
		require.Equal(t, string(was[:f.at])+f.New+string(was[f.at+len(f.Old):]), string(is))
	}
}

// What can be changed by chance is something else afterwards.
func TestRandomFaults(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	faults, err := randomFaults(1, 200)
	require.NoError(t, err)
	require.Len(t, faults, 200)
	for _, f := range faults {
		source, err := os.ReadFile(f.File)
		require.NoError(t, err)
		require.Equal(t, f.Old, string(source[f.at:f.at+len(f.Old)]), "%s", f.Name)
		require.NotEqual(t, f.Old, f.New, "%s", f.Name)
	}
}
