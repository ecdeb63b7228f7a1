package main

import (
	"encoding/binary"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/safchain/ethtool"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/bpf"
	"github.com/hintjit/hintjit/internal/netdev"
	"github.com/hintjit/hintjit/internal/nstest"
	"github.com/hintjit/hintjit/layouts"
)

// veth is a layout that the driver of the test's interfaces answers to.
const veth = `nic: veth
descriptors:
  - name: cd
    size: 8
    word: le32
    ready: [done]
    fields: {done: "w0[0]", kind: "w0[15:8]", hash: w1}
    hints:
      ptype: {from: kind}
      rx_hash: {from: hash}
      vlan_tci: {from: kind}
needs: {vlan_tci: rx-vlan-offload}
`

// isolated is a network of the test's own, and a folder with an object and the
// layout.
func isolated(t *testing.T) {
	t.Helper()
	nstest.Isolate(t)
	object, err := bpf.Example("ptype_count", binary.NativeEndian)
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("prog.o", object, 0o666))
	require.NoError(t, os.WriteFile("veth.yaml", []byte(veth), 0o666))
	require.NoError(t, os.WriteFile("other.yaml", []byte(strings.Replace(veth, "nic: veth", "nic: mynic", 1)), 0o666))
}

// command runs hintjit here, in the test's namespaces, and wants an exit code.
func command(t *testing.T, code int, args ...string) string {
	t.Helper()
	var out strings.Builder
	require.Equal(t, code, run(args, strings.NewReader(""), &out, &out), "hintjit %v\n%s", args, &out)
	return out.String()
}

func TestLoad(t *testing.T) {
	isolated(t)
	out := command(t, exitDone, "load", "prog.o", "--dev", "hj0", "--layout", "veth.yaml")
	require.Regexp(t, `^prog\.o -> hj0: veth, descriptor cd, reach meta\n`, out)
	require.Contains(t, out, "\n    reads ptype\nhints of hj0\n")
	require.Contains(t, out, "\n  given: ptype, rx_hash, vlan_tci\n")
	require.Contains(t, out, "\n  never: rx_hash_type, rx_timestamp, ")
	require.Regexp(t, `(?m)^map packets: id (\d+) \(bpftool map dump id (\d+)\)$`, out)
	require.Regexp(t, `attached to hj0 in the driver, pinned at /sys/fs/bpf/hintjit/hj0\n$`, out)
	dev, err := netdev.ByName("hj0")
	require.NoError(t, err)
	require.Equal(t, "native", dev.Attached.Mode)

	// It runs: what comes in is counted, with no hint as there is no descriptor.
	mapID, err := strconv.Atoi(regexp.MustCompile(`map packets: id (\d+)`).FindStringSubmatch(out)[1])
	require.NoError(t, err)
	send(t, 3)
	require.EqualValues(t, 3, counted(t, mapID))

	out = command(t, exitFails, "load", "prog.o", "--dev", "hj0", "--layout", "veth.yaml")
	require.Contains(t, out, "hintjit: pin /sys/fs/bpf/hintjit/hj0: something is pinned there already\nhint: take it off with --detach")
	out = command(t, exitFails, "load", "prog.o", "--dev", "hj0", "--layout", "veth.yaml", "--pin", "/sys/fs/bpf/mine")
	require.Contains(t, out, "hintjit: interface hj0: has an XDP program already (native mode, id ")

	out = command(t, exitDone, "load", "--detach", "--dev", "hj0")
	require.Equal(t, "taken off hj0, and no longer pinned at /sys/fs/bpf/hintjit/hj0\n", out)
	dev, err = netdev.ByName("hj0")
	require.NoError(t, err)
	require.Nil(t, dev.Attached)
	command(t, exitFails, "load", "--detach", "--dev", "hj0")
}

// send lets frames in at the interface hj0, from the other end of its wire.
func send(t *testing.T, frames int) {
	t.Helper()
	peer, err := net.InterfaceByName(nstest.Peer)
	require.NoError(t, err)
	fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer syscall.Close(fd)
	frame := make([]byte, 60)
	frame[0], frame[6], frame[12] = 2, 2, 0x88 // locally administered addresses
	for range frames {
		require.NoError(t, syscall.Sendto(fd, frame, 0, &syscall.SockaddrLinklayer{Ifindex: peer.Index}))
	}
}

