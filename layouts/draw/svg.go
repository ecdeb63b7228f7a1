package draw

import (
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/hintjit/hintjit/layouts"
)

// Sizes of the SVG in its own units. A character of the font is letter wide.
const (
	bitWidth  = 28
	left      = 120 // of the picture: offset and words
	right     = 12
	top       = 26 // title and numbers of the bits
	letter    = 6.7
	lineStep  = 14
	rowLeast  = 40
	svgWidth  = left + rowBits*bitWidth + right
	fontStyle = `font-family="ui-monospace, Menlo, Consolas, monospace" font-size="11"`
)

// What a field is there for shows in its colour.
const (
	givesFill = "#d8ebff"
	asksFill  = "#fff0cc"
	otherFill = "#eeeeee"
)

// SVG draws what Text does. A name that is too long for its bits, with the hints it gives, stands upright.
func SVG(d *layouts.Descriptor) []byte {
	s := &svg{picture: newPicture(d)}
	y := 8
	if len(s.rows) > 0 {
		y = top
		for column := range rowBits {
			s.write(s.x(column)+bitWidth/2, y-8, `text-anchor="middle" fill="#666"`, fmt.Sprint(number(d, column)))
		}
	}
	for i := range s.rows {
		y += s.row(i, y)
	}
	y = s.legend(y)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" %s>`+"\n",
		svgWidth, y, svgWidth, y, fontStyle)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#fff"/>`+"\n", svgWidth, y)
	b.WriteString(s.b.String())
	b.WriteString("</svg>\n")
	return []byte(b.String())
}

type svg struct {
	*picture
	b strings.Builder
}

// x is where a column begins.
func (s *svg) x(column int) int { return left + (rowBits-1-column)*bitWidth }

func (s *svg) write(x, y int, attributes, words string) {
	fmt.Fprintf(&s.b, `<text x="%d" y="%d" %s>%s</text>`+"\n", x, y, attributes, escaped(words))
}

// upright writes words from below to above.
func (s *svg) upright(x, y int, attributes, words string) {
	fmt.Fprintf(&s.b, `<text transform="translate(%d %d) rotate(-90)" text-anchor="middle" %s>%s</text>`+"\n",
		x, y, attributes, escaped(words))
}

func escaped(words string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(words)) // a Builder takes all
	return b.String()
}

const hintStyle = `fill="#0550ae"`

// row draws a row at y and returns its height. Two rows that make one cell are
// drawn with the first of them.
func (s *svg) row(i, y int) int {
	r := &s.rows[i]
	height := s.height(r)
	offset := fmt.Sprint(r.offset)
	s.write(30, y+height/2+4, `text-anchor="end" fill="#666"`, offset)
	if r.bytes > rowBytes {
		s.box(r.cells[0], y, height, "#fff", ` stroke-dasharray="4 4"`)
		s.write(s.x(rowBits/2-1), y+height/2+4, `text-anchor="middle" fill="#666"`, fmt.Sprintf("%d bytes without fields", r.bytes))
		return height
	}
	s.write(42, y+height/2+4, `fill="#666"`, r.words)
	for k := range r.cells {
		c := &r.cells[k]
		switch {
		case c.beyond:
		case c.field == nil:
			s.box(*c, y, height, "#fff", "")
		case r.goesOn: // drawn with the row above
		case i+1 < len(s.rows) && s.rows[i+1].goesOn:
			s.box(*c, y, height+s.height(&s.rows[i+1]), s.fill(c.field), "")
			s.name(c, c.field.Name, y, height+s.height(&s.rows[i+1]))
		default:
			s.box(*c, y, height, s.fill(c.field), "")
			s.name(c, c.label(c.field.Name), y, height)
		}
	}
	return height
}

// height is as much as the upright names want.
func (s *svg) height(r *row) int {
	height := rowLeast
	for k := range r.cells {
		if c := &r.cells[k]; c.field != nil && s.isUpright(c) {
			height = max(height, 10+int(letter*float64(max(len(c.label(c.field.Name)), len(s.gives(c.field))))))
		}
	}
	return min(height, 180)
}

func wide(words string) int { return int(letter*float64(len(words))) + 4 }

func (s *svg) isUpright(c *cell) bool {
	return max(wide(c.label(c.field.Name)), wide(s.gives(c.field))) > c.bits()*bitWidth && c.bits() < rowBits/4 ||
		wide(c.label(c.field.Name)) > c.bits()*bitWidth
}

func (s *svg) fill(f *layouts.Field) string {
	switch u := s.uses[f]; {
	case len(u.gives) > 0:
		return givesFill
	case u.every || len(u.asked) > 0:
		return asksFill
	}
	return otherFill
}

func (s *svg) box(c cell, y, height int, fill, attributes string) {
	fmt.Fprintf(&s.b, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s" stroke="#333"%s>`,
		s.x(c.left), y, c.bits()*bitWidth, height, fill, attributes)
	if c.field != nil {
		about := c.field.Name + " " + s.desc.Where(c.field)
		for _, more := range []string{c.field.Doc, s.purpose(c.field), c.field.Source} {
			if more != "" {
				about += "\n" + more
			}
		}
		fmt.Fprintf(&s.b, "<title>%s</title>", strings.ReplaceAll(escaped(about), "&#xA;", "\n"))
	}
	fmt.Fprintln(&s.b, "</rect>")
}

// name writes a cell's name and, where there is room, its hints.
func (s *svg) name(c *cell, name string, y, height int) {
	gives := s.gives(c.field)
	x, middle := s.x(c.left)+c.bits()*bitWidth/2, y+height/2
	switch {
	case !s.isUpright(c) && gives != "" && wide(gives) <= c.bits()*bitWidth:
		s.write(x, middle-3, `text-anchor="middle"`, name)
		s.write(x, middle-3+lineStep, `text-anchor="middle" `+hintStyle, gives)
	case !s.isUpright(c):
		s.write(x, middle+4, `text-anchor="middle"`, name)
	case gives != "" && wide(gives) <= height:
		s.upright(x-4, middle, "", name)
		s.upright(x+8, middle, hintStyle, gives)
	default:
		s.upright(x+4, middle, "", name)
	}
}

// legend says below the picture what the colours mean and what lies elsewhere.
// It returns where it ends.
func (s *svg) legend(y int) int {
	y += lineStep + 4
	x := left
	for _, part := range []struct{ fill, words string }{
		{givesFill, "a hint's value"}, {asksFill, "asked whether hints are valid"}, {otherFill, "of no hint"},
	} {
		if len(s.rows) == 0 {
			break
		}
		fmt.Fprintf(&s.b, `<rect x="%d" y="%d" width="12" height="12" fill="%s" stroke="#333"/>`+"\n", x, y-10, part.fill)
		s.write(x+18, y, "", part.words)
		x += 36 + wide(part.words)
	}
	if len(s.rows) == 0 {
		y -= lineStep + 4
	}
	_, beside := s.split()
	if len(beside) > 0 {
		y += lineStep + 6
		s.write(left, y, `font-weight="bold"`, "beside the descriptor")
	}
	for _, f := range beside {
		y += lineStep + 2
		s.write(left, y, "", f.Name)
		s.write(left+8*bitWidth, y, `fill="#666"`, s.desc.Where(f))
		if gives := s.gives(f); gives != "" {
			s.write(left+18*bitWidth, y, hintStyle, gives)
		}
	}
	return y + lineStep
}
