package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"github.com/spf13/cobra"

	"github.com/hintjit/hintjit/internal/netdev"
	"github.com/hintjit/hintjit/internal/selftest"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
)

// selftestFlags is what the user asked of "hintjit selftest".
type selftestFlags struct {
	dev      string
	packets  int
	duration time.Duration
	target   target
}

func selftestCommand() *cobra.Command {
	var f selftestFlags
	cmd := &cobra.Command{
		Use:   "selftest --dev IFACE",
		Short: "hold the hints of packets that arrive against what else tells of them",
		Long: `Rewrite a bundled program for an interface's NIC and attach it there for a while.
All packets pass as they came. Of each it records the hints, the frame, what the
kernel's metadata kfuncs say, and the sk_buff that the driver makes of it. Every
hint is held against all of these that tell something of it.

So the facts in the NIC's layout are checked on this NIC, with its firmware and
settings, and on this kernel. What no packet showed is named, with what would
show it. The exit code is 0 when packets came and nothing differed.`,
		Example: `  hintjit selftest --dev eth0
  hintjit selftest --dev eth0 --packets 10000 --duration 1m
  hintjit selftest --dev eth0 --layout mine.yaml      a layout that is being written`,
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return f.run(ctx, cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.dev, "dev", "", "the interface, `IFACE`")
	flags.IntVar(&f.packets, "packets", 1000, "stop after `N` packets")
	flags.DurationVar(&f.duration, "duration", 10*time.Second, "stop after this `TIME`")
	f.target.add(cmd)
	return cmd
}

func (f *selftestFlags) check() error {
	switch {
	case f.dev == "":
		return usageError("ip link lists the interfaces", "--dev is missing")
	case f.packets < 1:
		return usageError("", "--packets %d: want at least 1", f.packets)
	case f.duration <= 0:
		return usageError("", "--duration %v: want some time", f.duration)
	}
	if f.target.guard == string(rewrite.GuardBound) {
		return usageError("on, off and strict are what a packet can be asked, and worth a test", "--guard bound: selftest keeps its program on the interface anyway")
	}
	return f.target.check()
}

func (f *selftestFlags) run(ctx context.Context, stdout io.Writer) error {
	if err := f.check(); err != nil {
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
	spec, report, err := selftestProgram(dev, opts)
	if err != nil {
		return err
	}
	features, err := dev.ReadFeatures()
	if err != nil {
		return err
	}
	probe, err := selftest.Attach(spec, dev)
	var unsuitable *netdev.UnsuitableError
	if errors.As(err, &unsuitable) {
		return unsuitable
	}
	if err != nil {
		return loadError("the bundled program", err, netdev.KernelLockdown())
	}
	packets, err := probe.Record(ctx, f.packets, f.duration)
	lost, errLost := probe.Lost()
	if err = errors.Join(err, errLost, probe.Close()); err != nil {
		return err
	}
	key, noKey := dev.RSSKey() // it may have been set only when a program was attached
	checksum := features.Of("rx-checksum")
	around := selftest.Surroundings{RSSKey: key, ChecksumOff: checksum.Known && !checksum.On}
	t := tested{dev, features, layoutOf(opts), report, selftest.Compare(packets, around)}
	t.tellPackets(stdout, lost)
	tellMissing(stdout, "the kernel's metadata kfuncs", probe.NoKfuncs)
	tellMissing(stdout, "the driver's sk_buff", probe.NoSKB)
	tellMissing(stdout, "the Toeplitz hash", noKey)
	if t.Packets > 0 {
		t.tell(stdout)
	}
	return t.verdict()
}

// selftestProgram is the bundled program, rewritten. Nothing stands in the way of it
// on this machine.
func selftestProgram(dev *netdev.Interface, opts rewrite.Options) (*ebpf.CollectionSpec, *rewrite.Report, error) {
	spec, err := selftest.Spec()
	if err != nil {
		return nil, nil, err
	}
	object := &loadObject{"the bundled program", selftest.Plain, spec}
	// Lockdown takes a helper from the programs that only look on, and they stay away.
	if err := checkRights(netdev.BPF, netdev.NetAdmin); err != nil {
		return nil, nil, err
	}
	if err := checkFree(dev); err != nil {
		return nil, nil, err
	}
	report, err := rewrite.Collection(spec, opts)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", object.file, err)
	}
	if err := checkReached(report.Reach, object); err != nil {
		return nil, nil, err
	}
	return spec, report, rlimit.RemoveMemlock() // kernels before 5.11 count maps as locked memory
}

// tested is what came of a selftest.
type tested struct {
	dev      *netdev.Interface
	features netdev.Features
	layout   *layouts.Layout
	report   *rewrite.Report
	*selftest.Result
}

func (t *tested) tellPackets(w io.Writer, lost uint64) {
	by := ""
	if len(t.report.Walks) > 0 {
		by = " by " + strings.Join(t.report.Walks, " or ")
	}
	fmt.Fprintf(w, "%s: %s, descriptor %s, reach %s%s\n", t.dev.Name, t.report.NIC, t.report.Descriptor, t.report.Reach, by)
	fmt.Fprintf(w, "%d packets, %d of them with the driver's sk_buff\n", t.Packets, t.Paired)
	if lost > 0 {
		fmt.Fprintf(w, "%d more came faster than they could be read\n", lost)
	}
}

// tellMissing tells what could not be asked, and why.
func tellMissing(w io.Writer, what string, why error) {
	if why != nil {
		writeWrapped(w, "not compared with "+what+": ", why.Error())
	}
}

func (t *tested) tell(w io.Writer) {
	t.tellTable(w)
	t.tellRest(w)
	tellNever(w, t.report.Never)
	t.tellDifferences(w)
}

// tellTable has a line for each comparison.
func (t *tested) tellTable(w io.Writer) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "HINT\tPACKETS\tCOMPARED WITH\tAGREED\tDIFFERED\tABSENT")
	for _, h := range t.Hints {
		name, seen := h.Name, fmt.Sprint(h.Seen)
		for _, c := range h.Comparisons {
			fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%d\n", name, seen, c.Reference, c.Agreed, c.Differed, c.Missed)
			name, seen = "", ""
		}
		if len(h.Comparisons) == 0 && h.Seen > 0 {
			fmt.Fprintf(table, "%s\t%s\tnothing tells of it here\t-\t-\t-\n", name, seen)
		}
	}
	_ = table.Flush() // as Fprint, to a terminal
}

