package netdev

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/nstest"
)

// Real interfaces of the kinds that any kernel makes, one of a kind it may not.
func TestByName(t *testing.T) {
	nstest.Isolate(t)
	dev, err := ByName(nstest.Device)
	require.NoError(t, err)
	require.NoError(t, dev.Suitable())
	require.Equal(t, "veth", dev.Kind)
	require.Equal(t, []string{"veth"}, dev.Drivers())
	require.Equal(t, 1500, dev.MTU)
	require.Nil(t, dev.Attached)
	if dev.XDP.Known {
		require.True(t, dev.XDP.Native())
	}

	loopback, err := ByName("lo")
	require.NoError(t, err)
	require.Empty(t, loopback.Drivers())

	_, err = ByName("none0")
	require.EqualError(t, err, `there is no interface "none0" here: there are lo, hj1, hj0`)

	features, err := dev.ReadFeatures()
	require.NoError(t, err)
	require.Equal(t, Feature{Known: true, On: true}, features.Of("rx-vlan-offload"))
	require.Equal(t, Feature{Known: true, Fixed: true}, features.Of("ntuple"))
	require.Equal(t, Feature{}, features.Of("no-such-feature"))
}

// Devices of this machine, whatever they are: what sysfs has as their driver is
// found without saying on which bus.
func TestBusDriver(t *testing.T) {
	bound, err := filepath.Glob("/sys/bus/pci/devices/*/driver")
	require.NoError(t, err)
	if len(bound) == 0 {
		t.Skip("no PCI device of this machine has a driver")
	}
	for _, link := range bound {
		driver, err := os.Readlink(link)
		require.NoError(t, err)
		require.Equal(t, filepath.Base(driver), busDriver(filepath.Base(filepath.Dir(link))), link)
	}
	require.Empty(t, busDriver(""))
	require.Empty(t, busDriver("no-such-device"))
	require.Empty(t, busDriver("../devices/"+filepath.Base(filepath.Dir(bound[0]))))
}

func TestStacks(t *testing.T) {
	nstest.Isolate(t)
	for _, test := range []struct {
		kind  string
		add   []string
		lower []string
	}{
		{"bridge", []string{"link", "add", "x0", "type", "bridge"}, []string{nstest.Peer}},
		{"macvlan", []string{"link", "add", "x0", "link", nstest.Device, "type", "macvlan"}, []string{nstest.Device}},
		{"tuntap", []string{"tuntap", "add", "x0", "mode", "tap"}, nil},
	} {
		nstest.IP(t, test.add...)
		if test.kind == "bridge" {
			nstest.IP(t, "link", "set", "dev", nstest.Peer, "master", "x0")
		}
		dev, err := ByName("x0")
		require.NoError(t, err)
		require.Equal(t, test.kind, dev.Kind)
		require.Equal(t, test.lower, dev.Lower)
		require.Error(t, dev.Suitable())
		nstest.IP(t, "link", "del", "x0")
	}
}

func TestAttach(t *testing.T) {
	nstest.Isolate(t)
	dev, program := device(t), pass(t)
	pin := filepath.Join(nstest.BPFFS, "folder", "link")
	require.NoError(t, CheckPin(pin))
	require.NoError(t, AttachNative(dev, program, pin))
	require.Equal(t, "native", device(t).Attached.Mode)
	require.ErrorContains(t, CheckPin(pin), "pinned there already")

	// Another one does not get between, and the first stays.
	err := AttachNative(dev, program, pin+"2")
	require.EqualError(t, err, "interface hj0: its driver veth refuses the program: device or resource busy")
	require.NoFileExists(t, pin+"2")

	require.ErrorContains(t, Detach(pin, dev.Index+1), "of another interface")
	require.NoError(t, Detach(pin, dev.Index))
	require.Nil(t, device(t).Attached)
	require.NoFileExists(t, pin)
	require.ErrorContains(t, Detach(pin, dev.Index), "nothing is pinned there")
}

