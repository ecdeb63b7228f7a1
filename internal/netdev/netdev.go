// Package netdev knows network interfaces: which driver runs one, whether a
// program can be attached in that driver, which of its features are on, and what
// this process may do. It attaches programs and takes them off again. What a
// program does is not its business.
package netdev

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
)

// Interface is what the kernel says about a network interface.
type Interface struct {
	Name  string
	Index int
	MTU   int
	// Kind is the rtnetlink kind of an interface that software makes: "veth",
	// "bond"; "" for hardware.
	Kind string
	// Driver is what the driver calls itself to ethtool, BusDriver its name on the
	// device's bus; "" where there is none. They may differ: mlx4_en serves a device
	// of mlx4_core.
	Driver, BusDriver string
	// Lower names, for an interface on top of others (stacks), those: a bond's or
	// bridge's members, a VLAN's device. In another namespace they have no name.
	Lower []string
	XDP   XDPFeatures
	// Attached says what XDP program the interface has, nil for none.
	Attached *Attached
}

// Drivers are the names the interface's driver goes by, the most telling first.
func (i *Interface) Drivers() []string {
	var names []string
	if i.Driver != "" {
		names = append(names, i.Driver)
	}
	if i.BusDriver != "" && i.BusDriver != i.Driver {
		names = append(names, i.BusDriver)
	}
	return names
}

// XDPFeatures is what a driver does with XDP programs, enum netdev_xdp_act of
// linux/netdev.h. Kernels before 6.3 do not tell.
type XDPFeatures struct {
	Known bool
	Flags uint64
}

const (
	xdpBasic = 1 << 0 // NETDEV_XDP_ACT_BASIC: aborted, drop, pass, tx
	xdpRxSG  = 1 << 5 // NETDEV_XDP_ACT_RX_SG: frames in several buffers
)

// Native tells whether the driver runs programs itself, as far as the kernel
// says.
func (f XDPFeatures) Native() bool { return !f.Known || f.Flags&xdpBasic != 0 }

// Frags tells whether the driver gives programs frames in several buffers, as
// far as the kernel says.
func (f XDPFeatures) Frags() bool { return !f.Known || f.Flags&xdpRxSG != 0 }

// Attached is an XDP program on an interface.
type Attached struct {
	Mode    string // "native", "generic", "offloaded", "several"
	Program uint32 // id; 0 when there are several
}

// boundOnly is BPF_F_XDP_DEV_BOUND_ONLY of include/uapi/linux/bpf.h, since 6.3.
const boundOnly = 1 << 6

// Bind has the kernel keep a program on this interface and in its driver once it is
// loaded, as it does programs that call the metadata kfuncs.
func (i *Interface) Bind(p *ebpf.ProgramSpec) {
	p.Ifindex = uint32(i.Index)
	p.Flags |= boundOnly
}

// IsBound tells whether a program will be kept on one interface.
func IsBound(p *ebpf.ProgramSpec) bool { return p.Ifindex != 0 && p.Flags&boundOnly != 0 }

// UnsuitableError says why no program can run where an interface's packets have
// their receive descriptor, and what to do about it.
type UnsuitableError struct {
	Interface, Why, Help string
}

func (e *UnsuitableError) Error() string { return "interface " + e.Interface + ": " + e.Why }

// NotFoundError says that there is no interface of that name here.
type NotFoundError struct {
	Name  string
	Known []string
}

// maxKnown is how many interfaces a message names; a host of containers has
// hundreds.
const maxKnown = 16

