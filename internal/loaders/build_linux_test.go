package loaders

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"github.com/stretchr/testify/require"
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
	run(t, command, "rewrite", source(t, object), "--nic", nic, "--reach", "meta", "--strict", "-o", out)
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

// The two ends of what isolate puts into the namespace.
const (
	device = "hj0"
	peer   = "hj1"
)

// bpffs is where tools look for the BPF file system.
const bpffs = "/sys/fs/bpf"

// isolate moves the rest of the test, and what it executes, into a network
// namespace with one pair of interfaces and a mount namespace with a BPF file
// system of its own. Both end with the thread, and that with the test: a
// goroutine that ends locked to its thread takes it along. So nothing is left
// behind, however the test ends.
func isolate(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loading programs and making namespaces needs root")
	}
	if err := features.HaveProgramType(ebpf.XDP); err != nil {
		t.Skipf("the kernel loads no XDP programs: %v", err)
	}
	needTool(t, "ip", "makes the interfaces")
	runtime.LockOSThread()
	if err := syscall.Unshare(syscall.CLONE_NEWNET | syscall.CLONE_NEWNS); err != nil {
		t.Skipf("making namespaces: %v", err)
	}
	require.NoError(t, syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
	if err := syscall.Mount("bpf", bpffs, "bpf", 0, ""); err != nil {
		t.Skipf("mounting a BPF file system: %v", err)
	}
	run(t, "ip", "link", "add", device, "type", "veth", "peer", "name", peer)
	for _, name := range []string{device, peer} {
		run(t, "ip", "link", "set", "dev", name, "addrgenmode", "none") // no packets but the test's
		run(t, "ip", "link", "set", "dev", name, "up")
	}
}
