package vm

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// wire is what all NICs of a machine are connected by. It matters: what QEMU puts
// in descriptors depends on it.
type wire struct {
	name string
	nics []nic
	// prefix is a command that QEMU is started with, if any, in a network of its own.
	prefix []string
	port   func(n int) string // QEMU's option for the n-th port
}

// nic is one that QEMU emulates.
type nic struct {
	driver string
	device string // QEMU's name, with options
	gives  hint   // what the program has to be told that it can have
	// What QEMU and the driver do, if it is to be seen in frames.
	hashes    bool // compute a hash: of TCP's ports, and else of addresses
	hashesUDP bool // also of UDP's ports
	checksums bool // verify checksums, and say so of right and wrong ones
	noSKBHash bool // the driver leaves the hash out of its skb
}

const (
	hashHints    = rxHash | rxHashType
	vlanHints    = vlanTCI | vlanProto
	vmxnet3Hints = hashHints | vlanHints | csumStatus | pktLen
	igbHints     = hashHints | vlanHints | csumStatus | pktLen
)

// The driver of igb has UDP hashed with ports only when told to (igb_setup_mrqc in
// igb_main.c, 6.12). To vmxnet3, QEMU never gives a hash, and checksum bits only
// where the frame's sender says that the checksum need not be verified
// (vmxnet3_rx_update_descr in hw/net/vmxnet3.c, 10.0).
var (
	igb     = nic{driver: "igb", device: "igb", gives: igbHints, hashes: true, checksums: true}
	vmxnet3 = nic{driver: "vmxnet3", device: "vmxnet3", gives: vmxnet3Hints}
)

// hub needs no privileges. Frames come over it without a header of offloads, and
// QEMU's virtio-net agrees on reporting hashes only where they have one.
var hub = wire{
	name: "hub",
	nics: []nic{{driver: "virtio_net", device: "virtio-net-pci", gives: hashHints}, vmxnet3, igb},
	port: func(n int) string { return fmt.Sprintf("hubport,hubid=0,id=n%d", n) },
}

// taps are interfaces of this machine, bridged, in a network namespace that ends
// with QEMU. Without the filters of the bridge: they drop frames with a wrong IP
// checksum.
var taps = wire{
	name: "taps",
	nics: []nic{
		// With XDP, virtio_net builds skbs without looking at the header again
		// (receive_small_xdp, receive_mergeable_xdp in virtio_net.c, 6.12).
		{driver: "virtio_net", device: "virtio-net-pci,rss=on,hash=on,mq=on", gives: hashHints,
			hashes: true, hashesUDP: true, noSKBHash: true},
		vmxnet3, igb,
	},
	prefix: []string{"sh", "-euc", `
		ip link add bridge0 type bridge
		ip link set bridge0 up
		for n in 0 1 2 3; do
			ip tuntap add dev tap$n mode tap vnet_hdr
			ip link set tap$n master bridge0 up
		done
		for filter in /proc/sys/net/bridge/bridge-nf-call-*; do
			[ ! -e $filter ] || echo 0 >$filter
		done
		exec "$@"`, "sh"},
	port: func(n int) string { return fmt.Sprintf("tap,id=n%d,ifname=tap%[1]d,script=no,downscript=no", n) },
}

// command is one that has the wire.
func (w wire) command(args ...string) *exec.Cmd {
	args = append(append([]string{}, w.prefix...), args...)
	cmd := exec.Command(args[0], args[1:]...)
	if w.prefix != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	}
	return cmd
}

// need skips the test where there can be no such wire.
func (w wire) need(t *testing.T) {
	t.Helper()
	if w.prefix == nil {
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("making taps needs root; what a hub shows of the same NICs is tested")
	}
	if out, err := w.command("true").CombinedOutput(); err != nil {
		t.Skipf("making taps and a bridge: %v: %s", err, strings.TrimSpace(string(out)))
	}
}
