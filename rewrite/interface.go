package rewrite

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hintjit/hintjit/internal/netdev"
	"github.com/hintjit/hintjit/layouts"
)

// ForInterface returns the options to rewrite for the driver of a network
// interface, on the kernel that runs here. All else has its default; a driver whose
// devices have one of several descriptors (gve) has none, and the caller has to set
// Options.Descriptor. The error is an *UnsupportedError where a program attached to
// this interface would not see the descriptors of a NIC that there is a layout for;
// attach the result in native mode, there are none in generic mode.
func ForInterface(name string) (Options, error) {
	dev, err := netdev.ByName(name)
	var missing *netdev.NotFoundError
	if errors.As(err, &missing) {
		return Options{}, &UsageError{missing.Error()}
	}
	if err != nil {
		return Options{}, err
	}
	var unsuitable *netdev.UnsuitableError
	if err := dev.Suitable(); errors.As(err, &unsuitable) {
		return Options{}, &UnsupportedError{Insn: -1, Msg: unsuitable.Error(), Help: unsuitable.Help}
	}
	return forDriver(dev.Name, dev.Drivers())
}

// forDriver returns the options for an interface whose driver goes by these names.
func forDriver(name string, drivers []string) (Options, error) {
	var never *layouts.UnsupportedNICError
	for _, driver := range drivers {
		_, err := layouts.Shipped(driver)
		var unknown *layouts.UnknownNICError
		if errors.As(err, &unknown) || errors.As(err, &never) {
			continue
		}
		opts := Options{NIC: driver}
		if err == nil {
			opts.Kernel, err = RunningKernel()
		}
		return opts, err
	}
	if never != nil {
		return Options{}, &UnsupportedError{Insn: -1, Msg: fmt.Sprintf("interface %s: %v", name, never)}
	}
	return Options{}, &UnsupportedError{Insn: -1,
		Msg: fmt.Sprintf("interface %s: its driver is %s, and the layouts are for %s",
			name, strings.Join(drivers, " or "), strings.Join(layouts.Names(), ", ")),
		Help: "another driver needs a layout of its own, in Options.Layout or by --layout FILE.yaml"}
}
