//go:build !linux

package netdev

import (
	"errors"
	"io"

	"github.com/cilium/ebpf"
)

var errLinux = errors.New("interfaces and programs are Linux's: run this on the machine that has them")

// Everywhere else there are objects to rewrite, and nothing to attach them to.

func ByName(string) (*Interface, error)                    { return nil, errLinux }
func (i *Interface) ReadFeatures() (Features, error)       { return nil, errLinux }
func Self() (Process, error)                               { return Process{}, errLinux }
func KernelLockdown() Lockdown                             { return LockdownUnknown }
func CheckPin(string) error                                { return errLinux }
func AttachNative(*Interface, *ebpf.Program, string) error { return errLinux }
func Detach(string, int) error                             { return errLinux }
func (i *Interface) RSSKey() ([]byte, error)               { return nil, errLinux }

func AttachMeanwhile(*Interface, *ebpf.Program) (io.Closer, error) { return nil, errLinux }
