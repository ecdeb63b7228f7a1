package netdev

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/safchain/ethtool"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// ByName looks an interface up in the network namespace of the calling thread.
func ByName(name string) (*Interface, error) {
	link, err := netlink.LinkByName(name)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil, notFound(name)
	}
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", name, err)
	}
	attrs := link.Attrs()
	dev := &Interface{Name: attrs.Name, Index: attrs.Index, MTU: attrs.MTU, Attached: attached(attrs.Xdp)}
	if kind := link.Type(); kind != "device" { // the library's word for none
		dev.Kind = kind
	}
	if dev.Driver, dev.BusDriver, err = drivers(attrs.Name); err != nil {
		return nil, fmt.Errorf("interface %s: its driver: %w", name, err)
	}
	if _, stacked := stacks[dev.Kind]; stacked {
		if dev.Lower, err = lower(attrs); err != nil {
			return nil, fmt.Errorf("interface %s: what is below it: %w", name, err)
		}
	}
	if dev.XDP, err = xdpFeatures(attrs.Index); err != nil {
		return nil, fmt.Errorf("interface %s: its XDP features: %w", name, err)
	}
	return dev, nil
}

func notFound(name string) error {
	links, err := netlink.LinkList()
	if err != nil {
		return fmt.Errorf("interfaces: %w", err)
	}
	e := &NotFoundError{Name: name}
	for _, link := range links {
		e.Known = append(e.Known, link.Attrs().Name)
	}
	return e
}

func attached(xdp *netlink.LinkXdp) *Attached {
	if xdp == nil || !xdp.Attached {
		return nil
	}
	switch xdp.AttachMode {
	case nl.XDP_ATTACHED_DRV:
		return &Attached{"native", xdp.ProgId}
	case nl.XDP_ATTACHED_SKB:
		return &Attached{"generic", xdp.ProgId}
	case nl.XDP_ATTACHED_HW:
		return &Attached{"offloaded", xdp.ProgId}
	}
	return &Attached{"several", 0}
}

// drivers returns the name that ethtool -i shows, and the driver of the device
// that it says the interface is on; "" where there is none. Where a driver does not
// say its name, newer kernels take the bus driver's or the rtnetlink kind
// (ethtool_get_drvinfo in net/ethtool/ioctl.c, 6.12).
func drivers(name string) (driver, bus string, err error) {
	tool, err := ethtool.NewEthtool()
	if err != nil {
		return "", "", err
	}
	defer tool.Close()
	info, err := tool.DriverInfo(name)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	return info.Driver, busDriver(info.BusInfo), nil
}

// busDriver is the driver that a device of some bus is bound to, "" for none. The
// way by /sys/class/net is shorter and may lead astray: it shows interfaces of the
// namespace that sysfs was mounted in, and one of the same name and index there.
func busDriver(device string) string {
	if device == "" || device != filepath.Base(device) {
		return ""
	}
	buses, err := os.ReadDir("/sys/bus")
	if err != nil {
		return ""
	}
	for _, bus := range buses {
		driver, err := os.Readlink(filepath.Join("/sys/bus", bus.Name(), "devices", device, "driver"))
		if err == nil {
			return filepath.Base(driver)
		}
	}
	return ""
}

// lower names the members of an interface, or the one that it is made on.
func lower(attrs *netlink.LinkAttrs) ([]string, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, link := range links {
		other := link.Attrs()
		parent := other.Index == attrs.ParentIndex && attrs.NetNsID < 0 // not in another namespace
		if other.MasterIndex == attrs.Index || parent {
			names = append(names, other.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// NETDEV_CMD_DEV_GET and its attributes, linux/netdev.h.
const (
	netdevFamily      = "netdev"
	netdevCmdDevGet   = 1
	netdevAttrIfindex = 1
	netdevAttrXDP     = 3
)

// xdpFeatures asks the generic netlink family netdev, which there is since 6.3.
func xdpFeatures(index int) (XDPFeatures, error) {
	family, err := netlink.GenlFamilyGet(netdevFamily)
	if errors.Is(err, unix.ENOENT) {
		return XDPFeatures{}, nil
	}
	if err != nil {
		return XDPFeatures{}, err
	}
	request := nl.NewNetlinkRequest(int(family.ID), 0)
	// nl.Genlmsg has two of the header's four bytes and sends the two behind it along;
	// this family wants them to be 0 (genl_header_check in net/netlink/genetlink.c).
	request.AddRawData([]byte{netdevCmdDevGet, 1, 0, 0})
	request.AddRawData(nl.NewRtAttr(netdevAttrIfindex, nl.Uint32Attr(uint32(index))).Serialize())
	replies, err := request.Execute(unix.NETLINK_GENERIC, 0)
	if err != nil {
		return XDPFeatures{}, err
	}
	for _, reply := range replies {
		if len(reply) < nl.SizeofGenlmsg {
			continue
		}
		attrs, err := nl.ParseRouteAttr(reply[nl.SizeofGenlmsg:])
		if err != nil {
			return XDPFeatures{}, err
		}
		for _, a := range attrs {
			if a.Attr.Type == netdevAttrXDP && len(a.Value) == 8 {
				return XDPFeatures{true, binary.NativeEndian.Uint64(a.Value)}, nil
			}
		}
	}
	return XDPFeatures{}, nil
}

// ReadFeatures returns an interface's switches.
func (i *Interface) ReadFeatures() (Features, error) {
	tool, err := ethtool.NewEthtool()
	if err != nil {
		return nil, err
	}
	defer tool.Close()
	states, err := tool.FeaturesWithState(i.Name)
	if err != nil {
		return nil, fmt.Errorf("interface %s: its features: %w", i.Name, err)
	}
	features := make(Features, len(states))
	for name, s := range states {
		features[name] = Feature{Known: true, On: s.Active, Fixed: !s.Available || s.NeverChanged}
	}
	return features, nil
}
