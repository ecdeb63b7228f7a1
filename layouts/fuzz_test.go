package layouts

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fuzzed are the files that fuzzers start from: small, and all that the format
// has.
func fuzzed(f *testing.F) (files []string) {
	f.Helper()
	for _, pattern := range []string{"veth.yaml", "virtio_net.yaml", "testdata/*.yaml", "testdata/errors/*.yaml"} {
		names, err := filepath.Glob(pattern)
		require.NoError(f, err)
		require.NotEmpty(f, names)
		for _, name := range names {
			data, err := os.ReadFile(name)
			require.NoError(f, err)
			files = append(files, string(data))
		}
	}
	return files
}

// Whatever the bytes are: errors, or a layout that keeps the rules.
func FuzzLoad(f *testing.F) {
	for _, file := range fuzzed(f) {
		f.Add([]byte(file), []byte{0xff})
	}
	f.Fuzz(func(t *testing.T, file, desc []byte) { requireLayout(t, file, desc) })
}

// tokens are what layout files are made of, and what they had better not have.
var tokens = []string{
	"w0[63:0]", "w15", "w999[0]", "w1[0:63]", "dd == 1", "dd != 0", "dd == 1|2", "18446744073709551615", "18446744073709551616",
	"0x", "-1", "010", "net16", "net32", "sec_ns", "mul 4294967296", "shl 63", "shr 64", "extend32 dd", "sub 1",
	"name", "size", "word", "ready", "fields", "hints", "any", "from", "value", "when", "map", "convert", "extends", "walk", "steps",
	"has", "lacks", "refuse", "at", "bits", "maps", "values", "never", "needs", "le16", "be64", "u8", "be32",
	"[", "]", "{", "}", ",", ":", "- ", "&a", "*a", "<<", "!t", "\"", "'", "#", "?", "|", ">", "\n", "  ",
	"container_of(rxq, a.b)", "xdp.data", "rxq.dev", "sizeof(x, 4096)", "&dev.a", "== 0", "desc = dev._rx + 8 * 65537",
	"slot = n & 0xfffffffffffff000", "bit = ring.flags:u64 >> enum(a.B)", "e[4095]:be16[3:0]", "desc = a.b + c * sizeof(d)", "descriptor",
	"require xdp.rxq != 0", "ring.tag:be16[3:1]?",
}

var token = regexp.MustCompile(`[A-Za-z0-9_]+|\s+|.`)

// The same where what a file is made of is moved about: bytes at random are
// seldom read beyond the first line. An edit is a token's place, what to do with
// it, and with which.
func FuzzLoadTokens(f *testing.F) {
	var files [][]string
	for i, file := range fuzzed(f) {
		files = append(files, token.FindAllString(file, -1))
		for op := range byte(6) {
			f.Add(byte(i), []byte{0, byte(40 * i), op, 17, 1, byte(7 * i), op, 3})
		}
	}
	f.Fuzz(func(t *testing.T, base byte, edits []byte) {
		text := slices.Clone(files[int(base)%len(files)])
		for ; len(edits) >= 4; edits = edits[4:] {
			at, with := int(binary.BigEndian.Uint16(edits))%len(text), int(edits[3])
			if len(text[at]) > maxFile>>8 {
				continue // an edit may repeat what one before has repeated, without end
			}
			switch edits[2] % 6 {
			case 0:
				text[at] = tokens[with%len(tokens)]
			case 1:
				text[at] = ""
			case 2:
				text[at] = text[(at+with)%len(text)]
			case 3:
				other := (at + with) % len(text)
				text[at], text[other] = text[other], text[at]
			case 4: // a stretch of the file once more
				text[at] += strings.Join(text[at:min(len(text), at+with)], "")
			case 5:
				text[at] = strings.Repeat(text[at], with)
			}
		}
		requireLayout(t, []byte(strings.Join(text, "")), edits)
	})
}

func requireLayout(t *testing.T, file, desc []byte) {
	t.Helper()
	l, err := Load("x.yaml", file)
	if (l == nil) == (err == nil) {
		t.Fatalf("want a layout or an error, got %v and %v", l, err)
	}
	if err != nil {
		return
	}
	var errs Errors
	check(l, &errs)
	require.Empty(t, errs.List)
	_ = outline(l)
	for _, d := range l.Descriptors {
		whole := append(desc[:len(desc):len(desc)], make([]byte, maxSize)...)
		require.Empty(t, d.Decode(make([]byte, maxSize), binary.LittleEndian), "hints in a descriptor of zeros")
		for name, v := range d.Decode(whole, binary.BigEndian) {
			require.LessOrEqual(t, v, ones(8*d.Hint(name).Decl.Bytes))
		}
		d.Decode(desc, binary.LittleEndian)
		for _, f := range d.Fields {
			require.LessOrEqual(t, f.Width(), 64)
			require.NotEmpty(t, d.Where(f))
		}
	}
}

// Whatever the text is: an error, or what says the same when it is written.
func FuzzNotation(f *testing.F) {
	for _, text := range append(tokens, "ring.flags:u8[4]", "w1[37:30] w0", "ice_rx_ring.q_index:u16") {
		f.Add(text)
	}
	for _, nic := range Names() {
		l, err := Shipped(nic)
		require.NoError(f, err)
		for _, w := range l.Walks {
			for _, s := range w.Steps {
				f.Add(s.String())
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, word := range words {
			if bits, err := parseBits(text, word); err == nil {
				var parts []string
				for _, r := range bits {
					parts = append(parts, r.String())
				}
				again, err := parseBits(strings.Join(parts, " "), word)
				require.NoError(t, err)
				require.Equal(t, bits, again)
			}
		}
		if name, c, err := parseCondition(text); err == nil {
			c.Field = &Field{Name: name}
			nameAgain, again, err := parseCondition(c.String())
			require.NoError(t, err)
			again.Field = c.Field
			require.Equal(t, name, nameAgain)
			require.Equal(t, c, again)
		}
		if c, field, err := parseConversion(text); err == nil {
			if field != "" {
				c.With = &Field{Name: field}
			}
			again, fieldAgain, err := parseConversion(c.String())
			require.NoError(t, err)
			again.With = c.With
			require.Equal(t, field, fieldAgain)
			require.Equal(t, c, again)
		}
		if s, err := parseStep(text, aScope()); err == nil {
			again, err := parseStep(s.String(), aScope())
			require.NoError(t, err, "%v", s)
			require.Equal(t, s, again)
		}
		_, _ = parseQuestion(text)
		if s, msb, lsb, err := parseAt(text); err == nil {
			require.GreaterOrEqual(t, msb, lsb)
			require.Less(t, msb, s.At.Int.Bits)
			require.LessOrEqual(t, s.At.Int.Bits, 64)
		}
	})
}

// aScope is what a step may speak of.
func aScope() scope {
	return scope{XDP: "xdp_buff", RXQ: "xdp_rxq_info", Dev: "net_device", "ring": "i40e_ring", "n": ""}
}
