package rewrite_test

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/rewrite"
)

var update = flag.Bool("update", false, "compile testdata/golden anew and write what rewriting it gives")

// objectsFrom is the compiler that the objects in testdata/golden come from;
// another version gives other instructions.
const objectsFrom = "19.1.7"

// A golden is a small program and what is to become of it. It is a txtar file:
// why it is there, the flags, the source and the diff; the object that the
// source was compiled to lies beside it, so that the test needs no compiler.
type golden struct {
	path    string
	archive *txtar.Archive
	options rewrite.Options
	mcpu    string
	target  string
}

// Each way to lower a hint, for a reviewer to read. -update writes them anew.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "golden", "*.txtar"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			g := readGolden(t, file)
			if *update {
				require.NoError(t, os.WriteFile(g.objectPath(), g.compile(t), 0o644))
			}
			object, err := os.ReadFile(g.objectPath())
			require.NoError(t, err)
			_, report, err := rewrite.Object(object, g.options)
			require.NoError(t, err)
			var diff bytes.Buffer
			for _, p := range report.Programs {
				require.NoError(t, p.Diff(&diff))
			}
			if *update {
				*g.section(t, "diff") = diff.Bytes()
				require.NoError(t, os.WriteFile(file, txtar.Format(g.archive), 0o644))
			}
			require.Equal(t, string(*g.section(t, "diff")), diff.String(), "go test ./rewrite -run Golden -update writes it anew")
		})
	}
}

// The committed objects are what their sources are compiled to.
func TestGoldenObjects(t *testing.T) {
	version, err := exec.Command(clang, "-dumpversion").Output()
	if have := strings.TrimSpace(string(version)); err != nil || have != objectsFrom {
		t.Skipf("the objects come from clang %s, not %q (%v)", objectsFrom, have, err)
	}
	files, err := filepath.Glob(filepath.Join("testdata", "golden", "*.txtar"))
	require.NoError(t, err)
	for _, file := range files {
		g := readGolden(t, file)
		object, err := os.ReadFile(g.objectPath())
		require.NoError(t, err)
		require.True(t, bytes.Equal(object, g.compile(t)),
			"%s is not what its source gives: go test ./rewrite -run Golden -update", g.objectPath())
	}
}

func readGolden(t *testing.T, file string) *golden {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	require.NoError(t, err)
	g := &golden{path: file, archive: archive, options: rewrite.Options{Reach: rewrite.Meta}}
	flags := flag.NewFlagSet(file, flag.ContinueOnError)
	flags.StringVar(&g.options.NIC, "nic", "", "")
	flags.StringVar(&g.options.Descriptor, "descriptor", "", "")
	flags.StringVar((*string)(&g.options.Reach), "reach", string(rewrite.Meta), "")
	flags.StringVar((*string)(&g.options.Guard), "guard", "", "")
	flags.StringVar(&g.mcpu, "mcpu", "v3", "")
	flags.StringVar(&g.target, "target", "bpfel", "")
	require.NoError(t, flags.Parse(strings.Fields(string(*g.section(t, "flags")))))
	return g
}

func (g *golden) objectPath() string { return strings.TrimSuffix(g.path, ".txtar") + ".o" }

// section is a file of the archive.
func (g *golden) section(t *testing.T, name string) *[]byte {
	t.Helper()
	for i := range g.archive.Files {
		if g.archive.Files[i].Name == name {
			return &g.archive.Files[i].Data
		}
	}
	t.Fatalf("%s has no section %s", g.path, name)
	return nil
}

// compile returns the object without debug information that no loader reads, and
// without a trace of the folder it was compiled in.
func (g *golden) compile(t *testing.T) []byte {
	t.Helper()
	shapes, err := filepath.Abs(filepath.Join("testdata", "shapes"))
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "prog.c"), *g.section(t, "prog.c"), 0o600))
	cmd := exec.Command(clang, "-target", g.target, "-mcpu="+g.mcpu, "-O2", "-g", "-Wall", "-Werror", "-fno-ident", "-I"+shapes,
		"-ffile-prefix-map="+shapes+"/=", "-ffile-prefix-map="+dir+"=", "-c", "prog.c", "-o", "prog.o")
	cmd.Dir = dir
	object := filepath.Join(dir, "prog.o")
	_, err = output(cmd)
	require.NoError(t, err)
	_, err = output(exec.Command("llvm-strip-19", "-g", object))
	require.NoError(t, err)
	data, err := os.ReadFile(object)
	require.NoError(t, err)
	return data
}
