// Package paragraph fits text into the columns that hintjit fills.
package paragraph

import (
	"fmt"
	"io"
	"strings"
)

// Width is how many columns there are.
const Width = 100

// Write writes the words of text after prefix, and goes on in column hang of the next
// line where they are too long for one. A word that has no room in a line of its own
// sticks out.
func Write(w io.Writer, prefix string, hang int, text string) {
	line := prefix
	empty := true // nothing but the prefix is on the line
	for word := range strings.FieldsSeq(text) {
		if !empty && len(line)+1+len(word) > Width {
			fmt.Fprintln(w, line)
			line, empty = strings.Repeat(" ", hang), true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	fmt.Fprintln(w, strings.TrimRight(line, " "))
}