// A link whose interface is gone can still be removed, by nobody's index.
func TestDetachGone(t *testing.T) {
	nstest.Isolate(t)
	pin := filepath.Join(nstest.BPFFS, "link")
	require.NoError(t, AttachNative(device(t), pass(t), pin))
	nstest.IP(t, "link", "del", nstest.Device)
	require.NoError(t, Detach(pin, 0))
	require.NoFileExists(t, pin)
}

// What is attached for a while is gone when it is closed.
func TestAttachMeanwhile(t *testing.T) {
	nstest.Isolate(t)
	attached, err := AttachMeanwhile(device(t), pass(t))
	require.NoError(t, err)
	require.Equal(t, "native", device(t).Attached.Mode)
	require.NoError(t, attached.Close())
	require.Nil(t, device(t).Attached)
}

// veth hashes nothing, so it has no key; that a NIC's key is read is shown by
// internal/vm, where it gives the hashes that virtio_net reports.
func TestRSSKey(t *testing.T) {
	nstest.Isolate(t)
	key, err := device(t).RSSKey()
	require.NoError(t, err)
	require.Empty(t, key)
	_, err = (&Interface{Name: "none0"}).RSSKey()
	require.ErrorContains(t, err, "interface none0: its RSS key: no such device")
}

func TestRefused(t *testing.T) {
	nstest.Isolate(t)
	for _, name := range []string{nstest.Device, nstest.Peer} {
		nstest.IP(t, "link", "set", "dev", name, "mtu", "9000")
	}
	err := AttachNative(device(t), pass(t), filepath.Join(nstest.BPFFS, "link"))
	var unsuitable *UnsuitableError
	require.ErrorAs(t, err, &unsuitable)
	require.EqualError(t, err, "interface hj0: its driver veth refuses the program: numerical result out of range")
	require.Contains(t, unsuitable.Help, "the MTU, 9000")
	require.Nil(t, device(t).Attached)
}

// What can not be pinned does not stay attached.
func TestNotPinned(t *testing.T) {
	nstest.Isolate(t)
	elsewhere := filepath.Join(t.TempDir(), "link")
	require.ErrorContains(t, CheckPin(elsewhere), "is not in a BPF file system")
	require.ErrorContains(t, CheckPin(filepath.Join(nstest.BPFFS, "a.b")), "no names with dots")
	require.ErrorContains(t, AttachNative(device(t), pass(t), elsewhere), "pin "+elsewhere)
	require.Nil(t, device(t).Attached)
}

// Detach leaves alone what is no link of an XDP program.
func TestDetachOther(t *testing.T) {
	nstest.Isolate(t)
	pin := filepath.Join(nstest.BPFFS, "program")
	require.NoError(t, pass(t).Pin(pin))
	var wrong *PinError
	require.ErrorAs(t, Detach(pin, device(t).Index), &wrong)
	require.FileExists(t, pin)

	netns, err := os.Open("/proc/thread-self/ns/net")
	require.NoError(t, err)
	defer netns.Close()
	lookup, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.SkLookup, AttachType: ebpf.AttachSkLookup, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Return()},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, lookup.Close()) })
	l, err := link.AttachNetNs(int(netns.Fd()), lookup)
	require.NoError(t, err)
	defer l.Close()
	pin = filepath.Join(nstest.BPFFS, "other")
	require.NoError(t, l.Pin(pin))
	require.ErrorContains(t, Detach(pin, device(t).Index), "not one of an XDP program")
	require.FileExists(t, pin)
}

func TestSelf(t *testing.T) {
	nstest.Isolate(t)
	process, err := Self()
	require.NoError(t, err)
	require.Empty(t, process.Missing(BPF, PerfMon, NetAdmin))
}

func device(t *testing.T) *Interface {
	t.Helper()
	dev, err := ByName(nstest.Device)
	require.NoError(t, err)
	return dev
}

// pass is a program that lets everything pass.
func pass(t *testing.T) *ebpf.Program {
	t.Helper()
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 2), asm.Return()},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, program.Close()) })
	return program
}
