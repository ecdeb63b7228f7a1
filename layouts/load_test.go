package layouts

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestErrors loads the files of testdata/errors. Each message that is expected
// stands in the line it is about, behind ###; the whole of it or its part after
// "descriptor a: ". What is not expected there is a failure, as is what is not
// found.
func TestErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			l, err := Load("x.yaml", data)
			require.Nil(t, l)
			var found *Errors
			require.ErrorAs(t, err, &found)
			require.Zero(t, found.Dropped)

			byLine := make(map[int][]string)
			for i, e := range found.List {
				byLine[e.Pos.Line] = append(byLine[e.Pos.Line], e.Text)
				require.Equal(t, "x.yaml", e.Pos.File)
				require.Positive(t, e.Pos.Column)
				if i > 0 {
					require.LessOrEqual(t, found.List[i-1].Pos.Line, e.Pos.Line, "errors are in the file's order")
				}
			}
			for i, line := range strings.Split(string(data), "\n") {
				for _, want := range strings.Split(line, "###")[1:] {
					if !take(byLine, i+1, strings.TrimSpace(want)) {
						t.Errorf("line %d: no error %q in %q", i+1, strings.TrimSpace(want), byLine[i+1])
					}
				}
			}
			for line, texts := range byLine {
				for _, text := range texts {
					t.Errorf("line %d: unexpected %q", line, text)
				}
			}
		})
	}
}

// take removes an error that contains the text from a line.
func take(byLine map[int][]string, line int, text string) bool {
	for i, found := range byLine[line] {
		if strings.Contains(found, text) {
			byLine[line] = append(byLine[line][:i:i], byLine[line][i+1:]...)
			return true
		}
	}
	return false
}

// good is a layout that is right, for tests that make one thing wrong.
const good = `nic: x
descriptors:
  - name: a
    size: 8
    word: le64
    ready: [dd]
    fields:
      dd: w0[0]
      fltstat: w0[13:12]
    hints:
      rx_error: {from: fltstat}
`

// TestDocumentedExample loads the example of the format's description.
func TestDocumentedExample(t *testing.T) {
	doc, err := os.ReadFile("../docs/layout-format.md")
	require.NoError(t, err)
	_, example, _ := strings.Cut(string(doc), "```yaml\n")
	example, _, found := strings.Cut(example, "```")
	require.True(t, found)
	_, err = Load("docs/layout-format.md", []byte(example))
	require.NoError(t, err)
}

func TestErrorText(t *testing.T) {
	_, err := Load("dir/i40e.yaml", []byte(strings.Replace(good, "w0[13:12]", "w1[13-12]", 1)+"x: 1\n"))
	require.EqualError(t, err,
		`dir/i40e.yaml:9:16: descriptor a: field fltstat: bad bit range "w1[13-12]": want wN[msb:lsb], wN[bit] or wN`+"\n"+
			`dir/i40e.yaml:12:1: unknown key "x": want one of nic, aliases, module, about, descriptors, maps, walk, never, needs`)
	var first Error
	require.True(t, errors.As(err, &first))
	require.Equal(t, Pos{"dir/i40e.yaml", 9, 16}, first.Pos)
}

// TestNotALayout has what can not be written in the files of TestErrors.
func TestNotALayout(t *testing.T) {
	many := func(format string, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	base, _, _ := strings.Cut(good, "    hints:")
	tests := []struct{ name, file, want string }{
		{"empty", "", "x.yaml:1:1: the file is empty: want a layout, which starts with nic:"},
		{"comment", "# only\n", "x.yaml:1:1: the file is empty: want a layout, which starts with nic:"},
		{"nothing", "---\n", `x.yaml:2:1: found nothing, want a mapping (key: value)`},
		{"two documents", good + "---\nnic: y\n", "x.yaml:12:1: a second document: want one layout in a file"},
		{"faulty second document", good + "---\n[", "x.yaml:14:1: not YAML while parsing a flow node: did not find expected node content"},
		{"not UTF-8", "nic: x\n# \xff\n", "x.yaml:2:3: byte 0xff is not UTF-8"},
		{"UTF-16", "\xff\xfen\x00", "x.yaml:1:1: byte 0xff is not UTF-8"},
		{"control character", "nic: x\x01\n", "x.yaml:1:7: control character U+0001: want plain text"},
		{"directive", "%YAML 1.1\n---\n" + good, "x.yaml:1:1: a YAML directive: want none"},
		{"unknown anchor", "nic: *x\n", "x.yaml:1:6: not YAML: unknown anchor 'x' referenced"},
		{"anchor that holds itself", "nic: &a [*a]\n", "x.yaml:1:6: anchor &a: want none (descriptors share fields with extends)"},
		{"deep", strings.Repeat("[", 20000), "x.yaml:1:10001: not YAML while increasing flow level: exceeded max depth of 10000"},
		{"large", strings.Repeat("#", maxFile+1), "x.yaml:1:1: the file has 1048577 bytes: want at most 1048576"},
		{
			"many fields", base + many("      f%d: w0[1]\n", maxItems),
			"descriptor a: field f62: want at most 64 fields in a descriptor",
		},
		{
			"many hints", base + "    hints:\n" + many("      h%d: {type: u8, value: 1}\n", maxItems+1),
			"x.yaml:75:7: descriptor a: hints: entry 65: want at most 64",
		},
		{
			"many conditions", base + "    hints:\n      csum: {value: 1, when: [" + strings.Repeat("dd,", maxSteps+1) + "]}\n",
			"descriptor a: hint csum: when: item 17: want at most 16",
		},
		{
			"many constants", base + "    hints:\n      csum: {value: 1, when: [dd == 0" + many("|%d", maxItems+1)[2:] + "]}\n",
			`want at most 64 numbers`,
		},
		{
			"many values", good + "maps:\n  m:\n    values:\n" + many("      %d: 1\n", 1<<maxMapWidth+1),
			"map m: more than 65536 values",
		},
		{"long name", strings.Replace(good, "nic: x", "nic: "+strings.Repeat("x", maxName+1), 1), `nic: bad name "xxx`},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Load("x.yaml", []byte(tc.file))
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"ice", "ice", 0},
		{"i40", "i40e", 1},
		{"ai40e", "i40e", 1},
		{"i4oe", "i40e", 1},
		{"kitten", "sitting", 3},
		{strings.Repeat("a", maxName+1), "a", maxName},
	}
	for _, tc := range tests {
		require.Equal(t, tc.want, distance(tc.a, tc.b), "%s %s", tc.a, tc.b)
	}
	require.Equal(t, "bbd", nearest("bbc", []string{"aaa", "bbd", "bbe"}), "the first of the nearest")
	require.Empty(t, nearest("bbc", []string{"abd"}))
}

