package rewrite

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/hintjit/hintjit/verifier/kernellog"
)

// Refusal is why the kernel, or a loader, does not take a program, in its author's
// terms: the place in the source, the code around it, what is said of it and what
// to do.
type Refusal struct {
	Program string   // "" when no loader names it
	Place   *Place   // nil: it is about no one instruction
	Note    string   // what stands in the way of telling more, "" nothing
	Says    []string // the kernel's own sentences
	Means   string   // "" when this is not known
	Do      string
	// Grown are the functions with inserted code, where how much there is counts.
	Grown []ProgramReport
	Err   error // the loader's, nil when there is a text alone
}

// Explain finds out what a loader's error is about, of a program that this rewrite
// made. Where there is nothing to explain it returns err as it is; otherwise a
// *Refusal that wraps it.
//
//	coll, err := ebpf.NewCollection(spec)
//	if err != nil {
//		return report.Explain(err)
//	}
func (r *Report) Explain(err error) error {
	if err == nil {
		return nil
	}
	text := strings.ReplaceAll(err.Error(), "\n", " ") + "\n"
	var refused *ebpf.VerifierError
	if errors.As(err, &refused) {
		text += strings.Join(refused.Log, "\n")
	}
	refusal, none := r.ExplainLog(text)
	if none != nil {
		return err
	}
	refusal.Err = err
	return refusal
}

// ExplainLog is Explain for what a loader printed, the verifier's log among it. It
// understands libbpf's and what is made of it (bpftool, ip, xdp-loader), cilium/ebpf's
// and the bare log.
func (r *Report) ExplainLog(text string) (*Refusal, error) {
	log, err := kernellog.Parse(text)
	if err != nil {
		return nil, err
	}
	g := choose(r.images(), log)
	if g != nil && log.Reason != nil && log.Reason.Missing {
		g.nameMissing(log)
	}
	out := &Refusal{Program: log.Program, Says: log.Says, Means: log.Means(), Do: log.Do()}
	if log.Report != nil {
		out.Says = append(out.Says, log.Report.Title+": "+log.Report.Reason)
	}
	switch {
	case g != nil:
		out.Program = g.name
		out.Place = g.place(log.Insn, log)
		if log.Reason != nil && log.Reason.Grows {
			out.Grown = g.reports(r.Programs)
		}
	case len(log.Steps) > 0:
		out.Place = placeByLog(log)
		out.Note = "the log fits no program as it is here, so which instructions hintjit put in is not known:" +
			" it takes the object, and the flags it was rewritten with"
	}
	if r.untold && out.Place != nil {
		out.Note = "which instructions hintjit put in is not known of an object that was rewritten already:" +
			" it takes the original, and the flags it was rewritten with"
	}
	if out.Place != nil && out.Place.Inserted {
		if out.Do = log.Inserted(); out.Do == "" {
			out.Do = mend
		}
	}
	return out, nil
}

// mend is what there is to do about inserted code that a kernel should take.
const mend = "hintjit put this instruction in and the kernel should take it: please report it, with the object and this log;" +
	" until then, reading fewer hints in this function or --reach meta may get around it"

// Error is the refusal on one line.
func (e *Refusal) Error() string {
	var b strings.Builder
	if p := e.Place; p != nil && p.File != "" {
		fmt.Fprintf(&b, "%s:%d: ", path.Base(p.File), p.Line)
	}
	b.WriteString("the kernel refuses")
	if e.Program != "" {
		fmt.Fprintf(&b, " program %s", e.Program)
	}
	fmt.Fprintf(&b, ": %s", strings.Join(e.Says, ": "))
	return b.String()
}

func (e *Refusal) Unwrap() error { return e.Err }
