package main

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// noGRO is ethtool -K NAME gro off.
func noGRO(fd int, name string) error {
	value := struct{ command, data uint32 }{unix.ETHTOOL_SGRO, 0} // struct ethtool_value
	request := struct {                                           // struct ifreq
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte
	}{data: unsafe.Pointer(&value)}
	copy(request.name[:unix.IFNAMSIZ-1], name)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	runtime.KeepAlive(&value)
	if errno != 0 {
		return errno
	}
	return nil
}
