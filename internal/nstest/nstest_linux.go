// Package nstest gives a test network interfaces and a BPF file system of its
// own.
package nstest

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/features"
	"github.com/stretchr/testify/require"
)

// The two ends of what Isolate puts into the namespace.
const (
	Device = "hj0"
	Peer   = "hj1"
)

// BPFFS is where tools look for the BPF file system.
const BPFFS = "/sys/fs/bpf"

// Isolate moves the rest of the test, and what it executes, into a network
// namespace with one pair of interfaces and a mount namespace with a BPF file
// system of its own. Both end with the thread, and that with the test: a
// goroutine that ends locked to its thread takes it along. So nothing is left
// behind, however the test ends. Where that can not be, the test is skipped.
func Isolate(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loading programs and making namespaces needs root")
	}
	if err := features.HaveProgramType(ebpf.XDP); err != nil {
		t.Skipf("the kernel loads no XDP programs: %v", err)
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("ip is not installed, it makes the interfaces")
	}
	runtime.LockOSThread()
	if err := syscall.Unshare(syscall.CLONE_NEWNET | syscall.CLONE_NEWNS); err != nil {
		t.Skipf("making namespaces: %v", err)
	}
	require.NoError(t, syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""))
	if err := syscall.Mount("bpf", BPFFS, "bpf", 0, ""); err != nil {
		t.Skipf("mounting a BPF file system: %v", err)
	}
	IP(t, "link", "add", Device, "type", "veth", "peer", "name", Peer)
	for _, name := range []string{Device, Peer} {
		IP(t, "link", "set", "dev", name, "addrgenmode", "none") // no packets but the test's
		IP(t, "link", "set", "dev", name, "up")
	}
}

// IP executes ip and returns what it printed.
func IP(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	require.NoError(t, err, "ip %v\n%s", args, out)
	return string(out)
}
