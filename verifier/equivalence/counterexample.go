package equivalence

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/listing"
	"github.com/hintjit/hintjit/layouts"
)

// Counterexample is an input on which two programs differ, as small as it could be
// made.
type Counterexample struct {
	Way        string // walk; "": metadata
	Input      *Input
	Hints      map[string]uint64
	Difference *Difference
	// Line is where the two part: "prog.c:42: if (h->has_rx_hash)", "" when the program
	// has no line information.
	Line string

	descriptor *layouts.Descriptor
	record     []byte
	broken     string // check of the walk that fails
	rows       []traceRow
	cut        int // rows before, which are the same
	part       int // row of rows at which they part, -1: none
}

// traceRow is an instruction of either or both programs with what it made.
type traceRow struct{ before, after string }

// explain makes a counterexample small and finds out where the programs part.
func (s *search) explain(d *Difference, in *Input) *Counterexample {
	d, in = s.shrink(d, in)
	c := &Counterexample{Way: s.name(), Input: in, Hints: s.hints(in), Difference: d, descriptor: s.descriptor, record: slices.Clone(s.record(in)), part: -1}
	if s.way != nil && in.Breaks >= 0 {
		c.broken = fmt.Sprintf("line %d of the layout", s.way.Walk.Steps[in.Breaks].Pos.Line)
	}
	before, after := s.before.trace(s.program, in), s.after.trace(s.program, in)
	rows, apart := weave(before, after, keptIn(s.after.subject.Unit))
	at, cause := parting(rows, apart, before, after)
	switch {
	case d.What == fault:
		cause, at = d.afterAt, lastAfter(rows)
	case cause != nil:
	case apart >= 0 && at == apart && replacedBefore(rows, apart) >= 0:
		cause = &before[replacedBefore(rows, apart)].place
	case at >= 0 && at < len(rows) && rows[at].before >= 0:
		cause = &before[rows[at].before].place
	case d.beforeAt != nil:
		cause = d.beforeAt
	case d.afterAt != nil:
		cause = d.afterAt
	case at >= 0 && at < len(rows) && rows[at].after >= 0:
		cause = &after[rows[at].after].place
	}
	if cause != nil {
		c.Line = lineAt(cause)
	}
	if at < 0 {
		at = len(rows) - 1
	} else {
		c.part = at
	}
	s.show(c, rows, at, before, after)
	return c
}

// replacedBefore is the original's last instruction before a row where the two went
// different ways, if it does not stand in the rewritten program: its code in there
// has gone another way. -1: there is none.
func replacedBefore(rows []row, apart int) int {
	for n := apart - 1; n >= 0; n-- {
		switch r := rows[n]; {
		case r.before >= 0 && r.after < 0:
			return r.before
		case r.before >= 0:
			return -1
		}
	}
	return -1
}

// lastAfter is the row of the last instruction that the rewritten program executed.
func lastAfter(rows []row) int {
	for n := len(rows) - 1; n >= 0; n-- {
		if rows[n].after >= 0 {
			return n
		}
	}
	return -1
}

// lineAt is the source line of an instruction.
func lineAt(p *place) string {
	line := p.f.LineAt(p.insn)
	if line == nil {
		return ""
	}
	text := fmt.Sprintf("%s:%d", path.Base(line.File), line.Number)
	if source := strings.Join(strings.Fields(line.Text), " "); source != "" {
		text += ": " + source
	}
	return text
}

// Rows of the traces that are shown on either side of the one where they part.
const (
	rowsBefore = 16
	rowsAfter  = 8
)

func (s *search) show(c *Counterexample, rows []row, at int, before, after []stepped) {
	c.cut = max(0, at-rowsBefore)
	for n := c.cut; n < min(len(rows), at+rowsAfter+1); n++ {
		var t traceRow
		if k := rows[n].before; k >= 0 {
			t.before = stepText(s.before.subject.Unit, before, k)
		}
		if k := rows[n].after; k >= 0 {
			t.after = stepText(s.after.subject.Unit, after, k)
		}
		c.rows = append(c.rows, t)
	}
	if c.part >= 0 {
		c.part -= c.cut
	}
}

// stepText is an executed instruction with what it wrote.
func stepText(u *code.Unit, trace []stepped, k int) string {
	at := &trace[k]
	in := at.f.Insns[at.insn]
	slots := at.f.Slots()
	dest := ""
	if in.Target >= 0 && int(in.Target) < len(slots) {
		dest = fmt.Sprint(slots[in.Target])
	}
	text := fmt.Sprintf("%4d: %s", slots[at.insn], listing.Insn(u, in, dest))
	if writesRegister(&in) && k+1 < len(trace) && trace[k+1].f == at.f {
		text += fmt.Sprintf("  r%d=%s", in.Dst, number(trace[k+1].regs[in.Dst]))
	}
	return text
}

