package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hintjit/hintjit/internal/netdev"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
)

// loadFlags is what the user asked of "hintjit load".
type loadFlags struct {
	in      string
	dev     string
	program string
	pin     string // "": pinFolder and the interface's name
	detach  bool
	target  target
}

// pinFolder holds the links of interfaces, each under the interface's name.
const pinFolder = "/sys/fs/bpf/hintjit"

func loadCommand() *cobra.Command {
	var f loadFlags
	cmd := &cobra.Command{
		Use:   "load PROG.o --dev IFACE",
		Short: "rewrite a program for an interface's NIC and attach it there",
		Long: `Find out which driver runs an interface, rewrite a program of PROG.o for it and
for the kernel that runs, load it, and attach it in the driver (native mode).
What can stand in the way is looked for before anything is attached. Afterwards
it tells which hints this NIC gives, which it never gives, and which want a
setting that is off.

The command returns; the program stays. It is attached by a link that is pinned
in a BPF file system, at ` + pinFolder + `/IFACE unless --pin names
another place. --detach takes the program off and removes the pin. Maps that are
to be pinned by name are pinned in /sys/fs/bpf, where libbpf has them.`,
		Example: `  hintjit load prog.o --dev eth0
  hintjit load prog.o --dev eth0 --program count    of several programs, this
  hintjit load --detach --dev eth0                  takes it off again`,
		Args: f.arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.dev, "dev", "", "the interface, `IFACE`")
	flags.StringVar(&f.program, "program", "", "the program's `NAME` (default the only one)")
	flags.StringVar(&f.pin, "pin", "", "pin the link at `PATH` (default "+pinFolder+"/IFACE)")
	flags.BoolVar(&f.detach, "detach", false, "take off the program that a link pinned by load attaches")
	f.target.add(cmd)
	return cmd
}

// arguments takes PROG.o, which is wanted unless something is to be taken off.
func (f *loadFlags) arguments(cmd *cobra.Command, args []string) error {
	if !f.detach {
		if err := arguments("PROG.o")(cmd, args); err != nil {
			return err
		}
		f.in = args[0]
		return nil
	}
	if len(args) > 0 {
		return usageError("hintjit load --detach --dev IFACE", "load: --detach takes no object: %q", args[0])
	}
	return nil
}

func (f *loadFlags) run(stdout io.Writer) error {
	if f.dev == "" {
		return usageError("ip link lists the interfaces", "--dev is missing")
	}
	if f.detach {
		return f.takeOff(stdout)
	}
	if err := f.target.check(); err != nil {
		return err
	}
	object, err := readObject(f.in, f.program)
	if err != nil {
		return err
	}
	dev, err := netdev.ByName(f.dev)
	if err != nil {
		return err
	}
	opts, err := f.target.options(dev)
	if err != nil {
		return err
	}
	pin, err := f.pinPath(dev.Name)
	if err != nil {
		return err
	}
	if err := checkMachine(object); err != nil {
		return err
	}
	if err := netdev.CheckPin(pin); err != nil {
		return err
	}
	if err := checkFree(dev); err != nil {
		return err
	}
	if opts.Guard == rewrite.GuardBound {
		for _, p := range object.spec.Programs {
			dev.Bind(p)
		}
	}
	report, err := rewrite.Collection(object.spec, opts)
	if err != nil {
		return fmt.Errorf("%s: %w", f.in, err)
	}
	if err := checkReached(report.Reach, object); err != nil {
		return err
	}
	loaded, err := object.load(report)
	if err != nil {
		return err
	}
	defer loaded.Close() // the link holds the program, and that its maps
	if err := netdev.AttachNative(dev, loaded.Programs[object.program], pin); err != nil {
		return err
	}
	summarize(stdout, f.in, dev.Name, report)
	tellHints(stdout, dev, opts, report)
	tellMaps(stdout, loaded, object.program)
	fmt.Fprintf(stdout, "attached to %s in the driver, pinned at %s\n", dev.Name, pin)
	return nil
}

