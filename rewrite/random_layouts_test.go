package rewrite_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
)

// So many layouts, each with so many programs, are tried in one run of
// TestRandomLayouts.
const randomLayouts, programsPerLayout = 8, 12

// Descriptors that no NIC has: what the shipped layouts do not ask of the
// lowering (fields in pieces, of any width, long masks, lists, translations with
// conversions) has to be right for the ones to come, and for --layout.
func TestRandomLayouts(t *testing.T) {
	rng := chance.Rand(t)
	machines := slices.Concat(runnable, foreign)
	for i := range randomLayouts {
		text, l := randomLayout(t, rng)
		n, m := nic{l, l.Descriptors[0]}, machines[rng.IntN(len(machines))]
		packets := samples(rng, n.descriptor)
		rng.Shuffle(len(packets), func(i, j int) { packets[i], packets[j] = packets[j], packets[i] })
		packets = packets[:min(len(packets), packetsPerProgram)]
		file := generate(rng, n, packets, programsPerLayout)
		t.Run(fmt.Sprintf("%d/%s", i, m), func(t *testing.T) {
			t.Parallel()
			t.Log(text)
			agree(t, n, m, file, packets)
		})
	}
}

// agree sees that the programs of a file do after rewriting what they do before
// it, with a hintjit_rx that returns a struct filled from the truth.
func agree(t *testing.T, n nic, m machine, file generated, packets []sample) {
	t.Helper()
	object := compileText(t, file.text, m)
	before := newInterpreter(t, compileText(t, file.plain(), m), m.order())
	before.answerRecords(t, n)
	_, _, err := rewrite.Object(object, n.options())
	if mayRefuse(err) || err != nil && regexp.MustCompile("bytes of stack|chain of calls").MatchString(err.Error()) {
		t.Skip(err) // more words than any NIC has
	}
	require.NoError(t, err, "%s", file.text)
	after := runnerOf(t, object, n, m, true)
	for name, text := range file.programs {
		for _, s := range packets {
			want, err := before.run(name, s)
			require.NoError(t, err, "program %s, metadata %x\n%s", name, s.meta, text)
			if list := after(name, s).differ(want); list != nil {
				t.Fatalf("%s: %q\nmetadata %x\npacket %x\nhints %v\n%s", name, list, s.meta, s.packet, s.hints(m.order()), text)
			}
		}
	}
}

// randomLayout makes layouts until one keeps the rules.
func randomLayout(t *testing.T, rng *rand.Rand) (string, *layouts.Layout) {
	var err error
	for range 10000 {
		text := (&layoutWriter{rng: rng}).layout()
		var l *layouts.Layout
		if l, err = layouts.Load("random.yaml", []byte(text)); err == nil {
			return text, l
		}
	}
	require.NoError(t, err)
	return "", nil
}

// A layoutWriter writes the file of a layout with one descriptor.
type layoutWriter struct {
	rng    *rand.Rand
	bits   int // of a word
	fields []fieldText
	maps   []string
}

type fieldText struct {
	name, bits string
	width      int
}

func (w *layoutWriter) layout() string {
	words := []string{"le16", "le32", "le64", "be16", "be32", "be64"}
	word := words[w.rng.IntN(len(words))]
	w.bits, _ = strconv.Atoi(word[2:])
	size := 8 * (2 + w.rng.IntN(7))
	w.cut(size * 8 / w.bits)
	var b strings.Builder
	fmt.Fprintf(&b, "nic: random\ndescriptors:\n  - name: only\n    type: random_desc\n    size: %d\n    word: %s\n", size, word)
	ready := w.conditions(1 + w.rng.IntN(3))
	fmt.Fprintf(&b, "    ready: [%s]\n    fields:\n", ready)
	for _, f := range w.fields {
		fmt.Fprintf(&b, "      %s: %s\n", f.name, f.bits)
	}
	b.WriteString("    hints:\n")
	for _, h := range layouts.StandardHints {
		if w.rng.IntN(3) > 0 {
			w.hint(&b, h.Name, "", h.Decl)
		}
	}
	for i, t := range []string{"u8", "u16", "u32", "u64", "be16", "be32"} {
		w.hint(&b, fmt.Sprintf("own%d", i), t, layouts.Declaration{Bytes: []int{1, 2, 4, 8, 2, 4}[i], Network: i > 3})
	}
	if len(w.maps) > 0 {
		b.WriteString("maps:\n" + strings.Join(w.maps, ""))
	}
	return b.String()
}

