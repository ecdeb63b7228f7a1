package object_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/object"
)

// target is a machine and a CPU level to compile for.
type target struct{ machine, cpu string }

func (t target) String() string { return t.machine + "-" + t.cpu }

var targets = []target{
	{"bpfel", "v1"}, {"bpfel", "v2"}, {"bpfel", "v3"}, {"bpfel", "v4"},
	{"bpfeb", "v1"}, {"bpfeb", "v3"}, {"bpfeb", "v4"},
}

// host is what the kernel tests run: this machine is taken to be little endian.
var host = target{"bpfel", "v3"}

func needTool(t testing.TB, name, use string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed, it %s", name, use)
	}
	return path
}

// compiled are the objects that were asked for before.
var compiled = make(map[string][]byte)

func compile(t testing.TB, source string, to target, flags ...string) []byte {
	t.Helper()
	key := fmt.Sprint(source, to, flags)
	if raw, ok := compiled[key]; ok {
		return bytes.Clone(raw)
	}
	clang := needTool(t, "clang-19", "compiles the test programs")
	out := filepath.Join(t.TempDir(), "out.o")
	args := append([]string{
		"-O2", "-g", "-Wall", "-Werror", "-nostdlibinc", "-isystem", "../../bpf/include",
		"-target", to.machine, "-mcpu=" + to.cpu, "-c", source, "-o", out,
	}, flags...)
	text, err := exec.Command(clang, args...).CombinedOutput()
	require.NoError(t, err, "%s", text)
	raw, err := os.ReadFile(out)
	require.NoError(t, err)
	compiled[key] = raw
	return bytes.Clone(raw)
}

func parse(t testing.TB, raw []byte) (*object.File, *code.Unit) {
	t.Helper()
	f, err := object.Parse(raw)
	require.NoError(t, err)
	return f, f.Unit()
}

func encode(t testing.TB, f *object.File, u *code.Unit) []byte {
	t.Helper()
	out, err := f.Encode(u)
	require.NoError(t, err)
	return out
}

func function(t testing.TB, u *code.Unit, name string) *code.Func {
	t.Helper()
	for _, f := range u.Funcs {
		if f.Name == name {
			return f
		}
	}
	require.Fail(t, "no function "+name)
	return nil
}

// padOut inserts an instruction that does nothing before every n-th.
func padOut(u *code.Unit, n int) {
	for _, f := range u.Funcs {
		e := code.NewEdit(f)
		for i := 0; i < len(f.Insns); i += n {
			e.Insert(i, code.Goto(code.Here(1)))
		}
		e.Apply()
	}
}

// run executes a tool and returns what it printed.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Run(), "%s %s\n%s", name, strings.Join(args, " "), &out)
	return out.String()
}

func save(t testing.TB, raw []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "prog.o")
	require.NoError(t, os.WriteFile(path, raw, 0o644))
	return path
}
