package rewrite_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/bpf"
	"github.com/hintjit/hintjit/internal/object"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
)

// limits makes layouts that are as large as the format allows in one respect, and
// right. All have 64 fields and 64 hints of 16 alternatives each; the header's
// hints are first, so that a program reads them.
var limits = map[string]func() string{
	// Conditions on bits that lie all over the descriptor.
	"conditions": func() string {
		return limit{256, "le64", func(f int) string { return fmt.Sprintf("w%d[%d:%d]", f/2, 32*(f%2)+4, 32*(f%2)) },
			func(h, a int) string {
				var when []string
				for i := range 16 {
					when = append(when, fmt.Sprintf("f%d == %s", (h+a+3*i)%63, numbers(15+(i+a)%2)))
				}
				return fmt.Sprintf("{value: %d, when: [%s]}", a%4, strings.Join(when, ", "))
			}, ""}.text()
	},
	// All hints ask the same ten bits: the largest flat tables there are.
	"bits": func() string {
		return limit{8, "le64", func(f int) string { return fmt.Sprintf("w0[%d]", f) },
			func(h, a int) string {
				var when []string
				for i := range 10 {
					if (h+a+i)%5 > 0 {
						when = append(when, fmt.Sprintf("f%d != %d", i, (a+i*h)%2))
					}
				}
				return fmt.Sprintf("{value: %d, when: [%s]}", a%4, strings.Join(when, ", "))
			}, ""}.text()
	},
	// 64 maps of 16 bits.
	"maps": func() string {
		maps := "maps:\n"
		for m := range 64 {
			maps += fmt.Sprintf("  m%d: {values: {0: 1, 65535: %d}}\n", m, m%2)
		}
		return limit{128, "le16", wordField, func(h, a int) string {
			return fmt.Sprintf("{from: f%d, map: m%d, when: [f%d == %d]}", h%30, (16*h+a)%64, 31+h%30, a)
		}, maps}.text()
	},
	// One map with every value, and all hints by it.
	"values": func() string {
		var values strings.Builder
		for v := range 1 << 16 {
			fmt.Fprintf(&values, "%d: 1, ", v)
		}
		return limit{128, "le16", wordField, func(h, a int) string {
			return fmt.Sprintf("{from: f%d, map: m, when: [f%d == %d]}", h%30, 31+h%30, a)
		}, "maps:\n  m:\n    values: {" + values.String() + "}\n"}.text()
	},
	// 64 walks of 64 steps, each of which asks for 16 members.
	"walks": func() string {
		var walk strings.Builder
		walk.WriteString("walk:\n")
		for w := range 64 {
			fmt.Fprintf(&walk, "  - name: w%d\n    has: [", w)
			for q := range 16 {
				fmt.Fprintf(&walk, "a%d.b%d:u8, ", w, q)
			}
			walk.WriteString("]\n    steps:\n      - v0 = x(xdp.data)\n")
			for s := range 62 {
				fmt.Fprintf(&walk, "      - v%d = x(v%d.a%d)\n", s+1, s, s)
			}
			walk.WriteString("      - desc = v62.z\n")
		}
		return limit{128, "le16", wordField, func(h, a int) string {
			return fmt.Sprintf("{value: %d, when: [f%d == %d]}", a%2, h%30, a)
		}, walk.String()}.text()
	},
}

type limit struct {
	size  int
	word  string
	field func(f int) string
	one   func(h, a int) string // alternative a of hint h
	more  string                // keys beside descriptors
}

func wordField(f int) string { return fmt.Sprintf("w%d", f) }

// numbers are the first n there are.
func numbers(n int) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = fmt.Sprint(i)
	}
	return strings.Join(parts, "|")
}

func (l limit) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "nic: x\nmodule: x\ndescriptors:\n  - name: d\n    size: %d\n    word: %s\n    ready: [f63]\n    fields:\n", l.size, l.word)
	for f := range 64 {
		fmt.Fprintf(&b, "      f%d: %s\n", f, l.field(f))
	}
	b.WriteString("    hints:\n")
	for h := range 64 {
		if h < len(layouts.StandardHints) {
			fmt.Fprintf(&b, "      %s: {any: [", layouts.StandardHints[h].Name)
		} else {
			fmt.Fprintf(&b, "      v%d: {type: u8, any: [", h)
		}
		for a := range 16 {
			b.WriteString(l.one(h, a) + ", ")
		}
		b.WriteString("]}\n")
	}
	b.WriteString(l.more)
	return b.String()
}

// TestLimits rewrites by layouts at the limits of the format: what comes of it is
// an object or an error, with work that the file's length bounds. Memory taken is
// the measure of work: unlike time it is the same each run.
func TestLimits(t *testing.T) {
	in, err := bpf.Example("af_xdp_meta", binary.LittleEndian)
	require.NoError(t, err)
	for name, file := range limits {
		t.Run(name, func(t *testing.T) {
			text := []byte(file())
			require.Less(t, len(text), 1<<20)
			var l *layouts.Layout
			bounded(t, "loading", 3*len(text), func() {
				var err error
				l, err = layouts.Load("x.yaml", text)
				require.NoError(t, err)
			})
			bounded(t, "rewriting", 3*len(text), func() {
				out, _, err := rewrite.Object(in, rewrite.Options{Layout: l})
				var unsupported *rewrite.UnsupportedError
				if err != nil {
					require.ErrorAs(t, err, &unsupported)
					return
				}
				_, err = object.Parse(out)
				require.NoError(t, err)
			})
		})
	}
}

// bounded runs something that may take so many pieces of memory, and those of a
// layout of no length.
func bounded(t *testing.T, what string, most int, run func()) {
	t.Helper()
	const least = 1 << 16
	taken := testing.AllocsPerRun(1, run)
	t.Logf("%s: %.0f pieces of memory, %d allowed", what, taken, most+least)
	require.Less(t, taken, float64(most+least), what)
}
