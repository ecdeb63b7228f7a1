package live

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A host is a network namespace. It goes with the last file that refers to it.
type host struct{ ns *os.File }

func newHost(t testing.TB) host {
	t.Helper()
	needKernel(t)
	needTool(t, "ip", "makes the interfaces")
	var h host
	here(t).do(t, func() {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Skipf("making a network namespace: %v", err)
		}
		h = here(t)
	})
	t.Cleanup(func() { require.NoError(t, h.ns.Close()) })
	return h
}

// here is where the thread is.
func here(t testing.TB) host {
	t.Helper()
	ns, err := os.Open("/proc/thread-self/ns/net")
	require.NoError(t, err)
	return host{ns}
}

// do runs f in the host's namespace. What f opens or starts stays there.
func (h host) do(t testing.TB, f func()) {
	t.Helper()
	runtime.LockOSThread()
	home := here(t)
	defer func() {
		err := unix.Setns(int(home.ns.Fd()), unix.CLONE_NEWNET)
		_ = home.ns.Close()
		if err == nil { // else the thread has to end, and does: it stays locked
			runtime.UnlockOSThread()
		}
		require.NoError(t, err)
	}()
	require.NoError(t, unix.Setns(int(h.ns.Fd()), unix.CLONE_NEWNET))
	f()
}

// macs are the addresses of a wire's ends: 0 sends, 1 receives.
var macs = [2]string{"02:00:00:00:00:01", "02:00:00:00:00:02"}

// setup is how a wire differs from the plainest one.
type setup struct {
	sameHost bool   // both ends are in one namespace; then only the sender has addresses
	within   *host  // the same, in that of a host with a wire already
	queues   int    // at each end, 0: 1
	mtu      int    // 0: 1500
	noTxCsum bool   // the sender's device computes no checksums
	vlan     bool   // addresses are on a VLAN device of the kernel's
	push     uint16 // not 0: the sender's tc puts on a tag of this EtherType, out of band
	pushTCI  uint16
	verified uint32 // how many checksums the sender's tc says are verified
}

// The VLAN of setup.vlan.
const (
	vlanID   = 77
	vlanPrio = 5 // what socket priority 6 is mapped to
)

// A wire is a pair of veth devices between two hosts. Everything that arrives
// passes tc, and what it sees there is noted.
type wire struct {
	setup
	tx, rx  host
	device  [2]string
	subnet  int
	arrived *ebpf.Map       // skbRecord by packet number
	sinks   map[string]bool // by network: somebody takes what arrives
}

func newWire(t testing.TB, s setup) *wire {
	t.Helper()
	w := &wire{setup: s, device: [2]string{"hjtx", "hjrx"}, subnet: 77, sinks: make(map[string]bool)}
	if s.within != nil {
		w.sameHost, w.tx, w.device, w.subnet = true, *s.within, [2]string{"hjtx2", "hjrx2"}, 78
	} else {
		w.tx = newHost(t)
	}
	w.rx = w.tx
	if !w.sameHost {
		w.rx = newHost(t)
	}
	queues := fmt.Sprint(max(s.queues, 1))
	w.rx.do(t, func() {
		args := []string{"link", "add", w.device[1], "numtxqueues", queues, "numrxqueues", queues, "type", "veth",
			"peer", "name", w.device[0], "numtxqueues", queues, "numrxqueues", queues}
		if !w.sameHost {
			args = append(args, "netns", fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), w.tx.ns.Fd()))
		}
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Skipf("this kernel makes no veth devices: %s", out)
		}
	})
	w.tx.do(t, func() { w.up(t, 0) })
	w.rx.do(t, func() { w.up(t, 1) })
	if s.noTxCsum {
		w.tx.do(t, func() { turnTxCsumOff(t, w.device[0]) })
	}

	push := [2]byte(binary.BigEndian.AppendUint16(nil, s.push))
	coll := loaded(t, object(t, "skb"), map[string]any{
		"push_proto": push, "push_tci": s.pushTCI, "verified": s.verified})
	w.arrived = coll.Maps["seen"]
	tcx(t, w.rx, w.device[1], coll.Programs["see"], ebpf.AttachTCXIngress)
	tcx(t, w.tx, w.device[0], coll.Programs["send"], ebpf.AttachTCXEgress)
	return w
}

