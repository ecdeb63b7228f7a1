package netdev

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// initialUser is what the first user namespace is called: PROC_USER_INIT_INO in
// include/linux/proc_ns.h.
const initialUser = "user:[4026531837]"

// Self returns what the calling thread may do.
func Self() (Process, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // 32 bits each
	if err := unix.Capget(&header, &data[0]); err != nil {
		return Process{}, fmt.Errorf("capabilities of this process: %w", err)
	}
	user, err := os.Readlink("/proc/thread-self/ns/user")
	return Process{
		capabilities: uint64(data[1].Effective)<<32 | uint64(data[0].Effective),
		InitialUser:  err != nil || user == initialUser, // without /proc nobody knows, the kernel will tell
	}, nil
}

// KernelLockdown returns the kernel's lockdown mode.
func KernelLockdown() Lockdown {
	text, err := os.ReadFile("/sys/kernel/security/lockdown")
	if err != nil {
		return LockdownUnknown
	}
	return parseLockdown(string(text))
}
