package layouts

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write testdata/mutants.txt, docs/coverage.md and README's summary of it anew")

// reachOf says by which reach a layout gives a hint: "walk" where a way of a stock
// kernel leads to it, "meta" where the raw descriptor alone holds it, "" for
// never.
func reachOf(l *Layout, hint string) string {
	reach := ""
	for _, d := range l.Descriptors {
		walked := d.Restrict(func(s *State) bool {
			return slices.ContainsFunc(l.WalksTo(d), func(w *Walk) bool {
				_, ok := w.TypeOf(s.At.Value)
				return ok && w.Refuse == ""
			})
		})
		sound := slices.ContainsFunc(l.WalksTo(d), func(w *Walk) bool { return w.Refuse == "" })
		switch {
		case sound && walked.Hint(hint) != nil:
			return "walk"
		case d.Bare().Hint(hint) != nil:
			reach = "meta"
		}
	}
	return reach
}

// kfuncOf is the kernel from which on a kfunc of mainline gives a hint, "" for
// never.
func kfuncOf(since map[string]string, hint string) string {
	for _, k := range KfuncHints {
		if slices.Contains(k.Hints, hint) {
			return since[k.Name]
		}
	}
	return ""
}

// coverage is the table of docs/coverage.md and what README shows of it.
type coverage struct {
	layouts []*Layout
	kfuncs  *Kfuncs
}

func newCoverage(t *testing.T) *coverage {
	t.Helper()
	c := &coverage{}
	for _, nic := range Names() {
		l, err := Shipped(nic)
		require.NoError(t, err)
		c.layouts = append(c.layouts, l)
	}
	var err error
	c.kfuncs, err = MainlineKfuncs()
	require.NoError(t, err)
	return c
}

// cell is what the table says of a hint of a NIC.
func (c *coverage) cell(l *Layout, hint string) string {
	reach, since := reachOf(l, hint), kfuncOf(c.kfuncs.Of(l), hint)
	switch {
	case reach == "" && since == "":
		return "-"
	case since == "":
		return reach
	case reach == "":
		return fmt.Sprintf("kfunc %s", since)
	}
	return fmt.Sprintf("%s, kfunc %s", reach, since)
}

const coverageHead = "# What is covered\n" + `
Every driver with a layout, every standard hint, and how it is had. This page is written from the layouts by
` + "`go test ./layouts -update`" + `; ` + "`hintjit nics NIC`" + ` tells the same of one NIC, with bits, conditions, sources and the reason
of each absence.

- **walk**: on stock kernels, through the driver's own structures ([reach.md](reach.md)); with ` + "`--reach meta`" + ` as well, where
  it lies in the descriptor itself
- **meta**: only where the raw descriptor lies in the metadata area
`

// document is docs/coverage.md.
func (c *coverage) document(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	item := func(format string, args ...any) { wrapWords(&b, "  ", "- "+fmt.Sprintf(format, args...)) }
	fmt.Fprint(&b, coverageHead)
	item("**kfunc**: mainline kernels answer it by a metadata kfunc, from the kernel that is named on (read: %s); "+
		"hintjit does not use them, they stand here to compare", strings.Join(c.kfuncs.Kernels, ", "))
	item("**-**: never; the NIC does not tell, or there is no sound way")
	half := (len(StandardHints) + 1) / 2
	for _, hints := range [][]Standard{StandardHints[:half], StandardHints[half:]} {
		fmt.Fprintf(&b, "\n| NIC")
		for _, h := range hints {
			fmt.Fprintf(&b, " | %s", h.Name)
		}
		fmt.Fprintf(&b, " |\n|---%s|\n", strings.Repeat("|---", len(hints)))
		for _, l := range c.layouts {
			fmt.Fprintf(&b, "| %s", l.NIC)
			for _, h := range hints {
				fmt.Fprintf(&b, " | %s", c.cell(l, h.Name))
			}
			fmt.Fprintln(&b, " |")
		}
	}
	fmt.Fprint(&b, "\n## Hints of one's own\n\nMembers that `bpf/hintjit.h` does not have and a program may declare:\n\n")
	for _, l := range c.layouts {
		if own := c.own(l); len(own) > 0 {
			item("%s: %s", l.NIC, strings.Join(own, ", "))
		}
	}
	fmt.Fprint(&b, "\n## Where there is no way\n\nWalks are chosen by what a kernel's BTF has. On some kernels there is no sound one:\n\n")
	for _, l := range c.layouts {
		for _, w := range l.Walks {
			if w.Refuse != "" {
				item("%s, %s: %s", l.NIC, c.where(w), w.Refuse)
			}
		}
		if len(l.Walks) == 0 {
			item("%s: no way is known", l.NIC)
		}
	}
	fmt.Fprint(&b, "\n## Drivers that can not be supported\n\n")
	all, err := Unsupported()
	require.NoError(t, err)
	for _, u := range all {
		item("%s: %s (%s)", strings.Join(u.Names, ", "), u.Why, u.Source)
	}
	return b.String()
}

