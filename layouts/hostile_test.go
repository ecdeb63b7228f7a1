package layouts

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// hostile are files of up to a megabyte that want more work than they are long.
var hostile = map[string]func() string{
	"lists in lists":       func() string { return strings.Repeat("[", maxFile-1) },
	"closed lists":         func() string { return "nic: " + strings.Repeat("[", 500000) + strings.Repeat("]", 500000) },
	"items of items":       func() string { return strings.Repeat("- ", 500000) },
	"mappings in mappings": func() string { return strings.Repeat("{a: ", 250000) },
	"keys of keys":         func() string { return strings.Repeat("? ", 500000) },
	"further to the right": func() string {
		var b strings.Builder
		for i := range 1400 {
			fmt.Fprintf(&b, "%*sa:\n", i, "")
		}
		return b.String()
	},
	"unknown keys": func() string {
		var b strings.Builder
		for i := range 90000 {
			fmt.Fprintf(&b, "k%d: 1\n", i)
		}
		return b.String()
	},
	"one key":        func() string { return strings.Repeat("a: 1\n", 200000) },
	"unknown fields": func() string { return hostileFile("ready: [d]", "{from: "+strings.Repeat("x", 60)+"}") },
	"bit ranges":     func() string { return strings.Replace(good, "w0[13:12]", strings.Repeat("w0[0] ", 100000), 1) },
	"numbers":        func() string { return hostileFile("ready: [\"d == "+strings.Repeat("1|", 400000)+"1\"]", "{from: d}") },
	"lines":          func() string { return "nic: |\n" + strings.Repeat(" a\n", 300000) },
	"empty lines":    func() string { return "nic: 'a" + strings.Repeat("\n", 1000000) + "'" },
	"comments":       func() string { return strings.Repeat("#\n", 500000) + "nic: x" },
	"conditions before every alternative": func() string {
		ready := make([]string, 16)
		for i := range ready {
			ready[i] = "d != 1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18|19|20|21|22|23|24|25|26|27|28|29|30|31|32|33|34|35|36"
		}
		return hostileFile("ready: ["+strings.Join(ready, ", ")+", d]", "{from: d, when: [d]}")
	},
	"fields of others": func() string {
		var b strings.Builder
		b.WriteString("nic: x\ndescriptors:\n  - {name: d, size: 256, word: le16, ready: [f0], fields: {")
		for f := range 32 {
			fmt.Fprintf(&b, "f%d: \"", f)
			for i := range 64 {
				fmt.Fprintf(&b, "w%d[%d] ", 4*f+i/16, 15-i%16)
			}
			b.WriteString("\", ")
		}
		b.WriteString("}}\n")
		for d := range 63 {
			fmt.Fprintf(&b, "  - {name: d%d, extends: d, size: 256, ready: [f0]}\n", d)
		}
		return b.String()
	},
}

// hostileFile has as many descriptors, hints and alternatives as there may be in
// a megabyte.
func hostileFile(ready, alternative string) string {
	var b strings.Builder
	b.WriteString("nic: x\ndescriptors:\n")
	one := strings.Repeat(alternative+", ", 16)
	for d := 0; d < 64 && b.Len() < 800000; d++ {
		fmt.Fprintf(&b, "  - {name: d%d, size: 8, word: le64, %s, fields: {d: w0}, hints: {", d, ready)
		for h := 0; h < 64 && b.Len() < 900000; h++ {
			fmt.Fprintf(&b, "h%d: {type: u64, any: [%s]}, ", h, one)
		}
		b.WriteString("}}\n")
	}
	return b.String()
}

// TestHostile wants an error or a layout, for work that is bounded by the file's
// length. Memory taken is the measure of work: unlike time it is the same each
// run.
func TestHostile(t *testing.T) {
	for name, file := range hostile {
		t.Run(name, func(t *testing.T) {
			text := []byte(file())
			require.LessOrEqual(t, len(text), maxFile)
			taken := testing.AllocsPerRun(1, func() {
				if l, err := Load("x.yaml", text); err == nil {
					_ = outline(l)
				} else {
					require.LessOrEqual(t, len(err.Error()), 100000)
				}
			})
			most := 4*len(text) + 400000
			t.Logf("%.0f pieces of memory, %d allowed", taken, most)
			require.Less(t, taken, float64(most))
		})
	}
}
