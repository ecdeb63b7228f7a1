package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/hintjit/hintjit/rewrite"
)

func explainCommand() *cobra.Command {
	var f rewriteFlags
	cmd := &cobra.Command{
		Use:   "explain PROG.o [LOG]",
		Short: "explain why a kernel refused a rewritten program",
		Long: `Explain what a loader printed when the kernel refused a program: the source
line, the code there, what the kernel says, what it most likely means and what to
do. LOG is a file with the loader's output, the verifier's log among it; without
it, standard input is read. bpftool's, libbpf's, ip's, xdp-loader's and
cilium/ebpf's output are understood, and the bare log.

PROG.o is the object before it was rewritten, with the flags that it was rewritten
with: then it is told which instructions hintjit put in and for which hints. With
the rewritten object, and no --nic, all is told but that. Nothing is loaded.`,
		Example: `  bpftool -d prog load prog.i40e.o /sys/fs/bpf/prog 2>&1 | hintjit explain prog.o --nic i40e
  hintjit explain prog.i40e.o log.txt              of a rewritten object`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return arguments("PROG.o")(cmd, args)
			}
			return arguments("PROG.o", "LOG")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f.in = args[0]
			return f.explain(cmd.InOrStdin(), cmd.OutOrStdout(), args[1:])
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	f.targetFlags(flags)
	return cmd
}

// explain explains a log, in a file of that name or on standard input.
func (f *rewriteFlags) explain(stdin io.Reader, stdout io.Writer, log []string) error {
	object, err := f.read(stdin)
	if err != nil {
		return err
	}
	report, err := f.report(object)
	if err != nil {
		return fmt.Errorf("%s: %w", f.inName(), err)
	}
	name := "standard input"
	var text []byte
	if len(log) == 0 || log[0] == "-" {
		if f.in == "-" {
			return usageError("name a file for one of them", "PROG.o and LOG both want standard input")
		}
		text, err = io.ReadAll(stdin)
	} else {
		name = log[0]
		text, err = os.ReadFile(name)
	}
	if err != nil {
		return usageError("", "log %s: %w", name, withoutPath(err))
	}
	refusal, err := report.ExplainLog(string(text))
	if err != nil {
		return usageError("bpftool -d and xdp-loader -vv print the verifier's log", "log %s: %w", name, err)
	}
	writeRefusal(stdout, f.inName(), refusal)
	return nil
}

// report rewrites the object again, if a NIC is named, as it was when it was loaded.
func (f *rewriteFlags) report(object []byte) (*rewrite.Report, error) {
	if f.nic == "" && f.layout == "" {
		return rewrite.Untouched(object)
	}
	opts, err := f.options()
	if err != nil {
		return nil, err
	}
	_, report, err := rewrite.Object(object, opts)
	return report, err
}
