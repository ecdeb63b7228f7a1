package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
)

// rewriteFlags is what the user asked of "hintjit rewrite".
type rewriteFlags struct {
	in         string // "-": standard input
	out        string // "": beside in, "-": standard output
	nic        string
	layout     string
	descriptor string
	reach      string
	btf        []string
	guard      string
	programs   []string
	sections   []string
	strict     bool
	diff       bool
	verify     bool
	verifyHow
}

func rewriteCommand() *cobra.Command {
	var f rewriteFlags
	cmd := &cobra.Command{
		Use:   "rewrite PROG.o --nic NIC",
		Short: "rewrite the programs of an object for one NIC",
		Long: `Rewrite the programs of an object that read hints into programs that read the
receive descriptor of one NIC. The result is an object again: load it with
bpftool, ip link, xdp-loader or a library. PROG.o is not changed, and nothing is
written when the rewrite fails. What was done is told on standard error.`,
		Example: `  hintjit rewrite prog.o --nic i40e                writes prog.i40e.o
  hintjit rewrite prog.o --nic mlx5 -o out.o       writes out.o
  hintjit rewrite prog.o --nic ice --diff          shows what was inserted, too
  hintjit rewrite prog.o --layout my-nic.yaml      a NIC that hintjit does not ship
  hintjit rewrite - --nic i40e -o - <in.o >out.o   in a pipe`,
		Args: arguments("PROG.o"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.in = args[0]
			return f.run(cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	f.targetFlags(flags)
	flags.StringVarP(&f.out, "output", "o", "", "write to `OUT.o`, or to standard output: - (default PROG.NIC.o)")
	flags.BoolVar(&f.strict, "strict", false, "make warnings errors")
	flags.BoolVar(&f.diff, "diff", false, "show on standard output what became of each program")
	flags.BoolVar(&f.verify, "verify", false, "write only what does the same as before: see hintjit verify")
	f.addHow(flags)
	return cmd
}

// targetFlags are those that say what to rewrite, and for what.
func (f *rewriteFlags) targetFlags(flags *pflag.FlagSet) {
	flags.StringVar(&f.nic, "nic", "", "the `NIC`'s driver: see hintjit nics")
	flags.StringVar(&f.reach, "reach", string(rewrite.Auto), "`HOW` to get at the descriptor: auto, walk, meta or kfunc")
	flags.StringVar(&f.descriptor, "descriptor", "", "the descriptor's `NAME`; hintjit nics NIC lists them and tells the default")
	flags.StringVar(&f.layout, "layout", "", "take the NIC's layout from `FILE.yaml`")
	flags.StringArrayVar(&f.btf, "btf", nil, "walk on the kernel with this BTF alone: a file or folder `PATH` (may be repeated)")
	flags.StringVar(&f.guard, "guard", string(rewrite.GuardOn), guardUsage)
	flags.StringArrayVar(&f.programs, "program", nil, "rewrite only the program of this `NAME` (may be repeated)")
	flags.StringArrayVar(&f.sections, "section", nil, "rewrite only the programs of this section, a `NAME` (may be repeated)")
}

func (f *rewriteFlags) run(stdin io.Reader, stdout, stderr io.Writer) error {
	opts, err := f.options()
	if err != nil {
		return err
	}
	nic := opts.NIC
	if nic == "" {
		nic = opts.Layout.NIC
	}
	out, err := f.output(nic, stdout)
	if err != nil {
		return err
	}
	object, err := f.read(stdin)
	if err != nil {
		return err
	}
	if f.verify {
		how := f.how()
		opts.Verify = &how
	}
	rewritten, report, err := rewrite.Object(object, opts)
	var differ *rewrite.NotEquivalentError
	if errors.As(err, &differ) {
		return errors.Join(writeVerified(stderr, f.inName(), differ.Report), notEquivalent(f.inName(), differ.Report))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.inName(), err)
	}
	if out == "-" {
		_, err = stdout.Write(rewritten)
	} else {
		err = writeOutput(out, rewritten)
	}
	if err != nil {
		return err
	}
	summarize(stderr, f.inName(), out, report)
	if report.Verified != nil {
		if err := writeVerified(stderr, f.inName(), report.Verified); err != nil {
			return err
		}
	}
	if f.diff {
		return writeDiffs(stdout, report)
	}
	return nil
}

// options turns the flags into those of the library and finds what they
// contradict each other in.
func (f *rewriteFlags) options() (rewrite.Options, error) {
	opts := rewrite.Options{
		NIC:        f.nic,
		Descriptor: f.descriptor,
		Reach:      rewrite.Reach(f.reach),
		Programs:   slices.Concat(f.programs, f.sections),
		Strict:     f.strict,
		Guard:      rewrite.Guard(f.guard),
	}
	if err := checkReach(opts.Reach); err != nil {
		return opts, err
	}
	if err := checkGuard(opts.Guard); err != nil {
		return opts, err
	}
	if len(f.btf) > 0 {
		kernel, err := rewrite.OpenKernel(f.btf...)
		if err != nil {
			return opts, usageError("name a folder as /sys/kernel/btf, or vmlinux and the driver's module", "--btf: %w", err)
		}
		opts.Kernel = kernel
	}
	if f.nic == "" && f.layout == "" {
		return opts, usageError("hintjit nics lists what is supported", "--nic is missing")
	}
	if f.layout == "" {
		_, err := layouts.Shipped(f.nic)
		return opts, err
	}
	layout, err := loadLayout(f.layout)
	if err != nil {
		return opts, err
	}
	if f.nic != "" && !isFor(layout, f.nic) {
		return opts, usageError("leave --nic away", "--nic %s: the layout %s is for %s", f.nic, f.layout, layout.NIC)
	}
	opts.Layout = layout
	return opts, nil
}

func checkReach(r rewrite.Reach) error {
	switch r {
	case rewrite.Auto, rewrite.Walk, rewrite.Meta, rewrite.Kfunc:
		return nil
	}
	return usageError("", "--reach %s: want auto, walk, meta or kfunc", r)
}

const guardUsage = "`HOW` a walk makes sure of the packet: on, bound, off or strict"

func checkGuard(g rewrite.Guard) error {
	switch g {
	case rewrite.GuardOn, rewrite.GuardBound, rewrite.GuardOff, rewrite.GuardStrict:
		return nil
	}
	return usageError("", "--guard %s: want on, bound, off or strict", g)
}

// loadLayout reads the file that --layout names.
func loadLayout(file string) (*layouts.Layout, error) {
	layout, err := layouts.LoadFile(file)
	if err != nil {
		return nil, usageError("docs/layout-format.md says what a layout is made of", "--layout %s: %w", file, withoutPath(err))
	}
	return layout, nil
}

func isFor(layout *layouts.Layout, nic string) bool {
	return nic == layout.NIC || slices.Contains(layout.Aliases, nic)
}

// output is where the object for nic goes: a file name, or "-".
func (f *rewriteFlags) output(nic string, stdout io.Writer) (string, error) {
	out := f.out
	switch {
	case out == "-" && f.diff:
		return "", usageError("give -o a file name", "--diff and -o - both want standard output")
	case out == "-" && isTerminal(stdout):
		return "", usageError("did you mean to redirect it, or -o OUT.o?", "an object is not written to a terminal")
	case out == "-":
		return out, nil
	case out == "" && f.in == "-":
		return "", usageError("-o - writes to standard output", "-o is missing: standard input has no name to derive one from")
	case out == "":
		out = strings.TrimSuffix(f.in, ".o") + "." + nic + ".o"
	}
	if sameFile(f.in, out) {
		return "", usageError("give -o another name", "output %s: is the input", out)
	}
	return out, nil
}

func (f *rewriteFlags) read(stdin io.Reader) ([]byte, error) {
	if f.in == "-" {
		return io.ReadAll(stdin)
	}
	object, err := os.ReadFile(f.in)
	if err != nil {
		return nil, usageError("", "input %s: %w", f.in, withoutPath(err))
	}
	return object, nil
}

// inName is the input's name for messages.
func (f *rewriteFlags) inName() string {
	if f.in == "-" {
		return "standard input"
	}
	return f.in
}
