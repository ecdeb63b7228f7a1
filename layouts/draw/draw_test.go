package draw

import (
	"encoding/xml"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/paragraph"
	"github.com/hintjit/hintjit/layouts"
)

var update = flag.Bool("update", false, "draw testdata, docs/descriptors and docs/descriptors.md anew")

// drawn are the descriptors of all layouts, shipped and of tests.
func drawn(t *testing.T) map[string]*layouts.Descriptor {
	t.Helper()
	all := map[string]*layouts.Descriptor{}
	files, err := filepath.Glob("../*.yaml")
	require.NoError(t, err)
	for _, file := range append(files, "../testdata/whole.yaml", "testdata/sparse.yaml") {
		l, err := layouts.LoadFile(file)
		require.NoError(t, err)
		for _, d := range l.Descriptors {
			all[l.NIC+"."+d.Name] = d
		}
	}
	crowded, err := layouts.Load("crowded", []byte(crowded()))
	require.NoError(t, err)
	all["crowded"] = crowded.Descriptors[0]
	require.Greater(t, len(all), 10)
	return all
}

// crowded is a layout with as many fields as there may be, none of which has room
// for its name.
func crowded() string {
	var b strings.Builder
	b.WriteString("nic: crowded\ndescriptors:\n  - {name: d, size: 8, word: be64, ready: [field_0], fields: {")
	for f := range 64 {
		fmt.Fprintf(&b, "field_%d: \"w0[%d]\", ", f, f)
	}
	b.WriteString("}}\n")
	return b.String()
}

// requireOwners holds a picture against Field.Value: the field in whose place a
// bit stands is the one whose value it changes.
func requireOwners(t *testing.T, d *layouts.Descriptor, at func(offset, column int) (field string, there bool)) {
	t.Helper()
	for offset := range (d.Size + 3) / 4 {
		for column := range 32 {
			n := 4*offset + column/8
			if d.Word.BigEndian {
				n = 4*offset + 3 - column/8
			}
			have, there := at(4*offset, column)
			require.Equal(t, n < d.Size, there, "byte %d", n)
			if !there {
				continue
			}
			desc := make([]byte, d.RecordSize())
			desc[n] = 1 << (column % 8)
			want := ""
			for _, f := range d.Fields {
				if f.Value(d, desc) != 0 {
					want = f.Name
				}
			}
			require.Equal(t, want, have, "byte %d bit %d", n, column%8)
		}
	}
}

var (
	textRow = regexp.MustCompile(`^ {0,3}(\d+)  (w\S+(?: w\S+)*) *$`)
	textGap = regexp.MustCompile(`:\s+(\d+) bytes without fields\s+:$`)
	textKey = regexp.MustCompile(`(?m)^  (\S) (\w+) +(?:w\d+|\S+)`)
)

// TestText wants every bit in the place of its field, under the field's name or
// letter, and everything within the width.
func TestText(t *testing.T) {
	for name, d := range drawn(t) {
		t.Run(name, func(t *testing.T) {
			picture := Text(d)
			for line := range strings.Lines(picture) {
				require.LessOrEqual(t, len(strings.TrimRight(line, "\n")), paragraph.Width)
			}
			letters := map[string]string{}
			for _, m := range textKey.FindAllStringSubmatch(picture, -1) {
				require.NotContains(t, letters, m[1])
				letters[m[1]] = m[2]
			}
			rows := map[int]string{}
			before := ""
			for line := range strings.Lines(picture) {
				line = strings.TrimRight(line, "\n")
				if len(line) < margin {
					continue
				}
				if m := textRow.FindStringSubmatch(line[:margin]); m != nil {
					offset := decimal(t, m[1])
					if strings.Trim(before[margin:], " +") == "" { // goes on with what is above
						line = rows[offset-4]
					}
					rows[offset] = line
				}
				if m := textGap.FindStringSubmatch(line); m != nil {
					from := decimal(t, strings.TrimSpace(line[:margin]))
					for i := range decimal(t, m[1]) / 4 {
						rows[from+4*i] = strings.Repeat(" ", margin) + "|" + strings.Repeat(" ", 63) + "|"
					}
				}
				before = line
			}
			requireOwners(t, d, func(offset, column int) (string, bool) {
				line := fmt.Sprintf("%-*s", margin+65, rows[offset])
				at := margin + 1 + 2*(31-column)
				left, right := strings.LastIndex(line[:at], "|"), strings.Index(line[at:], "|")
				if left < margin || right < 0 {
					return "", false
				}
				label, _, _ := strings.Cut(strings.TrimSpace(line[left+1:at+right]), "[")
				if field, ok := letters[label]; ok {
					label = field
				}
				return label, true
			})
			for _, h := range d.Hints {
				for _, a := range h.Alternatives {
					if a.From != nil {
						require.Regexp(t, `-> [^;|]*\b`+h.Name+`\b`, strings.Join(strings.Fields(picture), " "))
					}
				}
			}
		})
	}
}

