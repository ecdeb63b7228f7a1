package equivalence

import (
	"fmt"
	"slices"
	"strings"
)

// Report is what came of running programs side by side.
type Report struct {
	Seed     uint64
	Programs []*ProgramReport
}

// Equivalent tells whether every program was run and no two runs differed.
func (r *Report) Equivalent() bool {
	return !slices.ContainsFunc(r.Programs, func(p *ProgramReport) bool {
		return p.Counterexample != nil || len(p.NotVerified) > 0
	})
}

// ProgramReport is about one program.
type ProgramReport struct {
	Name, Section string
	Ways          []string // walks that it was run on; none: metadata
	// Runs were tried. Comparable ones count; in Faults the original itself did what
	// the kernel would not have allowed, and Fault says what, once.
	Runs, Comparable, Faults int
	Fault                    string
	// Refusals are runs on kernels that have to be refused, Refused those in which the
	// program was.
	Refusals, Refused int
	Hints             map[string]Presence
	// Inserted and Own are of the rewritten program's code: what was inserted, and what
	// was there.
	Inserted, Own Covered
	Uncovered     []Gap // of what was inserted
	// NotVerified says why the program counts as not verified.
	NotVerified    []string
	Proofs         []Proof // of each way on which it runs, where proving was asked for
	Counterexample *Counterexample
}

// Presence counts comparable runs.
type Presence struct{ Present, Absent int }

// Covered counts instructions, and sides of conditional branches.
type Covered struct{ Insns, OfInsns, Sides, OfSides int }

// Gap is inserted code that was not run.
type Gap struct {
	Func string
	Insn int    // in the rewritten function
	Slot int    // as listings count
	Line string // "prog.c:42", "" when it is not known
	Text string
	What string // is missing: "never run", "never taken", "always taken"
}

func (g Gap) String() string {
	line := ""
	if g.Line != "" {
		line = ", from " + g.Line
	}
	return fmt.Sprintf("%s %d: %s%s", g.Func, g.Slot, g.Text, line)
}

// unverified notes a reason, once.
func (r *ProgramReport) unverified(why string) {
	if !slices.Contains(r.NotVerified, why) && len(r.NotVerified) < 8 {
		r.NotVerified = append(r.NotVerified, strings.TrimSpace(why))
	}
}
