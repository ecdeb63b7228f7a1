package listing

import (
	"bufio"
	"fmt"
	"io"

	"github.com/hintjit/hintjit/internal/code"
)

// context is how many unchanged instructions are shown on either side of a
// change.
const context = 3

// Diff writes what became of before, a function of beforeUnit, in after, a
// function of afterUnit. A line begins with '-' when it is only in before, '+'
// when it is only in after. A branch that stays shows where it goes in after.
//
// The two are matched by code.Insn.Origin, so after must descend from before.
func Diff(w io.Writer, beforeUnit *code.Unit, before *code.Func, afterUnit *code.Unit, after *code.Func) error {
	d := &diff{
		before: side{beforeUnit, before},
		after:  side{afterUnit, after},
		out:    bufio.NewWriter(w),
	}
	d.align()
	d.name()
	d.write()
	return d.out.Flush()
}

type diff struct {
	before, after side
	rows          []row
	labels        map[int]label // by the row they stand above
	out           *bufio.Writer
}

type side struct {
	unit *code.Unit
	f    *code.Func
}

// row is one line of the result: an instruction of before, of after, or of
// both.
type row struct {
	before, after int // index in the function, absent when it is not in it
	line          *code.Line
	dest          int // the row a branch goes to, absent for all else
}

const absent = -1

func (r row) mark() byte {
	switch {
	case r.after == absent:
		return '-'
	case r.before == absent:
		return '+'
	}
	return ' '
}

// align pairs the instructions that stay. What stays keeps its order, so one
// pass over after finds them; what lies between two of them in before was
// removed, in after inserted.
func (d *diff) align() {
	removedLines := effectiveLines(d.before.f)
	insertedLines := effectiveLines(d.after.f)
	next := 0 // first instruction of before that has no row yet
	var inserted []row
	hunk := func(end int) {
		var removed []row
		for ; next < end; next++ {
			removed = append(removed, row{before: next, after: absent, line: removedLines[next]})
		}
		d.rows = appendByLine(d.rows, removed, inserted)
		inserted = nil
	}
	for j, in := range d.after.f.Insns {
		i := int(in.Origin)
		if i < next || i >= len(d.before.f.Insns) || !d.same(d.before.f.Insns[i], in) {
			inserted = append(inserted, row{before: absent, after: j, line: insertedLines[j]})
			continue
		}
		hunk(i)
		d.rows = append(d.rows, row{before: i, after: j, line: removedLines[i]})
		next++
	}
	hunk(len(d.before.f.Insns))
}

// appendByLine puts what replaces an instruction next to it where a change goes
// over several source lines.
func appendByLine(rows, removed, inserted []row) []row {
	for len(removed) > 0 {
		line := removed[0].line
		for len(removed) > 0 && sameLine(removed[0].line, line) {
			rows, removed = append(rows, removed[0]), removed[1:]
		}
		for len(inserted) > 0 && sameLine(inserted[0].line, line) {
			rows, inserted = append(rows, inserted[0]), inserted[1:]
		}
	}
	return append(rows, inserted...)
}

// effectiveLines carries each line record on to the instructions it covers.
func effectiveLines(f *code.Func) []*code.Line {
	lines := make([]*code.Line, len(f.Insns))
	var now *code.Line
	for i, in := range f.Insns {
		if in.Line != nil {
			now = in.Line
		}
		lines[i] = now
	}
	return lines
}

// same tells whether a and b read the same but for the destination of a branch.
func (d *diff) same(a, b code.Insn) bool {
	return Insn(d.before.unit, a, "") == Insn(d.after.unit, b, "")
}

// label is the name of a row that branches go to, marked like the branches: '-'
// when only removed ones go there, '+' when only inserted ones do.
type label struct {
	name string
	mark byte
}

// name finds the rows that branches go to and names them in their order.
func (d *diff) name() {
	d.follow()
	marks := map[int]byte{}
	for _, r := range d.rows {
		if r.dest == absent {
			continue
		}
		if had, seen := marks[r.dest]; seen && had != r.mark() {
			marks[r.dest] = ' '
		} else {
			marks[r.dest] = r.mark()
		}
	}
	d.labels = map[int]label{}
	for r := range d.rows {
		if mark, is := marks[r]; is {
			d.labels[r] = label{fmt.Sprintf("L%d", len(d.labels)+1), mark}
		}
	}
}

// follow finds the row that each branch goes to.
func (d *diff) follow() {
	rowOfBefore := make([]int, len(d.before.f.Insns))
	rowOfAfter := make([]int, len(d.after.f.Insns))
	for i, r := range d.rows {
		if r.before != absent {
			rowOfBefore[r.before] = i
		}
		if r.after != absent {
			rowOfAfter[r.after] = i
		}
	}
	for i := range d.rows {
		r := &d.rows[i]
		r.dest = absent
		_, in := d.insn(*r)
		switch to := int(in.Target); {
		case to < 0: // not a branch
		case r.after != absent && to < len(rowOfAfter):
			r.dest = d.firstOfChange(rowOfAfter[to])
		case r.after == absent && to < len(rowOfBefore):
			r.dest = rowOfBefore[to]
		}
	}
}

// firstOfChange goes back from an inserted row over the removed ones right
// before it: a branch that led to what is replaced and leads to its replacement
// has one label, above both.
func (d *diff) firstOfChange(i int) int {
	if d.rows[i].before != absent {
		return i
	}
	for i > 0 && d.rows[i-1].after == absent {
		i--
	}
	return i
}

// insn is the instruction that a row shows: the one in after if it has one.
func (d *diff) insn(r row) (*code.Unit, code.Insn) {
	if r.after != absent {
		return d.after.unit, d.after.f.Insns[r.after]
	}
	return d.before.unit, d.before.f.Insns[r.before]
}

func (d *diff) write() {
	fmt.Fprintf(d.out, "%s:\n", title(d.after.f))
	shown := d.shown()
	var last *code.Line
	for i := 0; i < len(d.rows); i++ {
		if !shown[i] {
			first := i
			for i < len(d.rows) && !shown[i] {
				i++
			}
			fmt.Fprintf(d.out, "    ... %d unchanged\n", i-first)
			if i == len(d.rows) {
				break
			}
		}
		r := d.rows[i]
		if label, is := d.labels[i]; is {
			fmt.Fprintf(d.out, "%c %s:\n", label.mark, label.name)
		}
		if r.line != nil && !sameLine(r.line, last) {
			fmt.Fprintf(d.out, "  ; %s\n", lineText(r.line))
			last = r.line
		}
		unit, in := d.insn(r)
		fmt.Fprintf(d.out, "%c     %s\n", r.mark(), Annotated(unit, in, d.labels[r.dest].name))
	}
}

// shown tells which rows are changes, near one, or where a change branches to.
func (d *diff) shown() []bool {
	shown := make([]bool, len(d.rows))
	for i, r := range d.rows {
		if r.mark() == ' ' {
			continue
		}
		for k := max(i-context, 0); k <= min(i+context, len(d.rows)-1); k++ {
			shown[k] = true
		}
		if r.dest != absent {
			shown[r.dest] = true
		}
	}
	return shown
}