// TestLimitsAreReached loads what is just within bounds.
func TestLimitsAreReached(t *testing.T) {
	var values strings.Builder
	for i := range 1 << maxMapWidth {
		fmt.Fprintf(&values, "    %d: 1\n", i)
	}
	file := strings.NewReplacer("w0[13:12]", "w0[63:48]", "{from: fltstat}", "{from: fltstat, map: m}").Replace(good)
	l, err := Load("x.yaml", []byte(file+"maps:\n  m:\n   values:\n"+values.String()))
	require.NoError(t, err)
	require.Len(t, l.Descriptors[0].Hints[0].Alternatives[0].Map.Values, 1<<maxMapWidth)
}

func TestErrorsAreBounded(t *testing.T) {
	_, err := Load("x.yaml", []byte(good+strings.Repeat("- ", 3)))
	require.Error(t, err)
	var b strings.Builder
	b.WriteString(good)
	for i := range maxErrors + 7 {
		fmt.Fprintf(&b, "k%d: 1\n", i)
	}
	_, err = Load("x.yaml", []byte(b.String()))
	require.Len(t, strings.Split(err.Error(), "\n"), maxErrors+1)
	require.ErrorContains(t, err, "\nand 7 more")
}

func TestNotationIsItsOwnInverse(t *testing.T) {
	for _, s := range []string{"w0[0]", "w1[37:30]", "w31[63:0]"} {
		bits, err := parseBits(s, words["le64"])
		require.NoError(t, err)
		require.Equal(t, s, bits[0].String())
	}
	for s, w := range words {
		require.Equal(t, s, w.String())
	}
	for s, d := range types {
		require.Equal(t, s, d.String())
	}
	for _, s := range []string{"dd", "f == 3", "f == 0", "f != 3", "f == 2|6", "f != 0|1|18446744073709551615"} {
		field, c, err := parseCondition(s)
		require.NoError(t, err)
		c.Field = &Field{Name: field}
		require.Equal(t, s, c.String())
	}
	for _, s := range []string{"add 1", "mul 1000000000", "shl 63", "shr 0", "net16", "net32", "sub 448", "sec_ns", "extend32 clock"} {
		c, field, err := parseConversion(s)
		require.NoError(t, err)
		if field != "" {
			c.With = &Field{Name: field}
		}
		require.Equal(t, s, c.String())
	}
}

// TestCheckedValuesFit holds the checker's bounds against the decoder: no value
// that a checked layout gives is cut to fit its member.
func TestCheckedValuesFit(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 20000 {
		width := 1 + random.IntN(64)
		v := random.Uint64() >> (64 - width)
		largest, host := ones(width), []binary.ByteOrder{binary.LittleEndian, binary.BigEndian}[random.IntN(2)]
		for range 3 {
			c := Conversion{Op: ConvOp(random.IntN(len(convOps))), Arg: random.Uint64() >> random.IntN(64)}
			if c.Op == Shl || c.Op == Shr {
				c.Arg %= 64
			}
			next, ok := c.largest(largest)
			if !ok {
				break
			}
			v, largest = c.apply(v, host), next
			require.LessOrEqual(t, v, largest, "%v", c)
		}
	}
}
