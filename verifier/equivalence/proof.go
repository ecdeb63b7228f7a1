package equivalence

import (
	"slices"

	"github.com/hintjit/hintjit/verifier"
	"github.com/hintjit/hintjit/verifier/prove"
)

// Proof is what came of proving that a program is equivalent for all inputs, in
// the metadata area or on one walk.
type Proof struct {
	Way string // walk; "": metadata
	prove.Result
}

// Proved tells whether the program was proved wherever it runs.
func (r *ProgramReport) Proved() bool {
	return len(r.Proofs) > 0 && !slices.ContainsFunc(r.Proofs, func(p Proof) bool { return !p.Proved })
}

// Refuted tells whether it was the prover that found the input on which the
// programs differ.
func (r *ProgramReport) Refuted() bool {
	return r.Counterexample != nil && len(r.Proofs) > 0 && r.Proofs[len(r.Proofs)-1].Way == r.Counterexample.Way
}

// prove follows both programs for all inputs of a scene. An input on which they
// differ is tried: the prover knows less of helpers and maps than the interpreter,
// and what it takes for a difference may be none.
func (s *search) prove(before *verifier.Subject, limits prove.Limits) (*Difference, *Input) {
	result := prove.Result{Program: s.program}
	if s.Strict {
		result.Reason = "what --guard strict asks of the packet's length has no formula"
	} else {
		meaning := prove.Meaning{Descriptor: s.descriptor, Kernel: s.way, Guarded: !s.Unguarded}
		var err error
		if result, err = prove.Program(before.Clone(), s.after.subject, s.program, meaning, limits); err != nil {
			result.Reason = err.Error()
		}
	}
	s.report.Proofs = append(s.report.Proofs, Proof{s.name(), result})
	c := result.Counterexample
	if c == nil {
		return nil, nil
	}
	in := &Input{Record: c.Record, Breaks: -1, Meta: c.Meta, Packet: c.Packet}
	return s.try(in), in
}