// up gives an end its addresses. Neighbours are known from the start and no
// addresses are made up, so that there are few packets but the test's.
func (w *wire) up(t testing.TB, end int) {
	t.Helper()
	dev := w.device[end]
	commands := []string{
		"link set dev " + dev + " address " + macs[end] + " addrgenmode none",
		fmt.Sprintf("link set dev %s mtu %d up", dev, max(w.mtu, 1500)),
	}
	if w.vlan {
		commands = append(commands,
			fmt.Sprintf("link add link %s name %[1]s.v type vlan id %d egress-qos-map 6:%d", dev, vlanID, vlanPrio),
			"link set dev "+dev+".v addrgenmode none up")
		dev += ".v"
	}
	if !w.sameHost || end == 0 {
		for _, family := range []string{"4", "6"} {
			commands = append(commands,
				"addr add "+w.address(family, end)+map[string]string{"4": "/24", "6": "/64"}[family]+" dev "+dev+" nodad",
				"neigh add "+w.address(family, 1-end)+" lladdr "+macs[1-end]+" dev "+dev+" nud permanent")
		}
	}
	batch := exec.Command("ip", "-batch", "-") // in one process: some hundred ends are made
	batch.Stdin = strings.NewReader(strings.Join(commands, "\n"))
	out, err := batch.CombinedOutput()
	if err != nil && w.vlan && strings.Contains(string(out), "Unknown device type") {
		t.Skip("this kernel has no VLAN devices (CONFIG_VLAN_8021Q)")
	}
	require.NoError(t, err, "ip -batch -: %s\n%s", out, strings.Join(commands, "\n"))
}

// address is that of an end.
func (w *wire) address(family string, end int) string {
	if family == "4" {
		return fmt.Sprintf("10.%d.0.%d", w.subnet, end+1)
	}
	return fmt.Sprintf("fd%d::%d", w.subnet, end+1)
}

// turnTxCsumOff is what ethtool -K DEV tx-checksumming off does: ETHTOOL_STXCSUM of
// include/uapi/linux/ethtool.h, Linux 6.18.
func turnTxCsumOff(t testing.TB, dev string) {
	t.Helper()
	value := struct{ cmd, data uint32 }{cmd: unix.ETHTOOL_STXCSUM}
	var request struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}
	copy(request.name[:], dev)
	request.data = unsafe.Pointer(&value)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	require.Zero(t, errno, "turning %s's checksums off: %v", dev, errno)
}

// index is that of a device in the thread's namespace.
func index(t testing.TB, dev string) int {
	t.Helper()
	d, err := net.InterfaceByName(dev)
	require.NoError(t, err)
	return d.Index
}

func tcx(t testing.TB, h host, dev string, program *ebpf.Program, where ebpf.AttachType) {
	t.Helper()
	h.do(t, func() {
		l, err := link.AttachTCX(link.TCXOptions{Interface: index(t, dev), Program: program, Attach: where})
		if errors.Is(err, ebpf.ErrNotSupported) {
			t.Skip("this kernel attaches no program to tc by a link (6.6 and later do)")
		}
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, l.Close()) })
	})
}

// attach puts a program on a device. The link's Update replaces it between two
// packets.
func attach(t testing.TB, h host, dev string, program *ebpf.Program, mode link.XDPAttachFlags) link.Link {
	t.Helper()
	var l link.Link
	h.do(t, func() {
		var err error
		l, err = link.AttachXDP(link.XDPOptions{Program: program, Interface: index(t, dev), Flags: mode})
		require.NoError(t, err)
	})
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

// twin is the collection that asks the mainline kfuncs, bound to the receiver.
func (w *wire) twin(t testing.TB) *ebpf.Collection {
	t.Helper()
	spec := w.twinSpec(t)
	opts := ebpf.CollectionOptions{Cache: types}
	var coll *ebpf.Collection
	var err error
	w.rx.do(t, func() { coll, err = ebpf.NewCollectionWithOptions(spec, opts) }) // the device is looked up here
	require.NoError(t, err)
	t.Cleanup(coll.Close)
	return coll
}

func (w *wire) twinSpec(t testing.TB) *ebpf.CollectionSpec {
	t.Helper()
	kernel, err := types.Kernel()
	require.NoError(t, err)
	var last *btf.Func
	if kernel.TypeByName("bpf_xdp_metadata_rx_vlan_tag", &last) != nil {
		t.Skip("this kernel has not all three metadata kfuncs (6.8 and later do)")
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object(t, "kfunc")))
	require.NoError(t, err)
	w.bind(t, spec)
	return spec
}

// bind makes the programs of a collection the receiver's: the kernel runs them there
// and nowhere else.
func (w *wire) bind(t testing.TB, spec *ebpf.CollectionSpec) {
	t.Helper()
	w.rx.do(t, func() {
		for _, program := range spec.Programs {
			program.Ifindex = uint32(index(t, w.device[1]))
			program.Flags |= unix.BPF_F_XDP_DEV_BOUND_ONLY
		}
	})
}
