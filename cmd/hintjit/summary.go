package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/hintjit/hintjit/internal/paragraph"
	"github.com/hintjit/hintjit/rewrite"
)

// summarize tells what a rewrite of the object in did.
func summarize(w io.Writer, in, out string, report *rewrite.Report) {
	if out == "-" {
		out = "standard output"
	}
	by := ""
	if len(report.Walks) > 0 {
		by = " by " + strings.Join(report.Walks, " or ")
	}
	fmt.Fprintf(w, "%s -> %s: %s, descriptor %s, reach %s%s\n", in, out, report.NIC, report.Descriptor, report.Reach, by)
	for _, p := range report.Programs {
		fmt.Fprintf(w, "  %s/%s: %d -> %d instructions\n", p.Section, p.Name, p.Before, p.After)
		if len(p.Hints) > 0 {
			writeWrapped(w, "    reads ", strings.Join(p.Hints, ", "))
		}
		for _, absent := range p.Absent {
			writeWrapped(w, "    never there: "+absent.Hint+": ", absent.Why)
		}
	}
	for _, warning := range report.Warnings {
		fmt.Fprintf(w, "warning: %s\n", warning)
	}
}

// writeWrapped writes text after prefix, and goes on under the text where it is
// too long for a line.
func writeWrapped(w io.Writer, prefix, text string) {
	paragraph.Write(w, prefix, len(prefix), text)
}