// number is a register's; an address of the model says little more than that it is
// one.
func number(v uint64) string {
	if v>>52 != 0 && v>>52 < 16 {
		return "&"
	}
	return fmt.Sprintf("%#x", v)
}

// Write prints a counterexample.
func (c *Counterexample) Write(w io.Writer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "  differs     %v\n", c.Difference)
	if c.Line != "" {
		fmt.Fprintf(out, "  parts at    %s\n", c.Line)
	}
	if c.Way != "" {
		fmt.Fprintf(out, "  walk        %s%s\n", c.Way, c.oddities())
	}
	if c.record != nil {
		fmt.Fprintf(out, "  descriptor  %s\n", spaced(c.record[:c.descriptor.Size]))
		for i, s := range c.descriptor.State {
			if at := c.descriptor.Size + 8*i; c.Way != "" && at+8 <= len(c.record) {
				fmt.Fprintf(out, "              %s = %#x\n", s.At.String(), binary.BigEndian.Uint64(c.record[at:]))
			}
		}
	}
	fmt.Fprintf(out, "  hints       %s\n", c.hints())
	if len(c.Input.Meta) > 0 && (c.Way != "" || len(c.Input.Meta) != len(c.record)) {
		fmt.Fprintf(out, "  metadata    %s\n", spaced(c.Input.Meta))
	}
	writeHex(out, "  packet      ", c.Input.Packet)
	fmt.Fprintf(out, "  context     ingress_ifindex %d, rx_queue_index %d, egress_ifindex %d\n", c.Input.Ifindex, c.Input.Queue, c.Input.Egress)
	for _, e := range c.Input.Entries {
		writeHex(out, fmt.Sprintf("  map %s, key %x: ", e.Map, e.Key), e.Value)
	}
	c.writeRows(out)
	return out.Flush()
}

// oddities say what is wrong with the packet on its way.
func (c *Counterexample) oddities() string {
	text := ""
	if c.broken != "" {
		text += ", and its check at " + c.broken + " does not hold"
	}
	if c.Input.Generic {
		text += ", in generic mode"
	}
	if c.Input.Foreign {
		text += ", with another packet's descriptor"
	}
	return text
}

func (c *Counterexample) hints() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(c.Hints)) {
		parts = append(parts, fmt.Sprintf("%s = %#x", name, c.Hints[name]))
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// spaced writes bytes in groups of four.
func spaced(b []byte) string {
	var groups []string
	for chunk := range slices.Chunk(b, 4) {
		groups = append(groups, hex.EncodeToString(chunk))
	}
	return strings.Join(groups, " ")
}

// writeHex writes bytes, 32 a line.
func writeHex(w io.Writer, title string, b []byte) {
	if len(b) == 0 {
		fmt.Fprintf(w, "%snothing\n", title)
	}
	for chunk := range slices.Chunk(b, 32) {
		fmt.Fprintf(w, "%s%s\n", title, spaced(chunk))
		title = strings.Repeat(" ", len(title))
	}
}

// column is how wide a trace is shown.
const column = 54

// writeRows writes the two traces side by side.
func (c *Counterexample) writeRows(w io.Writer) {
	if len(c.rows) == 0 {
		return
	}
	fmt.Fprintf(w, "    %-*s   %s\n", column, "original", "rewritten")
	if c.cut > 0 {
		fmt.Fprintf(w, "    ... %d instructions before\n", c.cut)
	}
	for n, r := range c.rows {
		mark := "    "
		if n == c.part {
			mark = "  > "
		}
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%s%-*s | %s", mark, column, cut(r.before), cut(r.after)), " |"))
	}
}

func cut(s string) string {
	if r := []rune(s); len(r) > column {
		return string(r[:column-1]) + "~"
	}
	return s
}

// gap names an instruction that was not run.
func gap(u *code.Unit, f *code.Func, i int, slots []int, what string) Gap {
	in := f.Insns[i]
	dest := ""
	if in.Target >= 0 && int(in.Target) < len(slots) {
		dest = fmt.Sprint(slots[in.Target])
	}
	g := Gap{Func: f.Name, Insn: i, Slot: slots[i], Text: listing.Insn(u, in, dest), What: what}
	if line := f.LineAt(i); line != nil {
		g.Line = fmt.Sprintf("%s:%d", path.Base(line.File), line.Number)
	}
	return g
}
