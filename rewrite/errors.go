package rewrite

import (
	"fmt"
	"strings"

	"github.com/hintjit/hintjit/internal/code"
)

// UsageError says that the request is wrong: an unknown name, options that
// contradict each other.
type UsageError struct{ Msg string }

func (e *UsageError) Error() string { return e.Msg }

func usagef(format string, args ...any) error {
	return &UsageError{fmt.Sprintf(format, args...)}
}

// UnsupportedError says that this program can not be rewritten for this NIC:
// where, what stands in the way, and what would help.
type UnsupportedError struct {
	Program string // function
	Insn    int    // instruction in the function, -1: the function as a whole
	File    string // source, "" without line information
	Line    uint32
	Text    string // the source line itself
	Msg     string
	Help    string
}

func (e *UnsupportedError) Error() string {
	var b strings.Builder
	if e.File != "" {
		fmt.Fprintf(&b, "%s:%d: ", e.File, e.Line)
	}
	if e.Program != "" {
		fmt.Fprintf(&b, "program %s: ", e.Program)
	}
	if e.Insn >= 0 && e.Program != "" {
		fmt.Fprintf(&b, "instruction %d: ", e.Insn)
	}
	b.WriteString(e.Msg)
	return b.String()
}

// refuse builds the error for instruction i of f.
func refuse(f *code.Func, i int, help, format string, args ...any) error {
	e := &UnsupportedError{Program: f.Name, Insn: i, Msg: fmt.Sprintf(format, args...), Help: help}
	if i >= 0 {
		if l := f.LineAt(i); l != nil {
			e.File, e.Line, e.Text = l.File, l.Number, strings.TrimSpace(l.Text)
		}
		if o := f.Insns[i].Origin; o >= 0 {
			e.Insn = int(o)
		}
	}
	return e
}
