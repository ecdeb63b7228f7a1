package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/hintjit/hintjit/internal/paragraph"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/layouts/draw"
)

// nicsFlags is what the user asked of "hintjit nics".
type nicsFlags struct {
	nic        string
	descriptor string
	layout     string
	draw       string
}

func nicsCommand() *cobra.Command {
	var f nicsFlags
	cmd := &cobra.Command{
		Use:   "nics [NIC]",
		Short: "list the supported NICs, or show where one keeps each hint",
		Long: `Without an argument, list the supported NICs. With one, show every hint that the
NIC gives: its type, where in the descriptor it is, when it is valid, and the
source that says so. Bits are written as in datasheets: w1[37:30] is bits 37 to
30 of word 1, both counted from 0. With --draw, draw the descriptor as datasheets
do: 32 bits a row, the most significant on the left. Of a driver that can not be
supported, tell why.`,
		Example: `  hintjit nics
  hintjit nics i40e
  hintjit nics i40e --descriptor wb32
  hintjit nics i40e --draw
  hintjit nics i40e --draw=svg >i40e.svg
  hintjit nics --layout my-nic.yaml --draw`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError("hintjit nics [NIC]", "nics: one argument too many: %q", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				f.nic = args[0]
			}
			return f.run(cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.descriptor, "descriptor", "", "show only the descriptor of this `NAME`")
	flags.StringVar(&f.draw, "draw", "", "draw the descriptor `AS` text or svg (default text)")
	flags.Lookup("draw").NoOptDefVal = "text"
	flags.StringVar(&f.layout, "layout", "", "take the NIC's layout from `FILE.yaml`")
	return cmd
}

func (f *nicsFlags) run(w io.Writer) error {
	if f.nic == "" && f.layout == "" {
		if f.descriptor != "" {
			return usageError("hintjit nics NIC --descriptor "+f.descriptor, "--descriptor %s: of which NIC?", f.descriptor)
		}
		if f.draw != "" {
			return usageError("hintjit nics NIC --draw="+f.draw, "--draw: which NIC?")
		}
		return listNICs(w)
	}
	layout, err := f.read()
	if err != nil {
		return err
	}
	shown, err := layout.Descriptor(f.descriptor)
	if err != nil {
		return usageError("", "%w", err)
	}
	switch f.draw {
	case "":
		showNIC(w, layout, shown)
		return nil
	case "text":
		writeWrapped(w, layout.NIC+": ", layout.Doc)
		fmt.Fprintln(w)
		describe(w, shown)
		fmt.Fprintf(w, "\n%s", draw.Text(shown))
		return nil
	case "svg":
		_, err := w.Write(draw.SVG(shown))
		return err
	}
	return usageError("", "--draw=%s: want text or svg", f.draw)
}

// read returns the layout in the user's file, or the one that is shipped.
func (f *nicsFlags) read() (*layouts.Layout, error) {
	if f.layout == "" {
		return layouts.Shipped(f.nic)
	}
	layout, err := loadLayout(f.layout)
	if err == nil && f.nic != "" && !isFor(layout, f.nic) {
		return nil, usageError("leave "+f.nic+" away", "%s: the layout %s is for %s", f.nic, f.layout, layout.NIC)
	}
	return layout, err
}

func listNICs(w io.Writer) error {
	var rows strings.Builder
	docs := []string{"HARDWARE"}
	table := tabwriter.NewWriter(&rows, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NIC\tALIASES\tDESCRIPTORS\tHINTS\t")
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
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t\n", layout.NIC, orDash(strings.Join(layout.Aliases, " ")),
			strings.Join(descriptors, " "), len(hints))
		docs = append(docs, layout.Doc)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	i := 0
	for row := range strings.Lines(rows.String()) {
		writeWrapped(w, strings.TrimSuffix(row, "\n"), docs[i])
		i++
	}
	return nil
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func showNIC(w io.Writer, layout *layouts.Layout, shown *layouts.Descriptor) {
	writeWrapped(w, layout.NIC+": ", layout.Doc)
	for _, d := range layout.Descriptors {
		prefix := "  descriptor " + d.Name
		if d == layout.Default() {
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
	showKfuncs(w, layout)
}

// showKfuncs tells what mainline kernels themselves answer for the NIC.
func showKfuncs(w io.Writer, layout *layouts.Layout) {
	kfuncs, err := layouts.MainlineKfuncs()
	if err != nil { // it comes with the program
		panic(err)
	}
	var parts []string
	since := kfuncs.Of(layout)
	for _, k := range layouts.KfuncHints {
		if since[k.Name] != "" {
			parts = append(parts, fmt.Sprintf("%s from %s on", k.Name, since[k.Name]))
		}
	}
	if len(parts) > 0 {
		writeWrapped(w, "\n  metadata kfuncs of mainline kernels: ", strings.Join(parts, ", "))
	}
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

// describe says what a descriptor is made of.
func describe(w io.Writer, d *layouts.Descriptor) {
	fmt.Fprintf(w, "%s\n", d.Name)
	if d.Size == 0 {
		return
	}
	fmt.Fprintf(w, "  %d bytes in %s words", d.Size, d.Word)
	if d.Type != "" {
		fmt.Fprintf(w, ", %s", d.Type)
	}
	fmt.Fprintln(w)
}

func showDescriptor(w io.Writer, layout *layouts.Layout, d *layouts.Descriptor) {
	describe(w, d)
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
		paragraph.Write(w, "      ", 10, text)
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