// shownBy is what brings hints about, where no setting is missing.
var shownBy = map[string]string{
	"rx_hash":        "TCP and UDP packets",
	"rx_hash_type":   "TCP and UDP packets",
	"rx_timestamp":   "packets that the NIC stamps, after hwstamp_ctl -i DEV -r 1 (linuxptp)",
	"vlan_tci":       "frames with a VLAN tag, which the NIC takes out",
	"vlan_proto":     "frames with a VLAN tag, which the NIC takes out",
	"inner_vlan_tci": "frames with two VLAN tags",
	"csum_status":    "TCP and UDP packets whose checksums the NIC looks at",
	"csum":           "packets that the NIC adds up and has no verdict on",
	"flow_mark":      "packets that a steering rule marks",
	"rx_error":       "frames with errors that the driver hands on",
}

// tellRest names the hints that no packet had, and what would show them.
func (t *tested) tellRest(w io.Writer) {
	var unseen []string
	for _, h := range t.Hints {
		if h.Seen == 0 && slices.Contains(t.report.Gives, h.Name) {
			unseen = append(unseen, h.Name)
		}
	}
	given, settings := sortHints(t.layout, unseen, t.features)
	hints := map[string][]string{}
	for _, hint := range given {
		hints[shownBy[hint]] = append(hints[shownBy[hint]], hint)
	}
	for _, hint := range given {
		what := shownBy[hint]
		if hints[what][0] == hint {
			writeWrapped(w, "  not seen: ", strings.Join(hints[what], ", ")+": would come with "+
				strings.ReplaceAll(cmp.Or(what, "TCP and UDP packets over IPv4"), "DEV", t.dev.Name))
		}
	}
	for _, s := range settings {
		s.tell(w, t.dev.Name)
	}
}

func (t *tested) tellDifferences(w io.Writer) {
	for _, h := range t.Hints {
		for _, c := range h.Comparisons {
			for i, d := range c.First {
				if i == 0 {
					fmt.Fprintf(w, "\n%s differs from %s\n", h.Name, c.Reference)
					t.tellPlace(w, h.Name)
				}
				writeWrapped(w, "  ", fmt.Sprintf("%s, want %s, in a frame of %d bytes:", d.Have, d.Want, d.Length))
				for line := range slices.Chunk(d.Bytes[:min(len(d.Bytes), shownBytes)], 32) {
					fmt.Fprintf(w, "    %s\n", hex.EncodeToString(line))
				}
			}
		}
	}
}

// shownBytes is how much of a frame is shown: its headers.
const shownBytes = 128

// tellPlace says where the layout has a hint.
func (t *tested) tellPlace(w io.Writer, hint string) {
	d, err := t.layout.Descriptor(t.report.Descriptor)
	if err != nil || d.Hint(hint) == nil {
		return
	}
	for _, a := range d.Hint(hint).Alternatives {
		text := value(d, a)
		if len(a.When) > 0 {
			text += " when " + conditions(a.When)
		}
		writeWrapped(w, "  it is ", text)
	}
}

// verdict is an error unless packets came and nothing differed.
func (t *tested) verdict() error {
	var wrong []string
	for _, h := range t.Hints {
		if slices.ContainsFunc(h.Comparisons, func(c selftest.Comparison) bool { return c.Differed > 0 }) {
			wrong = append(wrong, h.Name)
		}
	}
	switch {
	case len(wrong) > 0:
		return &hintedError{fmt.Errorf("interface %s: hints differ from what else tells of the packets: %s", t.dev.Name, strings.Join(wrong, ", ")),
			"do not rely on these here; the layout, or what it takes for granted about this NIC, is wrong"}
	case t.Packets == 0:
		return &hintedError{fmt.Errorf("interface %s: no packet came", t.dev.Name),
			"send it some, from another machine: ping, iperf3, both over TCP and UDP; --duration waits longer"}
	case t.Compared() == 0:
		return &hintedError{fmt.Errorf("interface %s: of %d packets none had a hint that something else tells of", t.dev.Name, t.Packets),
			"see above what would show them"}
	}
	return nil
}