// pinPath is where the link of an interface is pinned.
func (f *loadFlags) pinPath(dev string) (string, error) {
	if f.pin != "" {
		return filepath.Abs(f.pin)
	}
	return filepath.Join(pinFolder, strings.ReplaceAll(dev, ".", "_")), nil // a BPF file system takes no dots
}

// takeOff detaches the link of an interface, which may be gone.
func (f *loadFlags) takeOff(stdout io.Writer) error {
	name, index := f.dev, 0
	dev, err := netdev.ByName(f.dev)
	var missing *netdev.NotFoundError
	switch {
	case err == nil:
		name, index = dev.Name, dev.Index
	case !errors.As(err, &missing):
		return err
	}
	pin, err := f.pinPath(name)
	if err != nil {
		return err
	}
	if err := netdev.Detach(pin, index); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "taken off %s, and no longer pinned at %s\n", name, pin)
	return nil
}

// tellHints tells which hints the interface's NIC gives as it is set up.
func tellHints(w io.Writer, dev *netdev.Interface, opts rewrite.Options, report *rewrite.Report) {
	layout := layoutOf(opts)
	features, err := dev.ReadFeatures()
	if err != nil {
		fmt.Fprintf(w, "warning: %v: whether settings are on is not known\n", err)
	}
	given, settings := sortHints(layout, report.Gives, features)
	fmt.Fprintf(w, "hints of %s\n", dev.Name)
	if report.Reach == rewrite.Meta {
		writeWrapped(w, "  note: ", "reach meta: the driver, or a program before this one, has to leave the descriptor in the metadata area; drivers of stock kernels do not, and without it every hint is absent")
	}
	if len(given) > 0 {
		writeWrapped(w, "  given: ", strings.Join(given, ", "))
	}
	for _, s := range settings {
		s.tell(w, dev.Name)
	}
	tellNever(w, report.Never)
}

// tellNever tells each reason once.
func tellNever(w io.Writer, never []rewrite.Absent) {
	hints := map[string][]string{}
	for _, absent := range never {
		hints[absent.Why] = append(hints[absent.Why], absent.Hint)
	}
	for _, absent := range never {
		if hints[absent.Why][0] == absent.Hint {
			writeWrapped(w, "  never: ", strings.Join(hints[absent.Why], ", ")+": "+absent.Why)
		}
	}
}

// setting is a switch that hints need, as it stands.
type setting struct {
	name  string
	hints []string
	netdev.Feature
}

// sortHints tells hints that are given now from those that want a setting, or
// that want a rule although the setting is on.
func sortHints(layout *layouts.Layout, hints []string, features netdev.Features) (given []string, settings []setting) {
	for _, name := range layouts.Settings {
		s := setting{name: name, Feature: features.Of(name)}
		for _, hint := range hints {
			if layout.Needs[hint] == name {
				s.hints = append(s.hints, hint)
			}
		}
		if len(s.hints) > 0 && (!s.On || rules[name] != "") {
			settings = append(settings, s)
		}
	}
	for _, hint := range hints {
		if !slices.ContainsFunc(settings, func(s setting) bool { return slices.Contains(s.hints, hint) }) {
			given = append(given, hint)
		}
	}
	return given, settings
}

// rules are examples of what some settings only make possible.
var rules = map[string]string{
	"ntuple":        "ethtool -N %s flow-type tcp4 dst-port 80 action 0 loc 7",
	"hw-tc-offload": "tc filter add dev %s ingress protocol ip flower skip_sw ip_proto tcp action skbedit mark 7",
}

func (s setting) tell(w io.Writer, dev string) {
	state := ""
	switch {
	case !s.Known:
		state = s.name + ", which this interface does not tell of: "
	case !s.On && s.Fixed:
		state = s.name + ", which this interface has off for good: "
	case !s.On:
		state = s.name + ", which is off: "
	case rules[s.name] != "":
		state = "a rule: "
	}
	writeWrapped(w, "  needs "+state, strings.Join(s.hints, ", "))
	if s.Known && !s.On && !s.Fixed {
		fmt.Fprintf(w, "    ethtool -K %s %s on\n", dev, s.name)
	}
	if rule := rules[s.name]; rule != "" && (s.On || !s.Fixed) {
		fmt.Fprintf(w, "    "+rule+"\n", dev)
	}
}
