package layouts

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Errors is everything that is wrong with a layout file, in the order of the
// file.
type Errors struct {
	List []Error
	// Dropped counts the errors beyond those in List.
	Dropped int
}

// Error is one fault of a layout file.
type Error struct {
	Pos  Pos
	Text string // what was found and what was wanted
}

// maxErrors is as many as anyone reads at a time.
const maxErrors = 100

func (e Error) Error() string { return e.Pos.String() + ": " + e.Text }

// Error gives one line for each fault.
func (e *Errors) Error() string {
	lines := make([]string, 0, len(e.List)+1)
	for _, err := range e.List {
		lines = append(lines, err.Error())
	}
	if e.Dropped > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", e.Dropped))
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives errors.As and errors.Is the single faults.
func (e *Errors) Unwrap() []error {
	list := make([]error, len(e.List))
	for i, err := range e.List {
		list[i] = err
	}
	return list
}

func (e *Errors) addf(pos Pos, format string, args ...any) {
	if len(e.List) == maxErrors {
		e.Dropped++
		return
	}
	e.List = append(e.List, Error{pos, fmt.Sprintf(format, args...)})
}

// orNil sorts the errors and returns them, or nil when there are none.
func (e *Errors) orNil() error {
	if len(e.List) == 0 {
		return nil
	}
	slices.SortStableFunc(e.List, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column))
	})
	return e
}

// String is the place as compilers write it: "i40e.yaml:31:9".
func (p Pos) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// nearest returns the one of names that is name with few letters changed, "" if
// none is near.
func nearest(name string, names []string) string {
	best, bestDistance := "", 1+max(1, len(name)/3)
	for _, n := range names {
		if d := distance(name, n); d < bestDistance {
			best, bestDistance = n, d
		}
	}
	return best
}

// distance is how many letters must be added, dropped or replaced to make a of b
// (Levenshtein). Names are short; a longer text is far from all of them.
func distance(a, b string) int {
	if max(len(a), len(b)) > maxName {
		return maxName
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
