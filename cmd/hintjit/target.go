package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hintjit/hintjit/internal/netdev"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
)

// target is how a program is to be rewritten for an interface, as the user asked.
type target struct {
	layout     string
	descriptor string
	reach      string
	guard      string
}

func (t *target) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&t.reach, "reach", string(rewrite.Auto), "`HOW` to get at the descriptor: auto, walk, meta or kfunc")
	flags.StringVar(&t.guard, "guard", string(rewrite.GuardOn), guardUsage)
	flags.StringVar(&t.descriptor, "descriptor", "", "the descriptor's `NAME`; hintjit nics NIC lists them and tells the default")
	flags.StringVar(&t.layout, "layout", "", "take the NIC's layout from `FILE.yaml`")
}

func (t *target) check() error {
	if err := checkReach(rewrite.Reach(t.reach)); err != nil {
		return err
	}
	return checkGuard(rewrite.Guard(t.guard))
}

// options finds the layout for the interface's driver.
func (t *target) options(dev *netdev.Interface) (opts rewrite.Options, err error) {
	if t.layout == "" {
		if opts, err = rewrite.ForInterface(dev.Name); err != nil {
			return opts, err
		}
	} else {
		if err := dev.Suitable(); err != nil {
			return opts, err
		}
		layout, err := loadLayout(t.layout)
		if err != nil {
			return opts, err
		}
		drivers := dev.Drivers()
		if !slices.ContainsFunc(drivers, func(driver string) bool { return isFor(layout, driver) }) {
			return opts, usageError("a layout fits one driver's descriptors: name one for "+drivers[0],
				"--layout %s: is for %s, and the driver of %s is %s", t.layout, layout.NIC, dev.Name, strings.Join(drivers, " or "))
		}
		opts.Layout = layout
	}
	opts.Descriptor, opts.Reach, opts.Guard = t.descriptor, rewrite.Reach(t.reach), rewrite.Guard(t.guard)
	return opts, nil
}

// layoutOf is the one that a program was rewritten by.
func layoutOf(opts rewrite.Options) *layouts.Layout {
	if opts.Layout != nil {
		return opts.Layout
	}
	layout, _ := layouts.Shipped(opts.NIC) // it was there to be rewritten for
	return layout
}
