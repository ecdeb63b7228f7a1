package netdev

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rxfh is struct ethtool_rxfh of include/uapi/linux/ethtool.h, before the table and
// the key.
type rxfh struct {
	command, context, indirSize, keySize uint32
	function, transform                  uint8
	_                                    [6]byte
}

const (
	rxfhSize = 24
	toeplitz = 1 << 0 // ETH_RSS_HASH_TOP
	// No table or key is larger than the driver says, and none says more than this.
	rxfhLimit = 1 << 16
)

// RSSKey is the key by which the NIC hashes packets, nil where it hashes by another
// function than Toeplitz, over other bytes than the packet's, or where the driver
// does not tell.
func (i *Interface) RSSKey() ([]byte, error) {
	head := make([]byte, rxfhSize)
	if err := i.readRXFH(head, 0, 0); err != nil {
		if errors.Is(err, unix.EOPNOTSUPP) {
			return nil, nil
		}
		return nil, fmt.Errorf("interface %s: its RSS key: %w", i.Name, err)
	}
	sizes := *(*rxfh)(unsafe.Pointer(&head[0]))
	if sizes.keySize == 0 || sizes.keySize > rxfhLimit || sizes.indirSize > rxfhLimit {
		return nil, nil
	}
	all := make([]byte, rxfhSize+4*sizes.indirSize+sizes.keySize)
	if err := i.readRXFH(all, sizes.indirSize, sizes.keySize); err != nil {
		return nil, fmt.Errorf("interface %s: its RSS key: %w", i.Name, err)
	}
	if told := *(*rxfh)(unsafe.Pointer(&all[0])); told.function != toeplitz || told.transform != 0 {
		return nil, nil
	}
	return all[rxfhSize+4*sizes.indirSize:], nil
}

// readRXFH asks ETHTOOL_GRSSH, which neither library has. Sizes of 0 ask for sizes.
func (i *Interface) readRXFH(into []byte, indirSize, keySize uint32) error {
	binary.NativeEndian.PutUint32(into, unix.ETHTOOL_GRSSH)
	binary.NativeEndian.PutUint32(into[8:], indirSize)
	binary.NativeEndian.PutUint32(into[12:], keySize)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // nothing to do about it
	request := struct {  // struct ifreq
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}{data: unsafe.Pointer(&into[0])}
	copy(request.name[:unix.IFNAMSIZ-1], i.Name)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	runtime.KeepAlive(into)
	if errno != 0 {
		return errno
	}
	return nil
}
