package draw

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hintjit/hintjit/internal/paragraph"
	"github.com/hintjit/hintjit/layouts"
)

const (
	margin = 17 // columns left of the picture: offset and words
	// keys stand for the names that are too long for their bits; a descriptor has at
	// most 64 fields.
	keys = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789#@"
)

// Text draws a descriptor in lines of at most 100 columns. What has no room in
// the picture is below it.
func Text(d *layouts.Descriptor) string {
	t := &text{picture: newPicture(d), keys: map[*layouts.Field]string{}}
	t.chooseKeys()
	if len(t.rows) > 0 {
		t.numbers()
		for i := range t.rows {
			t.border(i)
			t.row(i)
		}
		t.border(len(t.rows))
	}
	t.legend()
	return t.b.String()
}

type text struct {
	*picture
	keys map[*layouts.Field]string // for fields that do not have room for a name
	b    strings.Builder
}

// room is how many characters a cell has.
func (c *cell) room() int { return 2*c.bits() - 1 }

// chooseKeys gives every field that has no room for its name in some place a
// letter, in the layout's order.
func (t *text) chooseKeys() {
	narrow := map[*layouts.Field]bool{}
	for i := range t.rows {
		for _, c := range t.rows[i].cells {
			if c.field != nil && !t.halved(i) && len(c.label(c.field.Name)) > c.room() {
				narrow[c.field] = true
			}
		}
	}
	n := 0
	for _, f := range t.desc.Fields {
		if narrow[f] {
			t.keys[f] = keys[n : n+1]
			n++
		}
	}
}

// halved tells whether a row is one of two that make one cell.
func (p *picture) halved(i int) bool {
	return p.rows[i].goesOn || i+1 < len(p.rows) && p.rows[i+1].goesOn
}

func (t *text) line(left, s string) {
	fmt.Fprintln(&t.b, strings.TrimRight(fmt.Sprintf("%-*s%s", margin, left, s), " "))
}

// numbers are the bits' over the picture: the tens where they change, the ones.
func (t *text) numbers() {
	var tens, ones strings.Builder
	for column := rowBits - 1; column >= 0; column-- {
		n := number(t.desc, column)
		ten := " "
		if first := column == rowBits-1 || number(t.desc, column+1) < n; first || n%10 == 9 {
			ten = fmt.Sprint(n / 10)
		}
		fmt.Fprintf(&tens, " %s", ten)
		fmt.Fprintf(&ones, " %d", n%10)
	}
	t.line("", tens.String())
	t.line("byte  word", ones.String())
}

// border is the line between rows i-1 and i.
func (t *text) border(i int) {
	line := []byte(strings.Repeat(" ", 2*rowBits+1))
	if i < len(t.rows) && t.rows[i].goesOn {
		line[0], line[len(line)-1] = '+', '+'
		t.line("", string(line))
		return
	}
	for _, k := range []int{i - 1, i} {
		if k < 0 || k >= len(t.rows) {
			continue
		}
		for _, c := range t.rows[k].cells {
			if c.beyond {
				continue
			}
			from, to := 2*(rowBits-1-c.left), 2*(rowBits-c.right)
			for x := from; x <= to; x++ {
				if line[x] == ' ' {
					line[x] = '-'
				}
			}
			line[from], line[to] = '+', '+'
		}
	}
	t.line("", string(line))
}

// row is the lines of names and hints of a row.
func (t *text) row(i int) {
	r := &t.rows[i]
	left := fmt.Sprintf("%4d  %s", r.offset, r.words)
	if r.bytes > rowBytes {
		t.line(fmt.Sprintf("%4d", r.offset), ":"+centered(fmt.Sprintf("%d bytes without fields", r.bytes), 2*rowBits-1)+":")
		return
	}
	var names, hints []string
	some := false
	for k := range r.cells {
		c := &r.cells[k]
		name, hint := t.cell(i, c)
		names, hints = append(names, centered(name, c.room())), append(hints, centered(hint, c.room()))
		some = some || hint != ""
	}
	t.line(left, r.fenced(names))
	if some {
		t.line("", r.fenced(hints))
	}
}

// cell is what stands in a cell of row i.
func (t *text) cell(i int, c *cell) (name, hint string) {
	if c.field == nil {
		return "", ""
	}
	if t.rows[i].goesOn { // its name is in the row above
		return fitting(t.gives(c.field), c.room()), ""
	}
	if t.halved(i) {
		return c.field.Name, ""
	}
	if key := t.keys[c.field]; key != "" {
		if long := c.label(key); len(long) <= c.room() {
			return long, ""
		}
		return key, ""
	}
	return c.label(c.field.Name), fitting(t.gives(c.field), c.room())
}

func fitting(s string, room int) string {
	if len(s) > room {
		return ""
	}
	return s
}

// fenced puts bars between what stands in the cells, and none where there is no
// memory.
func (r *row) fenced(inside []string) string {
	line := ""
	for k, s := range inside {
		bar := "|"
		if r.cells[k].beyond && (k == 0 || r.cells[k-1].beyond) {
			bar = " "
		}
		line += bar + s
	}
	if !r.cells[len(r.cells)-1].beyond {
		line += "|"
	}
	return line
}

func centered(s string, room int) string {
	left := (room - len(s)) / 2
	return strings.Repeat(" ", left) + s + strings.Repeat(" ", room-left-len(s))
}

// legend explains the letters, what had no room, and what lies elsewhere.
func (t *text) legend() {
	in, beside := t.split()
	in = slices.DeleteFunc(in, func(f *layouts.Field) bool { return t.keys[f] == "" && t.shown(f) })
	for _, part := range []struct {
		title string
		list  []*layouts.Field
	}{{"", in}, {"beside the descriptor", beside}} {
		if len(part.list) == 0 {
			continue
		}
		if t.b.Len() > 0 {
			fmt.Fprintln(&t.b)
		}
		if part.title != "" {
			fmt.Fprintln(&t.b, "  "+part.title)
		}
		names, places := 0, 0
		for _, f := range part.list {
			names, places = max(names, len(f.Name)), max(places, len(t.desc.Where(f)))
		}
		for _, f := range part.list {
			prefix := fmt.Sprintf("  %-1s %-*s  %-*s ", t.keys[f], names, f.Name, places, t.desc.Where(f))
			hang := len(prefix)
			if hang > paragraph.Width/2 {
				hang = 8
			}
			paragraph.Write(&t.b, prefix, hang, t.purpose(f))
		}
	}
}

// shown tells whether a field's cells say all of its hints.
func (t *text) shown(f *layouts.Field) bool {
	gives := t.gives(f)
	if u := t.uses[f]; u.every || len(u.asked) > 0 {
		return false
	}
	for i := range t.rows {
		for k := range t.rows[i].cells {
			if c := &t.rows[i].cells[k]; c.field == f && len(gives) > c.room() {
				return false
			}
		}
	}
	return true
}
