package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hintjit/hintjit/rewrite"
	"github.com/hintjit/hintjit/verifier/equivalence"
)

// verifyHow is how hard to look for a difference.
type verifyHow struct {
	runs  int
	seed  uint64
	prove bool
}

// addHow adds the flags for it.
func (f *verifyHow) addHow(flags *pflag.FlagSet) {
	flags.IntVar(&f.runs, "runs", equivalence.DefaultRuns, "run each program `N` times, for each way to the descriptor")
	flags.Uint64Var(&f.seed, "seed", 1, "`N` to choose the inputs by: another one, other inputs")
	flags.BoolVar(&f.prove, "prove", true, "prove it for all inputs, too, where that can be done")
}

func (f *verifyHow) how() equivalence.Options {
	return equivalence.Options{Runs: f.runs, Seed: f.seed, Prove: f.prove}
}

func verifyCommand() *cobra.Command {
	var f rewriteFlags
	var rewritten string
	cmd := &cobra.Command{
		Use:   "verify PROG.o --nic NIC",
		Short: "run programs before and after rewriting side by side",
		Long: `Rewrite the programs of an object for one NIC, in memory, and run each as it was
and as it was rewritten on the same packets, descriptors and maps: in hintjit's own
interpreter, for either byte order, without root and without the NIC. They have
to return the same, leave the same packet, metadata and maps, and call the same
helpers with the same things in the same order. What the original gets from
hintjit_rx is what the layout's decoder reads from the descriptor. Then it is tried
to prove that there is no input on which they differ.

Nothing is written. The command succeeds when no program did anything else.`,
		Example: `  hintjit verify prog.o --nic i40e                     on every kernel that i40e's layout covers
  hintjit verify prog.o --nic ice --runs 100000        longer
  hintjit verify prog.o --nic i40e --rewritten out.o   an object that was rewritten before`,
		Args: arguments("PROG.o"),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.in = args[0]
			return f.runVerify(rewritten, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	f.targetFlags(flags)
	flags.StringVar(&rewritten, "rewritten", "", "take what PROG.o was rewritten to, with the same flags, from `OUT.o`")
	f.addHow(flags)
	return cmd
}

func (f *rewriteFlags) runVerify(rewritten string, stdin io.Reader, stdout io.Writer) error {
	opts, err := f.options()
	if err != nil {
		return err
	}
	if f.runs < 1 {
		return usageError("", "--runs %d: want 1 or more", f.runs)
	}
	object, err := f.read(stdin)
	if err != nil {
		return err
	}
	var out []byte
	if rewritten != "" {
		if out, err = os.ReadFile(rewritten); err != nil {
			return usageError("", "--rewritten %s: %w", rewritten, withoutPath(err))
		}
	}
	report, err := rewrite.Verify(object, out, opts, f.how())
	if err != nil {
		return fmt.Errorf("%s: %w", f.inName(), err)
	}
	if err := writeVerified(stdout, f.inName(), report); err != nil || report.Equivalent() {
		return err
	}
	return notEquivalent(f.inName(), report)
}

// notEquivalent is what the command fails with once all is told.
func notEquivalent(in string, report *equivalence.Report) error {
	differ, unknown := 0, 0
	for _, p := range report.Programs {
		switch {
		case p.Counterexample != nil:
			differ++
		case len(p.NotVerified) > 0:
			unknown++
		}
	}
	if differ == 0 {
		return fmt.Errorf("%s: %d of %d programs could not be verified", in, unknown, len(report.Programs))
	}
	return &hintedError{fmt.Errorf("%s: %d of %d programs do something else once rewritten", in, differ, len(report.Programs)),
		"this is a fault of hintjit or of the layout: please report it with what is printed above"}
}

// writeVerified tells what came of running the programs of an object.
func writeVerified(w io.Writer, in string, report *equivalence.Report) error {
	fmt.Fprintf(w, "%s: run before and after, with seed %d\n", in, report.Seed)
	for _, p := range report.Programs {
		fmt.Fprintf(w, "  %s/%s: %s\n", p.Section, p.Name, verdict(p))
		for _, why := range p.NotVerified {
			writeWrapped(w, "    not verified: ", why)
		}
		if p.Counterexample != nil {
			if err := p.Counterexample.Write(w); err != nil {
				return err
			}
			continue
		}
		writeRuns(w, p)
	}
	return nil
}

// writeRuns tells what was run of a program.
func writeRuns(w io.Writer, p *equivalence.ProgramReport) {
	if p.Faults > 0 {
		writeWrapped(w, fmt.Sprintf("    %d runs left out, in which the original itself faults: ", p.Faults), p.Fault)
	}
	if len(p.Ways) > 0 {
		writeWrapped(w, "    walks ", strings.Join(p.Ways, ", "))
	}
	for _, proof := range p.Proofs {
		if !proof.Proved {
			writeWrapped(w, "    not proved"+onWay(proof.Way)+": ", proof.Reason)
		}
	}
	if p.Refused > 0 {
		fmt.Fprintf(w, "    refused %d times of %d on kernels without a sound way\n", p.Refused, p.Refusals)
	}
	if hints := presence(p.Hints); hints != "" {
		writeWrapped(w, "    hints there ", hints)
	}
	fmt.Fprintf(w, "    inserted code run: %s\n", covered(p.Inserted))
	fmt.Fprintf(w, "    other code run:    %s\n", covered(p.Own))
	for _, g := range p.Uncovered {
		fmt.Fprintf(w, "    %s: %v\n", g.What, g)
	}
}

func onWay(way string) string {
	if way == "" {
		return ""
	}
	return " on walk " + way
}

func verdict(p *equivalence.ProgramReport) string {
	switch {
	case p.Counterexample != nil && p.Refuted():
		return "DIFFERS, as the proof shows"
	case p.Counterexample != nil:
		return fmt.Sprintf("DIFFERS after %d runs", p.Runs)
	case len(p.NotVerified) > 0:
		return fmt.Sprintf("not verified, %d runs of %d could be compared", p.Comparable, p.Runs)
	}
	if p.Proved() {
		return fmt.Sprintf("the same in %d runs, and proved for all inputs", p.Comparable)
	}
	return fmt.Sprintf("the same in %d runs", p.Comparable)
}

func covered(c equivalence.Covered) string {
	text := fmt.Sprintf("%d of %d instructions", c.Insns, c.OfInsns)
	if c.OfSides > 0 {
		text += fmt.Sprintf(", %d of %d sides of branches", c.Sides, c.OfSides)
	}
	return text
}

func presence(hints map[string]equivalence.Presence) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(hints)) {
		n := hints[name]
		parts = append(parts, fmt.Sprintf("%s %d of %d", name, n.Present, n.Present+n.Absent))
	}
	return strings.Join(parts, ", ")
}
