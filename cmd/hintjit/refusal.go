package main

import (
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/hintjit/hintjit/internal/paragraph"
	"github.com/hintjit/hintjit/rewrite"
)

// writeRefusal tells why the kernel does not take a program: where in the source,
// the code there, what the kernel says, what that means and what to do.
func writeRefusal(w io.Writer, file string, r *rewrite.Refusal) {
	what := "the kernel refuses it"
	if r.Program != "" {
		what = "the kernel refuses program " + r.Program
	}
	fmt.Fprintf(w, "%s: %s\n", file, what)
	if r.Place != nil {
		writePlace(w, r.Place, r.Program)
	}
	for i, sentence := range r.Says {
		prefix := "  kernel: "
		if i > 0 {
			prefix = "          "
		}
		writeWrapped(w, prefix, sentence)
	}
	if r.Means != "" {
		writeWrapped(w, "  this means: ", r.Means)
	}
	for _, f := range r.Grown {
		writeWrapped(w, "  hints: ", fmt.Sprintf("in function %s they take %d instructions of %d, and %d bytes of stack (%s)",
			f.Name, max(f.After-f.Before, 0), f.After, f.Stack, strings.Join(f.Hints, ", ")))
	}
	if r.Do != "" {
		writeWrapped(w, "  to do: ", r.Do)
	}
	if r.Note != "" {
		writeWrapped(w, "  note: ", r.Note)
	}
}

// writePlace shows an instruction and what is around it: '+' stands before what was
// inserted, as in rewrite --diff, and '>' before the one at fault.
func writePlace(w io.Writer, p *rewrite.Place, program string) {
	if p.File != "" {
		fmt.Fprintf(w, "  %s:%d: %s\n", path.Base(p.File), p.Line, p.Text)
	} else if p.Text != "" {
		fmt.Fprintf(w, "  %s\n", p.Text)
	}
	in := ""
	if p.Function != "" && p.Function != program {
		in = "in function " + p.Function
	}
	if p.Inserted {
		does := "was"
		if p.For != "" {
			does = "that " + p.For + " was"
		}
		in = strings.TrimPrefix(in+", the code "+does+" inserted by hintjit", ", ")
	}
	if in != "" {
		writeWrapped(w, "  ", in+":")
	}
	for _, near := range p.Near {
		mark, insert := " ", " "
		if near.Insn == p.Insn {
			mark = ">"
		}
		if near.Inserted {
			insert = "+"
		}
		line := fmt.Sprintf("  %s %s %5d: %s", mark, insert, near.Insn, near.Text)
		if near.State != "" {
			line = fmt.Sprintf("%-44s ; %s", line, near.State)
		}
		if len(line) > paragraph.Width {
			line = line[:paragraph.Width-3] + "..."
		}
		fmt.Fprintln(w, line)
	}
}