// cut makes fields of one to three pieces out of the words' bits.
func (w *layoutWriter) cut(words int) {
	type piece struct {
		text  string
		width int
	}
	var pieces []piece
	for i := range words {
		for bit := 0; bit < w.bits; {
			width := 1 + w.rng.IntN(w.bits-bit)
			if w.rng.IntN(2) == 0 {
				width = min(width, 1+w.rng.IntN(5))
			}
			if w.rng.IntN(4) > 0 {
				pieces = append(pieces, piece{fmt.Sprintf("w%d[%d:%d]", i, bit+width-1, bit), width})
			}
			bit += width
		}
	}
	w.rng.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
	if w.rng.IntN(2) == 0 { // joined ones of one word
		slices.SortStableFunc(pieces, func(a, b piece) int { return strings.Compare(a.text[:2], b.text[:2]) })
	}
	for len(pieces) > 0 && len(w.fields) < 60 {
		f := fieldText{name: fmt.Sprintf("f%d", len(w.fields))}
		for n := max(1, w.rng.IntN(6)-2); n > 0 && len(pieces) > 0 && f.width+pieces[0].width <= 64; n-- {
			f.bits += " " + pieces[0].text
			f.width += pieces[0].width
			pieces = pieces[1:]
		}
		w.fields = append(w.fields, f)
	}
}

func (w *layoutWriter) field() fieldText { return w.fields[w.rng.IntN(len(w.fields))] }

// number is a number of so many bits, likely one at the edges.
func (w *layoutWriter) number(width int) uint64 {
	most := uint64(1)<<width - 1
	switch w.rng.IntN(4) {
	case 0:
		return most
	case 1:
		return uint64(w.rng.IntN(2)) & most
	}
	return w.rng.Uint64() & most
}

// conditions is n of them on different fields.
func (w *layoutWriter) conditions(n int) string {
	var list []string
	seen := map[string]bool{}
	for range n {
		f := w.field()
		if seen[f.name] {
			continue
		}
		seen[f.name] = true
		if w.rng.IntN(4) == 0 {
			list = append(list, f.name)
			continue
		}
		values := map[uint64]bool{}
		for range 1 + w.rng.IntN(4)*w.rng.IntN(2) {
			values[w.number(f.width)] = true
		}
		if f.width < 3 && len(values) == 1<<f.width {
			continue // always
		}
		var each []string
		for v := range values {
			each = append(each, fmt.Sprint(v))
		}
		slices.Sort(each)
		list = append(list, fmt.Sprintf("%s %s %s", f.name, []string{"==", "!="}[w.rng.IntN(2)], strings.Join(each, "|")))
	}
	return strings.Join(list, ", ")
}

func (w *layoutWriter) hint(b *strings.Builder, name, typ string, d layouts.Declaration) {
	var list []string
	alternatives := 1 + w.rng.IntN(3)*w.rng.IntN(2)
	if typ != "" {
		alternatives = 1
	}
	for k := range alternatives {
		when := ""
		if n := w.rng.IntN(4); n > 0 || k == 0 {
			when = fmt.Sprintf(", when: [%s]", w.conditions(max(n, k)))
		}
		if when == ", when: []" {
			when = ""
		}
		list = append(list, "{"+w.source(d)+when+"}")
	}
	if typ == "" {
		fmt.Fprintf(b, "      %s: [%s]\n", name, strings.Join(list, ", "))
		return
	}
	fmt.Fprintf(b, "      %s: {type: %s, about: invented, ", name, typ)
	fmt.Fprintf(b, "%s\n", list[0][1:])
}

// source is where an alternative's value comes from.
func (w *layoutWriter) source(d layouts.Declaration) string {
	wide := 8 * d.Bytes
	for range 50 {
		f := w.field()
		switch {
		case f.width > wide && (f.width-wide > 20 || w.rng.IntN(2) == 0):
			continue
		case f.width > wide:
			return fmt.Sprintf("from: %s, convert: [shr %d]", f.name, f.width-wide)
		case f.width <= 12 && w.rng.IntN(2) == 0:
			return fmt.Sprintf("from: %s, map: %s", f.name, w.translation(f, wide))
		case f.width < wide-8 && w.rng.IntN(2) == 0:
			return fmt.Sprintf("from: %s, convert: [%s]", f.name, []string{"mul 37, add 3", "shl 7", "add 200", "shr 1, mul 255"}[w.rng.IntN(4)])
		case f.width <= 16 && wide == 32 && w.rng.IntN(4) == 0:
			return fmt.Sprintf("from: %s, convert: [net16]", f.name)
		}
		return "from: " + f.name
	}
	return fmt.Sprintf("value: %d", w.number(wide))
}

func (w *layoutWriter) translation(f fieldText, wide int) string {
	name := fmt.Sprintf("m%d", len(w.maps))
	values := map[uint64]uint64{}
	for range 1 + w.rng.IntN(1<<min(f.width, 6)) {
		values[w.number(f.width)] = w.number(wide) - uint64(wide/64)*1
	}
	var each []string
	for k, v := range values {
		each = append(each, fmt.Sprintf("%d: %d", k, v))
	}
	slices.Sort(each)
	w.maps = append(w.maps, fmt.Sprintf("  %s: {values: {%s}}\n", name, strings.Join(each, ", ")))
	return name
}
