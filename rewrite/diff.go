package rewrite

import (
	"io"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/listing"
)

// change is a function as it was read and as it was rewritten.
type change struct {
	beforeUnit, afterUnit *code.Unit
	before, after         *code.Func
}

// Diff writes what became of the program, instruction by instruction under the
// source lines: '-' stands before what was removed, '+' before what was
// inserted. It writes nothing for a program that did not change.
func (p *ProgramReport) Diff(w io.Writer) error {
	c := p.change
	if c.before == nil || c.after == nil {
		return nil
	}
	return listing.Diff(w, c.beforeUnit, c.before, c.afterUnit, c.after)
}
