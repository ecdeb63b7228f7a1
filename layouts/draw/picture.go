// Package draw makes pictures of descriptors as datasheets have them: rows of 32
// bits, the most significant on the left, in text or as SVG. What is drawn is all
// in the layout.
package draw

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hintjit/hintjit/layouts"
)

// rowBits is how many bits stand side by side, rowBytes the same in bytes.
const (
	rowBits  = 32
	rowBytes = rowBits / 8
)

// picture is a descriptor cut into rows.
type picture struct {
	desc *layouts.Descriptor
	rows []row
	uses map[*layouts.Field]*use
}

// row is four bytes of the descriptor, or a stretch of it without fields.
type row struct {
	offset, bytes int
	words         string // "w0[63:32]", "w3 w2"
	cells         []cell // left to right
	// goesOn says that one field takes this row and the one before.
	goesOn bool
}

// empty tells whether the row has no field.
func (r *row) empty() bool {
	return !slices.ContainsFunc(r.cells, func(c cell) bool { return c.field != nil })
}

// cell is a stretch of bits that belong together.
type cell struct {
	left, right int            // columns, counted from 31 on the left to 0
	beyond      bool           // there is no such memory: the descriptor has ended
	field       *layouts.Field // nil for no field
	msb, lsb    int            // which bits of the field's value these are
}

func (c *cell) bits() int { return c.left - c.right + 1 }

// use is what the hints do with a field.
type use struct {
	gives []string // hints that take their value from it
	asked []string // hints that ask it
	every bool     // it is asked before any hint
}

// newPicture cuts a descriptor into rows.
func newPicture(d *layouts.Descriptor) *picture {
	p := &picture{desc: d, uses: uses(d)}
	owners := owners(d)
	for offset := 0; offset < d.Size; offset += rowBytes {
		r := row{offset: offset, bytes: min(rowBytes, d.Size-offset), words: words(d, offset)}
		for column := rowBits - 1; column >= 0; column-- {
			c := cell{left: column, right: column}
			if at, ok := place(d, offset, column); !ok {
				c.beyond = true
			} else if o, taken := owners[at]; taken {
				c.field, c.msb, c.lsb = o.field, o.bit, o.bit
			}
			r.add(c)
		}
		p.add(r)
	}
	return p
}

// add puts a cell of one column to the right of those there are.
func (r *row) add(c cell) {
	if n := len(r.cells); n > 0 {
		last := &r.cells[n-1]
		if last.field == c.field && last.beyond == c.beyond && (c.field == nil || last.lsb == c.msb+1) {
			last.right, last.lsb = c.right, c.lsb
			return
		}
	}
	r.cells = append(r.cells, c)
}

// add puts a row below those there are. Rows without fields become one.
func (p *picture) add(r row) {
	if n := len(p.rows); n > 0 {
		last := &p.rows[n-1]
		if last.empty() && r.empty() {
			last.bytes += r.bytes
			last.cells = []cell{{left: rowBits - 1}}
			return
		}
		low, high := last.cells[0], r.cells[0]
		if p.desc.Word.BigEndian {
			low, high = high, low
		}
		r.goesOn = len(last.cells) == 1 && len(r.cells) == 1 && low.field == high.field && high.lsb == low.msb+1
	}
	p.rows = append(p.rows, r)
}

// bit is a bit of the descriptor, as layouts count them.
type bit struct{ word, bit int }

// owner is the field that a bit belongs to, and the bit of its value.
type owner struct {
	field *layouts.Field
	bit   int
}

func owners(d *layouts.Descriptor) map[bit]owner {
	owners := map[bit]owner{}
	for _, f := range d.Fields {
		n := 0
		for _, r := range slices.Backward(f.Bits) {
			for b := r.LSB; b <= r.MSB; b++ {
				owners[bit{r.Word, b}] = owner{f, n}
				n++
			}
		}
	}
	return owners
}

// place tells which bit stands in a column of the row at offset: the row is a
// number of 32 bits in the byte order of the words.
func place(d *layouts.Descriptor, offset, column int) (bit, bool) {
	wordBytes := d.Word.Bits / 8
	at := offset + column/8
	if d.Word.BigEndian {
		at = offset + rowBytes - 1 - column/8
	}
	inWord := at % wordBytes
	if d.Word.BigEndian {
		inWord = wordBytes - 1 - inWord
	}
	return bit{at / wordBytes, 8*inWord + column%8}, at < d.Size
}

// words says what of which words a row is.
func words(d *layouts.Descriptor, offset int) string {
	var parts []string
	for column := rowBits - 1; column >= 0; column -= min(rowBits, d.Word.Bits) {
		at, ok := place(d, offset, column)
		switch {
		case !ok:
		case d.Word.Bits > rowBits:
			parts = append(parts, fmt.Sprintf("w%d[%d:%d]", at.word, at.bit, at.bit-rowBits+1))
		default:
			parts = append(parts, fmt.Sprintf("w%d", at.word))
		}
	}
	return strings.Join(parts, " ")
}

// number is what stands over a column: the number of the bit in its word, or in
// its half of a word of 64 bits.
func number(d *layouts.Descriptor, column int) int {
	return column % min(rowBits, d.Word.Bits)
}

func uses(d *layouts.Descriptor) map[*layouts.Field]*use {
	all := map[*layouts.Field]*use{}
	for _, f := range d.Fields {
		all[f] = &use{}
	}
	note := func(list *[]string, name string) {
		if !slices.Contains(*list, name) {
			*list = append(*list, name)
		}
	}
	for _, c := range d.Ready {
		all[c.Field].every = true
	}
	for _, h := range d.Hints {
		for i := range h.Alternatives {
			a := &h.Alternatives[i]
			for _, f := range a.Fields() {
				if f == a.From {
					note(&all[f].gives, h.Name)
				} else {
					note(&all[f].asked, h.Name)
				}
			}
		}
	}
	return all
}

// label is what a cell is called: the field's name, and what part of it this is
// where there are several.
func (c *cell) label(name string) string {
	switch {
	case c.bits() == c.field.Width():
		return name
	case c.msb == c.lsb:
		return fmt.Sprintf("%s[%d]", name, c.msb)
	}
	return fmt.Sprintf("%s[%d:%d]", name, c.msb, c.lsb)
}

// gives names the hints that a field gives, "" for none.
func (p *picture) gives(f *layouts.Field) string {
	if g := p.uses[f].gives; len(g) > 0 {
		return "-> " + strings.Join(g, ", ")
	}
	return ""
}

// purpose says all that the hints do with a field.
func (p *picture) purpose(f *layouts.Field) string {
	u := p.uses[f]
	var parts []string
	if g := p.gives(f); g != "" {
		parts = append(parts, g)
	}
	switch {
	case u.every:
		parts = append(parts, "asked for every hint")
	case len(u.asked) > 0:
		parts = append(parts, "asked for "+strings.Join(u.asked, ", "))
	}
	return strings.Join(parts, "; ")
}

// split lists the fields that lie in the descriptor, and those beside it.
func (p *picture) split() (in, beside []*layouts.Field) {
	for _, f := range p.desc.Fields {
		if p.desc.StateOf(f.Bits[0].Word) != nil {
			beside = append(beside, f)
		} else {
			in = append(in, f)
		}
	}
	return in, beside
}
