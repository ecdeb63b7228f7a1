package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
)

func layoutCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "layout",
		Short: "work on layout files of one's own",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("hintjit layout --help lists them", "layout: a command is missing")
			}
			return usageError("hintjit layout --help lists them", "layout: there is no command %q", args[0])
		},
		RunE: func(*cobra.Command, []string) error { return nil }, // makes cobra ask Args
	}
	cmd.AddCommand(layoutCheckCommand())
	return cmd
}

// checkFlags is what the user asked of "hintjit layout check".
type checkFlags struct {
	files []string // "-": standard input
	btf   []string
}

func layoutCheckCommand() *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check FILE.yaml...",
		Short: "look for faults in layout files",
		Long: `Check layout files and tell every fault at once, as file:line:column, what was
found, what was wanted. Of a file without faults, tell what it gives and what it
says nothing of. With --btf, tell for each walk whether that kernel has what it
asks for, and fail where no walk leads to the first descriptor there.`,
		Example: `  hintjit layout check my-nic.yaml
  hintjit layout check my-nic.yaml --btf /sys/kernel/btf
  hintjit layout check - <my-nic.yaml`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("hintjit layout "+cmd.Use, "layout check: FILE.yaml is missing")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f.files = args
			return f.run(cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringArrayVar(&f.btf, "btf", nil, "hold walks against the kernel with this BTF: a file or folder `PATH` (may be repeated)")
	return cmd
}

func (f *checkFlags) run(stdin io.Reader, stdout, stderr io.Writer) error {
	var kernel *rewrite.Kernel
	if len(f.btf) > 0 {
		var err error
		if kernel, err = rewrite.OpenKernel(f.btf...); err != nil {
			return usageError("name a folder as /sys/kernel/btf, or vmlinux and the driver's module", "--btf: %w", err)
		}
	}
	faulty := 0
	var lost []string
	for _, file := range f.files {
		layout, err := readLayout(file, stdin)
		var faults *layouts.Errors
		switch {
		case errors.As(err, &faults):
			fmt.Fprintln(stderr, faults)
			faulty++
			continue
		case err != nil:
			return usageError("", "%s: %w", file, withoutPath(err))
		}
		tellLayout(stdout, layout)
		if kernel == nil {
			continue
		}
		found, err := tellWays(stdout, layout, kernel)
		if err != nil {
			return err
		}
		if !found {
			lost = append(lost, layout.File)
		}
	}
	switch {
	case faulty > 0:
		return usageError("docs/layout-format.md says what a layout is made of", "%d of %d layouts faulty", faulty, len(f.files))
	case len(lost) > 0:
		return fmt.Errorf("%s: no way to the first descriptor on %s", strings.Join(lost, ", "), kernel.Name())
	}
	return nil
}

// readLayout reads a file, or standard input.
func readLayout(file string, stdin io.Reader) (*layouts.Layout, error) {
	if file != "-" {
		return layouts.LoadFile(file)
	}
	data, err := io.ReadAll(stdin)
	if err != nil {
		return nil, err
	}
	return layouts.Load("standard input", data)
}

