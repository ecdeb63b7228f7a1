package verifier

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/code"
)

// Every wide load of the examples' objects that is not a number or a function is
// one of a map of theirs, or of global data that lies inside its section.
func TestSubjectMaps(t *testing.T) {
	files, err := filepath.Glob("../bpf/examples/*.o")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	maps, data := 0, 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		s, err := ReadObject(raw)
		require.NoError(t, err, file)
		for _, f := range s.Unit.Funcs {
			for i := range f.Insns {
				in := &f.Insns[i]
				name, value := s.MapAt(f, i)
				if !in.OpCode.IsDWordLoad() || in.Ref.Kind != code.RefNone {
					require.Empty(t, name)
					continue
				}
				if name == "" {
					continue
				}
				require.Contains(t, s.Maps, name, "%s: %s: instruction %d", file, f.Name, i)
				if value {
					data++
					require.Less(t, in.Constant, int64(s.Maps[name].ValueSize))
				} else {
					maps++
				}
			}
		}
	}
	require.NotZero(t, maps)
	t.Logf("%d references to maps, %d to global data", maps, data)
}

// mixed.c has one map, in each byte order; a subject's machine finds it by the
// relocations alone.
func TestSubjectRuns(t *testing.T) {
	for _, target := range []string{"bpfel", "bpfeb"} {
		s, err := ReadObject(compile(t, target, "v3"))
		require.NoError(t, err)
		require.Contains(t, s.Maps, "counts")
		found := false
		for _, f := range s.Unit.Funcs {
			for i := range f.Insns {
				name, _ := s.MapAt(f, i)
				found = found || name == "counts"
			}
		}
		require.True(t, found, target)
	}
}
