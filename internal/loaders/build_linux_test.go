package loaders

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/nstest"
)

// work is a folder that all tests share, for what is built once.
var work string

func TestMain(m *testing.M) {
	var err error
	if work, err = os.MkdirTemp("", "hintjit-loaders-"); err != nil {
		fmt.Fprintln(os.Stderr, "loaders:", err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(work); err != nil {
		fmt.Fprintln(os.Stderr, "loaders:", err)
		code = 1
	}
	os.Exit(code)
}

var nics = []string{"i40e", "ice", "mlx5"}

// objects are what is loaded: the examples as they are committed, and many.c.
var objects = []string{"ptype_count", "l4lb", "af_xdp_meta", "vlan_ts_log", "many"}

// hintjit is the command's path.
var hintjit = sync.OnceValues(func() (string, error) {
	path := filepath.Join(work, "hintjit")
	return path, execute("go", "build", "-o", path, "../../cmd/hintjit")
})

var many = sync.OnceValues(func() (string, error) {
	path := filepath.Join(work, "many.o")
	return path, execute("clang-19", "-target", "bpfel", "-mcpu=v3", "-O2", "-g", "-Wall", "-Werror",
		"-nostdlibinc", "-isystem", "../../bpf/include", "-c", "testdata/many.c", "-o", path)
})

func execute(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// source is the path of an object as it was compiled.
func source(t *testing.T, object string) string {
	t.Helper()
	if object != "many" {
		return filepath.Join("../../bpf/examples", object+".el.o")
	}
	needTool(t, "clang-19", "compiles the object of many programs")
	path, err := many()
	require.NoError(t, err)
	return path
}

// rewritten is the path of an object as the command writes it for a NIC.
func rewritten(t *testing.T, object, nic string) string {
	t.Helper()
	command, err := hintjit()
	require.NoError(t, err)
	out := filepath.Join(t.TempDir(), object+"."+nic+".o")
	reach := "meta"
	if nic == "veth" {
		reach = "walk"
	}
	run(t, command, "rewrite", source(t, object), "--nic", nic, "--reach", reach, "--strict", "-o", out)
	return out
}

func needTool(t *testing.T, name, use string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed, it %s", name, use)
	}
}

// run executes a tool and returns what it printed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %s\n%s", name, strings.Join(args, " "), out)
	return string(out)
}

// fails executes a tool that must not succeed and returns what it printed.
func fails(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%s %s\n%s", name, strings.Join(args, " "), out)
	return string(out)
}

// What Isolate makes.
const (
	device = nstest.Device
	peer   = nstest.Peer
	bpffs  = nstest.BPFFS
)

// isolate gives the rest of the test a network and a BPF file system of its own.
func isolate(t *testing.T) {
	t.Helper()
	nstest.Isolate(t)
}
