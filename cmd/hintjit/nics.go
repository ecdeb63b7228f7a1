package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hintjit/hintjit/layouts"
)

func nicsCommand() *cobra.Command {
	var descriptor string
	cmd := &cobra.Command{
		Use:   "nics [NIC]",
		Short: "list the supported NICs, or show where one keeps each hint",
		Long: `Without an argument, list the supported NICs. With one, show every hint that the
NIC gives: its type, where in the descriptor it is, when it is valid, and the
source that says so. Bits are written as in datasheets: w1[37:30] is bits 37 to
30 of word 1, both counted from 0.`,
		Example: `  hintjit nics
  hintjit nics i40e
  hintjit nics i40e --descriptor wb32`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError("hintjit nics [NIC]", "nics: one argument too many: %q", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return showNIC(cmd.OutOrStdout(), args[0], descriptor)
			}
			if descriptor != "" {
				return usageError("hintjit nics NIC --descriptor "+descriptor, "--descriptor %s: of which NIC?", descriptor)
			}
			return listNICs(cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&descriptor, "descriptor", "", "show only the descriptor of this `NAME`")
	return cmd
}

func listNICs(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NIC\tALIASES\tDESCRIPTORS\tHINTS\tHARDWARE")
	for _, name := range layouts.Names() {
		layout, err := layouts.Shipped(name)
		if err != nil {
			return err
		}
		var descriptors []string
		hints := map[string]bool{}
		for _, d := range layout.Descriptors {
			descriptors = append(descriptors, d.Name)
			for _, h := range d.Hints {
				hints[h.Name] = true
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", layout.NIC, orDash(strings.Join(layout.Aliases, " ")),
			strings.Join(descriptors, " "), len(hints), layout.Doc)
	}
	return table.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func showNIC(w io.Writer, nic, descriptor string) error {
	layout, err := layouts.Shipped(nic)
	if err != nil {
		return err
	}
	shown, err := layout.Descriptor(descriptor)
	if err != nil {
		return usageError("", "%w", err)
	}
	writeWrapped(w, layout.NIC+": ", layout.Doc)
	for i, d := range layout.Descriptors {
		prefix := "  descriptor " + d.Name
		if i == 0 {
			prefix += ", the default"
		}
		if d != shown {
			prefix += fmt.Sprintf(" (shown by --descriptor %s)", d.Name)
		}
		writeWrapped(w, prefix+": ", d.Doc)
	}
	fmt.Fprintln(w)
	showDescriptor(w, layout, shown)
	showNever(w, layout, shown)
	showWalks(w, layout.WalksTo(shown))
	return nil
}

// showWalks tells by which ways the descriptor is found, and on which kernels.
func showWalks(w io.Writer, walks []*layouts.Walk) {
	if len(walks) == 0 {
		return
	}
	fmt.Fprintln(w, "\n  ways to it on stock kernels, the first that the kernel's BTF allows")
	for _, walk := range walks {
		writeWrapped(w, fmt.Sprintf("  %-15s ", walk.Name), sentence(walk.Doc, walk.Source))
		for _, q := range []struct {
			what string
			list []layouts.Question
		}{{"where there is ", walk.Has}, {"and there is no ", walk.Lacks}} {
			var names []string
			for _, m := range q.list {
				names = append(names, m.String())
			}
			if len(names) > 0 {
				writeWrapped(w, "      "+q.what, strings.Join(names, ", "))
			}
		}
		if walk.Refuse != "" {
			writeWrapped(w, "      refused: ", walk.Refuse)
		}
	}
}

func showDescriptor(w io.Writer, layout *layouts.Layout, d *layouts.Descriptor) {
	fmt.Fprintf(w, "%s\n", d.Name)
	if d.Size > 0 {
		fmt.Fprintf(w, "  %d bytes in %s words, %s\n", d.Size, d.Word, d.Type)
	}
	if len(d.Ready) > 0 {
		writeWrapped(w, "  every hint needs ", conditions(d.Ready))
	}
	fmt.Fprintln(w)
	for _, h := range d.Hints {
		showHint(w, d, h, layout.Needs[h.Name])
	}
	tested := testedFields(d)
	if len(tested) == 0 {
		return
	}
	fmt.Fprintln(w, "\n  fields in the conditions")
	for _, f := range tested {
		prefix := fmt.Sprintf("  %-15s %-12s ", f.Name, d.Where(f))
		writeWrapped(w, prefix, sentence(f.Doc, f.Source))
	}
}

// showHint shows a hint and the setting that it needs, "" for none.
func showHint(w io.Writer, d *layouts.Descriptor, h *layouts.Hint, setting string) {
	writeWrapped(w, fmt.Sprintf("  %-15s %-7s ", h.Name, h.Decl), h.Doc)
	var sources []string
	note := func(source string) {
		if source != "" && !slices.Contains(sources, source) {
			sources = append(sources, source)
		}
	}
	note(h.Source)
	for _, a := range h.Alternatives {
		text := value(d, a)
		if len(a.When) > 0 {
			text += " when " + conditions(a.When)
		}
		writeHanging(w, "      ", 10, text)
		if a.From != nil {
			note(a.From.Source)
		}
		if a.Map != nil {
			note(a.Map.Source)
		}
	}
	if setting != "" {
		fmt.Fprintf(w, "      needs ethtool -K DEV %s on\n", setting)
	}
	if len(sources) > 0 {
		writeWrapped(w, "      from ", strings.Join(sources, "; "))
	}
}

// value says where an alternative's value comes from: "w1[37:30] ptype by map
// ptype".
func value(d *layouts.Descriptor, a layouts.Alternative) string {
	if a.From == nil {
		return "the value " + number(a.Value)
	}
	text := d.Where(a.From) + " " + a.From.Name
	if a.Map != nil {
		text += fmt.Sprintf(" by map %s (%d values)", a.Map.Name, len(a.Map.Values))
	}
	for _, c := range a.Convert {
		text += ", " + c.String()
	}
	return text
}

func conditions(list []layouts.Condition) string {
	var parts []string
	for _, c := range list {
		parts = append(parts, c.String())
	}
	return strings.Join(parts, " and ")
}

// testedFields lists the fields that conditions look at, in the descriptor's
// order.
func testedFields(d *layouts.Descriptor) []*layouts.Field {
	tested := map[*layouts.Field]bool{}
	mark := func(list []layouts.Condition) {
		for _, c := range list {
			tested[c.Field] = true
		}
	}
	mark(d.Ready)
	for _, h := range d.Hints {
		for _, a := range h.Alternatives {
			mark(a.When)
		}
	}
	return slices.DeleteFunc(slices.Clone(d.Fields), func(f *layouts.Field) bool { return !tested[f] })
}

func sentence(doc, source string) string {
	switch {
	case source == "":
		return doc
	case doc == "":
		return "from " + source
	}
	return doc + "; from " + source
}

// showNever lists the standard hints that d does not give, and why.
func showNever(w io.Writer, layout *layouts.Layout, d *layouts.Descriptor) {
	fmt.Fprintln(w, "\n  never given")
	for _, h := range layouts.StandardHints {
		if d.Hint(h.Name) != nil {
			continue
		}
		why := layout.Never[h.Name]
		for _, other := range layout.Descriptors {
			if other.Hint(h.Name) != nil {
				why = "descriptor " + other.Name + " holds it"
			}
		}
		if why == "" {
			why = "the descriptor does not hold it"
		}
		writeWrapped(w, fmt.Sprintf("  %-15s ", h.Name), why)
	}
}
