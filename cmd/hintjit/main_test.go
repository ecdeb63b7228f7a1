package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/paragraph"
)

var update = flag.Bool("update", false, "write the expected output in testdata/*.txtar and docs/command.md anew")

// programs are what this test binary is under other names.
var programs = map[string]func(){"hintjit": main}

func TestMain(m *testing.M) {
	testscript.Main(m, programs)
}

// TestScripts runs testdata/*.txtar, see testscript for the language. They know
// more commands, each described below, and the condition bpf: programs can be
// loaded here.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata",
		UpdateScripts: *update,
		Setup: func(env *testscript.Env) error {
			root, err := filepath.Abs("../..")
			env.Setenv("ROOT", root)
			return err
		},
		Condition: func(cond string) (bool, error) {
			if cond != "bpf" {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			return features.HaveProgramType(ebpf.XDP) == nil, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"compile": compile,
			"head":    head,
			"only":    only,
		},
	})
}

// exits runs a program and wants the exit code that comes first.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	have := 0
	err = ts.Exec(args[1], args[2:]...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		have = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if have != want {
		ts.Fatalf("exit code %d, want %d", have, want)
	}
}

// compile makes FILE.o of each FILE.c, as bpf/examples are compiled. Arguments
// that begin with '-' go to the compiler.
func compile(ts *testscript.TestScript, _ bool, args []string) {
	bpf := filepath.Join(ts.Getenv("ROOT"), "bpf")
	flags := []string{"-target", "bpf", "-O2", "-g", "-Wall", "-mcpu=v3", "-I", bpf, "-I", filepath.Join(bpf, "include")}
	for _, arg := range args {
		if strings.HasPrefix(arg, "-") {
			flags = append(flags, arg)
			continue
		}
		out := strings.TrimSuffix(arg, ".c") + ".o"
		ts.Check(ts.Exec("clang-19", append(flags, "-c", arg, "-o", out)...))
	}
}

// head copies the first N bytes of a file: head N FROM TO.
func head(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	data := ts.ReadFile(args[1])
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(data[:n]), 0o666))
}

// only wants a directory to hold these files and no others.
func only(ts *testscript.TestScript, _ bool, args []string) {
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	var have []string
	for _, e := range entries {
		have = append(have, e.Name())
	}
	if got, want := strings.Join(have, " "), strings.Join(args[1:], " "); got != want {
		ts.Fatalf("%s holds %q, want %q", args[0], got, want)
	}
}

// TestTerminal gives an object no terminal to go to.
func TestTerminal(t *testing.T) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal to be had: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, terminal.Close()) })
	var stderr strings.Builder
	code := run([]string{"rewrite", "none.o", "--nic", "i40e", "-o", "-"}, strings.NewReader(""), terminal, &stderr)
	require.Equal(t, exitUsage, code)
	require.Equal(t, "hintjit: an object is not written to a terminal\nhint: did you mean to redirect it, or -o OUT.o?\n", stderr.String())
}

// TestWidth wants every line that is not a name too long for it to end within
// the width.
func TestWidth(t *testing.T) {
	for _, args := range [][]string{
		{"nics"}, {"nics", "i40e"}, {"nics", "i40e", "--descriptor", "wb32"}, {"nics", "ice"}, {"nics", "mlx5"},
		{"nics", "ixgbe", "--draw"}, {"layout", "check", "../../layouts/ixgbe.yaml"}, {"layout", "check", "--help"},
		{"--help"}, {"rewrite", "--help"}, {"load", "--help"}, {"nics", "--help"}, {"demo", "--help"}, {"version", "--help"},
	} {
		var stdout, stderr strings.Builder
		require.Equal(t, exitDone, run(args, strings.NewReader(""), &stdout, &stderr), stderr.String())
		for line := range strings.Lines(stdout.String()) {
			require.LessOrEqual(t, len(strings.TrimSpace(line)), paragraph.Width, "hintjit %s: %s", strings.Join(args, " "), line)
		}
	}
}
