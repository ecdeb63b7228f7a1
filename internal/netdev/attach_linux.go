package netdev

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// CheckPin finds out whether a link can be pinned at an absolute path, before
// there is one.
func CheckPin(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return &PinError{path, "something is pinned there already", "take it off with --detach, or pin elsewhere"}
	}
	dir := filepath.Dir(path)
	for {
		var stat unix.Statfs_t
		err := unix.Statfs(dir, &stat)
		if errors.Is(err, unix.ENOENT) && dir != "/" {
			dir = filepath.Dir(dir)
			continue
		}
		if err != nil {
			return &PinError{path, err.Error(), "pin elsewhere"}
		}
		if stat.Type != unix.BPF_FS_MAGIC {
			return &PinError{path, dir + " is not in a BPF file system", "mount -t bpf bpf /sys/fs/bpf"}
		}
		if strings.Contains(path[len(dir):], ".") { // kept for later: bpf_lookup in kernel/bpf/inode.c
			return &PinError{path, "a BPF file system takes no names with dots", "give it a name without"}
		}
		return nil
	}
}

// AttachNative attaches a program in the interface's driver and pins the link,
// which then holds until Detach. Nothing stays attached when it fails.
func AttachNative(dev *Interface, program *ebpf.Program, pin string) error {
	l, err := attach(dev, program)
	if err != nil {
		return err
	}
	if err = os.MkdirAll(filepath.Dir(pin), 0o700); err == nil {
		err = l.Pin(pin)
	}
	if err != nil {
		err = &PinError{pin, withoutPath(err).Error(), "the program was taken off again; pin elsewhere"}
	}
	return errors.Join(err, l.Close()) // of an unpinned link, this detaches
}

// AttachMeanwhile attaches a program in the interface's driver until what it returns
// is closed, or the process ends.
func AttachMeanwhile(dev *Interface, program *ebpf.Program) (io.Closer, error) {
	return attach(dev, program)
}

func attach(dev *Interface, program *ebpf.Program) (link.Link, error) {
	l, err := link.AttachXDP(link.XDPOptions{Program: program, Interface: dev.Index, Flags: link.XDPDriverMode})
	if err != nil {
		return nil, refusal(dev, err)
	}
	return l, nil
}

// withoutPath leaves out what the message names anyway.
func withoutPath(err error) error {
	var where *fs.PathError
	if errors.As(err, &where) {
		return where.Err
	}
	return err
}

// refusal explains why a driver did not take a program. What the driver itself
// says goes into a netlink reply, which a link does not have, so that the usual
// causes have to do.
func refusal(dev *Interface, err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		err = errno
	}
	e := &UnsuitableError{Interface: dev.Name, Why: fmt.Sprintf("its driver %s refuses the program: %v", dev.Driver, err)}
	switch errno {
	case syscall.EOPNOTSUPP, syscall.EINVAL, syscall.ERANGE, syscall.ENOSPC, syscall.ENOMEM:
		mtu := fmt.Sprintf("the MTU, %d", dev.MTU)
		if dev.XDP.Frags() {
			mtu += " (a program in section xdp.frags may take more)"
		}
		e.Help = fmt.Sprintf("usual causes are %s, LRO (ethtool -K %s lro off) and too many or too few queues; the kernel's log may say which", mtu, dev.Name)
	case syscall.EBUSY, syscall.EEXIST:
		e.Help = fmt.Sprintf("another XDP program may have been attached meanwhile: bpftool net show dev %s", dev.Name)
	}
	return e
}

// Detach takes the program off that a link pinned at path attaches, and removes
// the pin. The link has to be of the interface with that index, or of one that is
// gone.
func Detach(path string, index int) error {
	if _, err := os.Lstat(path); err != nil {
		return &PinError{path, "nothing is pinned there", "bpftool link show -f lists links and where they are pinned"}
	}
	l, err := link.LoadPinnedLink(path, nil)
	if err != nil {
		return &PinError{path, fmt.Sprintf("no link that can be opened: %v", withoutPath(err)), "bpftool link show -f lists links and where they are pinned"}
	}
	err = detach(l, path, index)
	return errors.Join(err, l.Close())
}

func detach(l link.Link, path string, index int) error {
	info, err := l.Info()
	if err != nil {
		return fmt.Errorf("pin %s: %w", path, err)
	}
	xdp := info.XDP()
	if xdp == nil {
		return &PinError{path, "the link there is not one of an XDP program", "bpftool link show -f lists links and where they are pinned"}
	}
	if on := int(xdp.Ifindex); on != 0 && on != index { // 0: the interface is gone
		return &PinError{path, fmt.Sprintf("the link there is of another interface, with index %d", on), "name that with --dev"}
	}
	if err := l.Detach(); err != nil { // also where somebody else holds the link
		return fmt.Errorf("pin %s: detaching: %w", path, err)
	}
	return l.Unpin()
}