// tellLayout says what a layout gives, and what it says nothing of.
func tellLayout(w io.Writer, l *layouts.Layout) {
	fmt.Fprintf(w, "%s: no faults, for %s\n", l.File, l.NIC)
	for _, d := range l.Descriptors {
		var own []string
		given := 0
		for _, h := range d.Hints {
			if isStandard(h.Name) {
				given++
			} else {
				own = append(own, h.Name)
			}
		}
		text := fmt.Sprintf("%d bytes, %d fields (%d beside it), %d of the %d standard hints", d.Size, len(d.Fields),
			besideIt(d), given, len(layouts.StandardHints))
		if len(own) > 0 {
			text += ", and its own " + strings.Join(own, ", ")
		}
		writeWrapped(w, "  descriptor "+d.Name+": ", text)
		tellFields(w, d)
	}
	var walks []string
	for _, walk := range l.Walks {
		name := walk.Name
		if walk.Refuse != "" {
			name += " (refused)"
		}
		walks = append(walks, name)
	}
	if len(walks) > 0 {
		writeWrapped(w, "  walks: ", strings.Join(walks, ", "))
	} else {
		writeWrapped(w, "  walks: ", "none, the descriptor has to lie in the metadata area (--reach meta)")
	}
	var never, silent []string
	for _, h := range layouts.StandardHints {
		gives := func(d *layouts.Descriptor) bool { return d.Hint(h.Name) != nil }
		switch {
		case slices.ContainsFunc(l.Descriptors, gives):
		case l.Never[h.Name] != "":
			never = append(never, h.Name)
		default:
			silent = append(silent, h.Name)
		}
	}
	if len(never) > 0 {
		writeWrapped(w, "  never: ", strings.Join(never, ", "))
	}
	if len(silent) > 0 {
		writeWrapped(w, "  neither given nor in never, with the reason: ", strings.Join(silent, ", "))
	}
}

// tellFields names the fields that a reader would ask about. What came by extends
// is told where it stands.
func tellFields(w io.Writer, d *layouts.Descriptor) {
	used := map[*layouts.Field]bool{}
	for _, c := range d.Ready {
		used[c.Field] = true
	}
	for _, h := range d.Hints {
		for i := range h.Alternatives {
			for _, f := range h.Alternatives[i].Fields() {
				used[f] = true
			}
		}
	}
	var idle, sourceless []string
	for _, f := range d.Fields {
		if f.Pos.Line < d.Pos.Line {
			continue
		}
		if !used[f] {
			idle = append(idle, f.Name)
		}
		if f.Source == "" {
			sourceless = append(sourceless, f.Name)
		}
	}
	if len(idle) > 0 {
		writeWrapped(w, "    fields that no hint uses: ", strings.Join(idle, ", "))
	}
	if len(sourceless) > 0 {
		writeWrapped(w, "    fields without a source: ", strings.Join(sourceless, ", "))
	}
}

func isStandard(hint string) bool {
	return slices.ContainsFunc(layouts.StandardHints, func(s layouts.Standard) bool { return s.Name == hint })
}

func besideIt(d *layouts.Descriptor) (n int) {
	for _, f := range d.Fields {
		if d.StateOf(f.Bits[0].Word) != nil {
			n++
		}
	}
	return n
}

// tellWays says of each walk whether a kernel has it, and whether one leads to
// the first descriptor there.
func tellWays(w io.Writer, l *layouts.Layout, kernel *rewrite.Kernel) (found bool, err error) {
	ways, err := rewrite.Ways(l, kernel)
	if err != nil {
		return false, err
	}
	taken := map[*layouts.Descriptor]bool{}
	fmt.Fprintf(w, "  on %s\n", kernel.Name())
	for _, way := range ways {
		d := l.LeadsTo(way.Walk)
		text := ""
		switch {
		case way.Lacks != "":
			text = "not for it: " + way.Lacks
		case taken[d]:
			text = "not asked, as one before it is taken"
		case way.Walk.Refuse != "":
			text = "refused: " + way.Walk.Refuse
		case way.Err != nil:
			text = fmt.Sprintf("fails: %v", way.Err)
		default:
			text = "leads to " + d.Name
			if len(way.Missing) > 0 {
				text += ", without " + strings.Join(way.Missing, ", ")
			}
			found = found || d == l.Descriptors[0]
		}
		if way.Lacks == "" {
			taken[d] = true
		}
		writeWrapped(w, "    walk "+way.Walk.Name+": ", text)
	}
	if len(taken) == 0 && l.Module != "" && kernel.Module(l.Module) != nil { // one that is built in has its types in vmlinux
		writeWrapped(w, "    ", fmt.Sprintf("the types of module %s are not there: load it, or name its BTF with --btf", l.Module))
	}
	return found || len(l.Walks) == 0, nil
}