// counted is how many packets of no type the map counts, on all CPUs. They pass the
// wire in a softirq, soon.
func counted(t *testing.T, mapID int) (sum uint64) {
	t.Helper()
	m, err := ebpf.NewMapFromID(ebpf.MapID(mapID))
	require.NoError(t, err)
	defer m.Close()
	for range 100 {
		var perCPU []uint64
		require.NoError(t, m.Lookup(uint32(0), &perCPU))
		sum = 0
		for _, n := range perCPU {
			sum += n
		}
		if sum >= 3 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return sum
}

// A setting that is off is told with the command that turns it on.
func TestLoadSetting(t *testing.T) {
	isolated(t)
	tool, err := ethtool.NewEthtool()
	require.NoError(t, err)
	defer tool.Close()
	require.NoError(t, tool.Change("hj0", map[string]bool{"rx-vlan-hw-parse": false}))
	out := command(t, exitDone, "load", "prog.o", "--dev", "hj0", "--layout", "veth.yaml")
	require.Contains(t, out, "  given: ptype, rx_hash\n  needs rx-vlan-offload, which is off: vlan_tci\n    ethtool -K hj0 rx-vlan-offload on\n")
}

// What stands in the way is said before anything is attached.
func TestLoadRefused(t *testing.T) {
	isolated(t)
	nstest.IP(t, "link", "add", "br0", "type", "bridge")
	for _, test := range []struct {
		code int
		args string
		want string
	}{
		{exitUsage, "--dev none0", `there is no interface "none0" here: there are lo, hj1, hj0, br0`},
		{exitFails, "--dev br0", "interface br0: a bridge takes packets from its ports, which have the descriptors\nhint: load it on the ports\n"},
		{exitFails, "--dev br0 --layout veth.yaml", "interface br0: a bridge"},
		{exitFails, "--dev lo", "interface lo: it has no driver"},
		{exitUsage, "--dev hj0 --layout other.yaml", "--layout other.yaml: is for mynic, and the driver of hj0 is veth"},
		{exitUsage, "--dev hj0 --layout veth.yaml --descriptor wide", `veth has no descriptor "wide"`},
		{exitFails, "--dev hj0 --layout veth.yaml --pin link", "is not in a BPF file system\nhint: mount -t bpf bpf /sys/fs/bpf\n"},
		{exitFails, "--dev hj0 --layout veth.yaml --pin /sys/fs/bpf/a.b", "takes no names with dots"},
		{exitFails, "--dev hj0 --layout veth.yaml --reach kfunc", "reach kfunc is not there yet for veth"},
	} {
		out := command(t, test.code, append([]string{"load", "prog.o"}, strings.Fields(test.args)...)...)
		require.Contains(t, out, test.want, test.args)
	}
	dev, err := netdev.ByName("hj0")
	require.NoError(t, err)
	require.Nil(t, dev.Attached)
	require.NoDirExists(t, "/sys/fs/bpf/hintjit")
}

// Where there is a layout for veth, none has to be named.
func TestLoadByDriver(t *testing.T) {
	isolated(t)
	if _, unknown := layouts.Shipped("veth"); unknown != nil {
		out := command(t, exitFails, "load", "prog.o", "--dev", "hj0")
		require.Contains(t, out, "hintjit: interface hj0: its driver is veth, and the layouts are for i40e, ")
		require.Contains(t, out, "--layout FILE.yaml")
		return
	}
	command(t, exitDone, "load", "prog.o", "--dev", "hj0")
}

// With guard bound the program is this interface's and runs in its driver only, or
// not at all.
func TestLoadBound(t *testing.T) {
	isolated(t)
	object, err := bpf.Example("l4lb", binary.NativeEndian)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile("lb.o", object, 0o666))
	for _, bound := range []bool{false, true} {
		args := []string{"load", "lb.o", "--dev", "hj0"}
		if bound {
			args = append(args, "--guard", "bound")
		}
		command(t, exitDone, args...)
		dev, err := netdev.ByName("hj0")
		require.NoError(t, err)
		program, err := ebpf.NewProgramFromID(ebpf.ProgramID(dev.Attached.Program))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, program.Close()) })
		_, err = program.Run(&ebpf.RunOptions{Data: make([]byte, 64)})
		if bound { // net/bpf/test_run.c bpf_prog_test_run_xdp
			require.ErrorIs(t, err, syscall.EINVAL)
		} else {
			require.NoError(t, err)
		}
		command(t, exitDone, "load", "--detach", "--dev", "hj0")
	}
}

// What the verifier says is shown, and nothing is attached.
func TestLoadVerifier(t *testing.T) {
	isolated(t)
	if _, err := exec.LookPath("clang-19"); err != nil {
		t.Skip("clang-19 is not installed, it compiles the program")
	}
	source, err := filepath.Abs("bad.c")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(source, []byte(`
#define SEC(x) __attribute__((section(x), used))
struct xdp_md { unsigned int data, data_end; };
SEC("xdp") int bad(struct xdp_md *ctx) { return *(unsigned char *)(long)ctx->data; }
char LICENSE[] SEC("license") = "GPL";
`), 0o666))
	out, err := exec.Command("clang-19", "-target", "bpf", "-O2", "-g", "-c", source, "-o", "bad.o").CombinedOutput()
	require.NoError(t, err, "%s", out)
	said := command(t, exitFails, "load", "bad.o", "--dev", "hj0", "--layout", "veth.yaml")
	require.Contains(t, said, "hintjit: bad.o: the kernel refuses program bad\n  bad.c:4: SEC(\"xdp\") int bad(struct xdp_md *ctx) {")
	require.Regexp(t, `\n  >       1: r0 = \*\(u8 \*\)\(r1 \+ 0x0\)\n`, said)
	require.Contains(t, said, "\n  kernel: invalid access to packet")
	require.Contains(t, said, "\n  to do: compare first: ")
	require.NoDirExists(t, "/sys/fs/bpf/hintjit")
}

// Every setting that a layout can name is one that the kernel has.
func TestSettings(t *testing.T) {
	nstest.Isolate(t)
	dev, err := netdev.ByName("hj0")
	require.NoError(t, err)
	features, err := dev.ReadFeatures()
	require.NoError(t, err)
	for _, name := range layouts.Settings {
		require.True(t, features.Of(name).Known, name)
	}
}