func decimal(t *testing.T, digits string) int {
	t.Helper()
	n, err := strconv.Atoi(digits)
	require.NoError(t, err)
	return n
}

type element struct {
	X      int    `xml:"x,attr"`
	Y      int    `xml:"y,attr"`
	Width  int    `xml:"width,attr"`
	Height int    `xml:"height,attr"`
	Fill   string `xml:"fill,attr"`
	Title  string `xml:"title"`
	Text   string `xml:",chardata"`
}

// TestSVG wants the same of the SVG, of which boxes with a title are fields.
func TestSVG(t *testing.T) {
	for name, d := range drawn(t) {
		t.Run(name, func(t *testing.T) {
			var image struct {
				Rects []element `xml:"rect"`
				Texts []element `xml:"text"`
			}
			require.NoError(t, xml.Unmarshal(SVG(d), &image))
			var lefts, tops []int // of rows, by what stands left of them
			for _, text := range image.Texts {
				if text.X == 30 {
					lefts, tops = append(lefts, decimal(t, text.Text)), append(tops, text.Y)
				}
			}
			requireOwners(t, d, func(offset, column int) (string, bool) {
				i, exact := slices.BinarySearch(lefts, offset)
				if !exact {
					i-- // in a gap
				}
				x := left + (31-column)*bitWidth + bitWidth/2
				for _, r := range image.Rects[1:] {
					if r.X < x && x < r.X+r.Width && r.Y < tops[i] && tops[i] <= r.Y+r.Height {
						field, _, _ := strings.Cut(r.Title, " ")
						return field, true
					}
				}
				return "", false
			})
			var beside []string
			for _, text := range image.Texts {
				if text.X == left {
					beside = append(beside, text.Text)
				}
			}
			for _, f := range d.Fields {
				require.Equal(t, f.Bits[0].Word >= layouts.FirstState, slices.Contains(beside, f.Name), f.Name)
			}
		})
	}
}

// TestGolden shows what pictures look like.
func TestGolden(t *testing.T) {
	l, err := layouts.LoadFile("testdata/sparse.yaml")
	require.NoError(t, err)
	var b strings.Builder
	for _, d := range l.Descriptors {
		fmt.Fprintf(&b, "%s\n%s\n", d.Name, Text(d))
	}
	golden(t, "testdata/sparse.txt", []byte(b.String()))
}

// golden compares with a file, or writes it.
func golden(t *testing.T, file string, have []byte) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(file, have, 0o644))
		return
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "go test ./layouts/draw -update draws it")
	assert.Equal(t, string(want), string(have), "%s: go test ./layouts/draw -update draws it anew", file)
}

const page = `# Descriptors

What the layouts say of each descriptor, drawn by ` + "`hintjit nics NIC --draw=svg`" + ` (` + "`--draw`" + ` draws the same in text): 32 bits
a row, the most significant on the left. Blue fields give hints, whose names stand after the arrow; yellow ones tell
whether hints are valid. What each hint means and when it is there, ` + "`hintjit nics NIC`" + ` tells. This page is written
by ` + "`go test ./layouts/draw -update`" + `.
`

// TestDocs wants docs/descriptors to be the pictures of the shipped layouts, and
// nothing else.
func TestDocs(t *testing.T) {
	const docs = "../../docs"
	var b strings.Builder
	b.WriteString(page)
	var files []string
	for _, nic := range layouts.Names() {
		l, err := layouts.Shipped(nic)
		require.NoError(t, err)
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", nic, l.Doc)
		for _, d := range l.Descriptors {
			name := nic + "." + d.Name + ".svg"
			files = append(files, filepath.Join(docs, "descriptors", name))
			golden(t, files[len(files)-1], SVG(d))
			fmt.Fprintf(&b, "\n`%s`, %s\n\n![%s %s](descriptors/%s)\n", d.Name, d.Doc, nic, d.Name, name)
		}
	}
	golden(t, docs+"/descriptors.md", []byte(b.String()))
	have, err := filepath.Glob(docs + "/descriptors/*")
	require.NoError(t, err)
	for _, file := range have {
		if *update && !slices.Contains(files, file) {
			require.NoError(t, os.Remove(file))
		}
	}
	if !*update {
		require.ElementsMatch(t, files, have)
	}
}