// own lists a layout's hints that are not in the header.
func (c *coverage) own(l *Layout) (names []string) {
	for _, d := range l.Descriptors {
		for _, h := range d.Hints {
			if standard(h.Name) == nil && !slices.Contains(names, h.Name) {
				names = append(names, h.Name)
			}
		}
	}
	return names
}

// where says which kernels a walk is for.
func (c *coverage) where(w *Walk) string {
	var parts []string
	for _, q := range w.Has {
		parts = append(parts, "where there is `"+q.String()+"`")
	}
	for _, q := range w.Lacks {
		parts = append(parts, "where there is no `"+q.String()+"`")
	}
	if len(parts) == 0 {
		return "elsewhere"
	}
	return strings.Join(parts, " and ")
}

// summary is what README shows: how many NICs give each hint, and of how many
// the kernel's own kfuncs do.
func (c *coverage) summary() string {
	var names []string
	for _, l := range c.layouts {
		name := "`" + l.NIC + "`"
		if len(l.Aliases) > 0 {
			name += " (" + strings.Join(l.Aliases, ", ") + ")"
		}
		names = append(names, name)
	}
	var b strings.Builder
	wrapWords(&b, "", fmt.Sprintf("%d drivers, by the names that `ethtool -i` shows: %s.", len(names), strings.Join(names, ", ")))
	last := c.kfuncs.Kernels[len(c.kfuncs.Kernels)-1]
	fmt.Fprintf(&b, "\n| hint | drivers, on stock kernels | mainline's kfuncs (%s) |\n|---|---|---|\n", last)
	var none []string
	for _, h := range StandardHints {
		walks, kfuncs := 0, 0
		for _, l := range c.layouts {
			if reachOf(l, h.Name) == "walk" {
				walks++
			}
		}
		for _, since := range c.kfuncs.Drivers {
			if kfuncOf(since, h.Name) != "" {
				kfuncs++
			}
		}
		if walks == 0 && kfuncs == 0 {
			none = append(none, "`"+h.Name+"`")
			continue
		}
		fmt.Fprintf(&b, "| `%s` | %d | %d |\n", h.Name, walks, kfuncs)
	}
	own := 0
	for _, l := range c.layouts {
		own += len(c.own(l))
	}
	fmt.Fprintf(&b, "| of one NIC's own | %d hints | 0 |\n\n", own)
	if len(none) > 0 {
		wrapWords(&b, "", "No driver gives "+strings.Join(none, ", ")+" there.")
	}
	return b.String()
}

// wrapWords writes words in lines of at most 118 columns, behind indent from the
// second on.
func wrapWords(b *strings.Builder, indent, words string) {
	column := 0
	for word := range strings.FieldsSeq(words) {
		switch {
		case column == 0:
		case column+1+len(word) > 118:
			b.WriteString("\n" + indent)
			column = len(indent)
		default:
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += len(word)
	}
	b.WriteString("\n")
}

const (
	summaryBegin = "<!-- coverage: written by go test ./layouts -update -->\n"
	summaryEnd   = "<!-- end of coverage -->\n"
)

// TestCoverage wants docs/coverage.md, and README's summary of it, to be what the
// layouts say.
func TestCoverage(t *testing.T) {
	c := newCoverage(t)
	stale := func(file, have string) {
		t.Helper()
		if *update {
			require.NoError(t, os.WriteFile(file, []byte(have), 0o644))
			return
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(want), have, "%s: go test ./layouts -update writes it anew", file)
	}
	stale("../docs/coverage.md", c.document(t))
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(readme), summaryBegin)
	require.True(t, ok, "README.md: want %s", summaryBegin)
	_, after, ok := strings.Cut(rest, summaryEnd)
	require.True(t, ok, "README.md: want %s", summaryEnd)
	stale("../README.md", before+summaryBegin+c.summary()+summaryEnd+after)
}

// TestCells tells the cells of the table apart.
func TestCells(t *testing.T) {
	l, err := Load("x.yaml", []byte(`
nic: x
aliases: [veth]
descriptors:
  - name: a
    size: 8
    word: le32
    ready: [done]
    fields: {done: "w0[0]", hash: w1, queue: {at: "rxq.queue_index:u16"}}
    hints: {rx_hash: {from: hash}, rx_queue: {from: queue}}
  - {name: b, extends: a, size: 8, ready: [done], hints: {pkt_len: {from: hash}, csum: {from: queue}}}
  - {name: c, extends: a, size: 8, ready: [done], hints: {flow_mark: {from: hash}, rx_hash: {from: hash}}}
walk:
  - {name: no, refuse: no way, has: [ring.b]}
  - {name: way, steps: ["desc = xdp.data"]}
  - {name: other, descriptor: b, refuse: no way}
`))
	require.NoError(t, err)
	c := newCoverage(t)
	for hint, want := range map[string]string{
		"rx_hash":      "walk, kfunc 6.5",
		"rx_hash_type": "kfunc 6.5",
		"vlan_tci":     "kfunc 6.8",
		"rx_queue":     "walk",
		"pkt_len":      "meta",
		"flow_mark":    "meta",
		"csum":         "-",
		"ptype":        "-",
	} {
		require.Equal(t, want, c.cell(l, hint), hint)
	}
}
