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

// prove follows both programs for all inputs of a scene. An input on which they
// differ is tried: the prover knows less of helpers and maps than the interpreter,
// and what it takes for a difference may be none.
func (s *search) prove(before *verifier.Subject, limits prove.Limits) (*Difference, *Input, error) {
	if s.Strict {
		s.report.Proofs = append(s.report.Proofs, Proof{s.name(), prove.Result{Program: s.program,
			Reason: "what --guard strict asks of the packet's length has no formula"}})
		return nil, nil, nil
	}
	meaning := prove.Meaning{Descriptor: s.descriptor, Kernel: s.way, Guarded: !s.Unguarded}
	result, err := prove.Program(before.Clone(), s.after.subject, s.program, meaning, limits)
	if err != nil {
		return nil, nil, err
	}
	s.report.Proofs = append(s.report.Proofs, Proof{s.name(), result})
	if c := result.Counterexample; c != nil {
		in := &Input{Record: c.Record, Breaks: -1, Meta: c.Meta, Packet: c.Packet}
		if d := s.try(in); d != nil {
			return d, in, nil
		}
	}
	return nil, nil, nil
}