func (e *NotFoundError) Error() string {
	known, more := e.Known, ""
	if n := len(known) - maxKnown; n > 0 {
		known, more = known[:maxKnown], fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("there is no interface %q here: there are %s%s", e.Name, strings.Join(known, ", "), more)
}

// A stack is a kind of interface whose packets come from elsewhere, with or
// without native XDP of its own.
type stack struct{ why, help string }

// stacks has them by rtnetlink kind (struct rtnl_link_ops.kind; the netlink
// library calls tun "tuntap").
var stacks = map[string]stack{
	// bond_xdp_set in drivers/net/bonding/bond_main.c (6.12) gives each member's
	// driver the program: one program, as many kinds of descriptor as drivers.
	"bond":    {"a bond installs the program in the driver of each of its members", "load it on each member, rewritten for its driver"},
	"team":    {"a team takes packets from its ports, which have the descriptors", "load it on each port"},
	"bridge":  {"a bridge takes packets from its ports, which have the descriptors", "load it on the ports"},
	"vlan":    {"a VLAN takes packets from the device below, which has the descriptor", "load it on the device below"},
	"macvlan": {"a macvlan takes packets from the device below, which has the descriptor", "load it on the device below"},
	"macvtap": {"a macvtap takes packets from the device below, which has the descriptor", "load it on the device below"},
	"ipvlan":  {"an ipvlan takes packets from the device below, which has the descriptor", "load it on the device below"},
	"vxlan":   {"a tunnel takes packets from another device, which has the descriptor", "load it on the device that receives the tunnel's packets"},
	"geneve":  {"a tunnel takes packets from another device, which has the descriptor", "load it on the device that receives the tunnel's packets"},
	"vrf":     {"a VRF takes packets from its members, which have the descriptors", "load it on the members"},
	"dummy":   {"a dummy interface receives nothing", "name an interface that packets arrive at"},
	// tun_get_user and tun_xdp_one in drivers/net/tun.c (6.12): packets come from a
	// write or from vhost, some in the generic way however the program is attached.
	"tuntap": {"a tun or tap interface gets packets from a process and has no receive descriptor", "name an interface of a NIC, or of a virtual machine"},
}

// vfStacks are drivers that hand the program on to another one, that of the
// virtual function they drive: netvsc_vf_setxdp in drivers/net/hyperv/netvsc_bpf.c
// (6.12).
var vfStacks = map[string]stack{
	"hv_netvsc": {"hv_netvsc installs the program in its virtual function's driver as well", "load it on the virtual function's interface (mlx5_core, mana), where the packets arrive"},
}

// Suitable returns nil when a program attached natively runs in the interface's
// own driver, and an *UnsuitableError otherwise.
func (i *Interface) Suitable() error {
	s, stacked := stacks[i.Kind]
	if !stacked {
		s, stacked = vfStacks[i.Driver]
	}
	switch {
	case stacked:
		if len(i.Lower) > 0 {
			s.help += ": " + strings.Join(i.Lower, ", ")
		}
		return &UnsuitableError{i.Name, s.why, s.help}
	case len(i.Drivers()) == 0:
		return &UnsuitableError{i.Name, "it has no driver, and so no receive descriptor", "name an interface of a NIC"}
	case !i.XDP.Native():
		return &UnsuitableError{i.Name,
			fmt.Sprintf("its driver %s runs no XDP programs (the kernel would, in generic mode, where there is no receive descriptor any more)", i.Drivers()[0]),
			"newer kernels have native XDP in more drivers"}
	}
	return nil
}

// Feature is a switch of an interface as it stands.
type Feature struct {
	Known bool // the kernel has a switch of this name
	On    bool
	Fixed bool // and nobody can change it
}

// kernelNames are the kernel's names (net/ethtool/common.c, netdev_features_strings)
// of those features that ethtool -K has had other names for since before.
var kernelNames = map[string]string{
	"rxhash":          "rx-hashing",
	"rx-vlan-offload": "rx-vlan-hw-parse",
	"ntuple":          "rx-ntuple-filter",
}

// Features are the switches of an interface, by the kernel's names.
type Features map[string]Feature

// Of returns the feature that ethtool -K calls name.
func (f Features) Of(name string) Feature {
	if kernel, other := kernelNames[name]; other {
		name = kernel
	}
	return f[name]
}

// PinError says why a link can not be pinned at a path, or taken off there.
type PinError struct{ Path, Why, Help string }

func (e *PinError) Error() string { return "pin " + e.Path + ": " + e.Why }
