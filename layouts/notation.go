package layouts

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The three notations that stand in the leaves of a layout file (bit ranges,
// conditions, conversions), with the numbers and words they are made of. Each
// has a parse function and a String method that is its inverse.

// Sizes a layout stays within, so that a hostile file costs no more than its
// own length. Every known NIC is far below them.
const (
	maxItems = 64 // descriptors, fields, hints, maps, aliases, constants of a condition
	maxSteps = 16 // conditions of a conjunction, alternatives, conversions
	maxName  = 64 // bytes of a name
)

// words are the units of "word:", the vendor types of "type:".
var (
	words = map[string]Word{
		"le16": {Bits: 16}, "le32": {Bits: 32}, "le64": {Bits: 64},
		"be16": {Bits: 16, BigEndian: true}, "be32": {Bits: 32, BigEndian: true}, "be64": {Bits: 64, BigEndian: true},
	}
	types = map[string]Declaration{
		"u8": {Bytes: 1}, "u16": {Bytes: 2}, "u32": {Bytes: 4}, "u64": {Bytes: 8},
		"be16": {Bytes: 2, Network: true}, "be32": {Bytes: 4, Network: true},
	}
	convOps = []string{Add: "add", Mul: "mul", Shl: "shl", Shr: "shr", Net16: "net16", Net32: "net32",
		Sub: "sub", SecNs: "sec_ns", Extend32: "extend32"}
)

// String is the word as a layout file writes it: "le64".
func (w Word) String() string {
	if w.BigEndian {
		return fmt.Sprintf("be%d", w.Bits)
	}
	return fmt.Sprintf("le%d", w.Bits)
}

// String is the type as a layout file writes it: "u32", "be16".
func (d Declaration) String() string {
	if d.Network {
		return fmt.Sprintf("be%d", 8*d.Bytes)
	}
	return fmt.Sprintf("u%d", 8*d.Bytes)
}

// parseNumber reads a decimal or 0x number. A leading zero is refused because
// YAML readers and C disagree on what 010 is.
func parseNumber(s string) (uint64, error) {
	digits, base := s, 10
	if hex, ok := strings.CutPrefix(s, "0x"); ok {
		digits, base = hex, 16
	}
	v, err := strconv.ParseUint(digits, base, 64)
	leadingZero := base == 10 && len(s) > 1 && s[0] == '0'
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("number %s does not fit 64 bits", quote(s))
	case err != nil || leadingZero:
		return 0, fmt.Errorf("bad number %s: want decimal without a leading zero, or 0x and hex digits", quote(s))
	}
	return v, nil
}

// parseBits reads the bit ranges of one field. Whether they lie inside the word
// and the descriptor is checked later.
func parseBits(s string, word Word) ([]BitRange, error) {
	var bits []BitRange
	for _, part := range strings.Fields(s) {
		r, ok := parseBitRange(part, word)
		switch {
		case len(bits) == maxItems: // descriptors copy what they extend
			return nil, fmt.Errorf("more than %d bit ranges, and a field has at most 64 bits", maxItems)
		case !ok:
			return nil, fmt.Errorf("bad bit range %s: want wN[msb:lsb], wN[bit] or wN", quote(part))
		case r.MSB < r.LSB:
			return nil, fmt.Errorf("bad bit range %s: want the most significant bit first, %v",
				quote(part), BitRange{r.Word, r.LSB, r.MSB})
		}
		bits = append(bits, r)
	}
	if len(bits) == 0 {
		return nil, errors.New("no bits: want wN[msb:lsb], wN[bit] or wN")
	}
	return bits, nil
}

func parseBitRange(s string, word Word) (r BitRange, ok bool) {
	s, ok = strings.CutPrefix(s, "w")
	if !ok {
		return r, false
	}
	index, inside, bracket := strings.Cut(s, "[")
	if r.Word, ok = parseIndex(index); !ok {
		return r, false
	}
	if !bracket {
		r.MSB = word.Bits - 1
		return r, true
	}
	if inside, ok = strings.CutSuffix(inside, "]"); !ok {
		return r, false
	}
	msb, lsb, colon := strings.Cut(inside, ":")
	if !colon {
		lsb = msb
	}
	var okM, okL bool
	r.MSB, okM = parseIndex(msb)
	r.LSB, okL = parseIndex(lsb)
	return r, okM && okL
}

// parseIndex reads the number of a word or a bit: up to three decimal digits.
func parseIndex(s string) (int, bool) {
	v, err := parseNumber(s)
	return int(v), err == nil && v < 1000 && !strings.HasPrefix(s, "0x")
}

// String is the range as a layout file writes it: "w1[37:30]", "w1[0]".
func (r BitRange) String() string {
	if r.MSB == r.LSB {
		return fmt.Sprintf("w%d[%d]", r.Word, r.LSB)
	}
	return fmt.Sprintf("w%d[%d:%d]", r.Word, r.MSB, r.LSB)
}

// parseCondition reads a condition. The name of its field is returned beside
// it, for the caller to look up.
func parseCondition(s string) (field string, c Condition, err error) {
	field, list, equal := strings.Cut(s, "==")
	if !equal {
		field, list, c.Not = strings.Cut(s, "!=")
	}
	field = strings.TrimSpace(field)
	if !identifier.valid(field) {
		return "", c, fmt.Errorf("bad condition %s: want field, field == n, field != n or field == n|m", quote(s))
	}
	if !equal && !c.Not {
		return field, Condition{Not: true, Values: []uint64{0}}, nil // the bare field
	}
	for part := range strings.SplitSeq(list, "|") {
		v, err := parseNumber(strings.TrimSpace(part))
		if err != nil {
			return "", c, fmt.Errorf("bad condition %s: %w", quote(s), err)
		}
		if slices.Contains(c.Values, v) {
			return "", c, fmt.Errorf("bad condition %s: %d stands twice", quote(s), v)
		}
		if len(c.Values) == maxItems {
			return "", c, fmt.Errorf("bad condition %s: want at most %d numbers", quote(s), maxItems)
		}
		c.Values = append(c.Values, v)
	}
	return field, c, nil
}

// String is the condition as a layout file writes it: "dd", "fltstat == 3",
// "rxdid == 2|6".
func (c Condition) String() string {
	name := "?"
	if c.Field != nil {
		name = c.Field.Name
	}
	if c.Not && len(c.Values) == 1 && c.Values[0] == 0 {
		return name
	}
	op := " == "
	if c.Not {
		op = " != "
	}
	var b strings.Builder
	b.WriteString(name)
	for i, v := range c.Values {
		if i > 0 {
			op = "|"
		}
		b.WriteString(op + strconv.FormatUint(v, 10))
	}
	return b.String()
}

// parseConversion reads one step of "convert:".
// The name of a field that it takes is returned beside it, for the caller to
// look up.
func parseConversion(s string) (c Conversion, field string, err error) {
	words := strings.Fields(s)
	op := -1
	if len(words) > 0 {
		op = slices.Index(convOps, words[0])
	}
	if op < 0 {
		return c, "", fmt.Errorf("bad conversion %s: want add n, sub n, mul n, shl n, shr n, net16, net32, sub field, sec_ns or extend32 field", quote(s))
	}
	c.Op = ConvOp(op)
	switch {
	case c.Op == Extend32:
		if len(words) != 2 {
			return c, "", fmt.Errorf("bad conversion %s: want %s and the field with the clock", quote(s), words[0])
		}
		return c, words[1], nil
	case !c.Op.hasArg():
		if len(words) != 1 {
			return c, "", fmt.Errorf("bad conversion %s: want %s alone", quote(s), words[0])
		}
		return c, "", nil
	case len(words) != 2:
		return c, "", fmt.Errorf("bad conversion %s: want %s and one number", quote(s), words[0])
	case c.Op == Sub && identifier.valid(words[1]):
		return c, words[1], nil
	}
	if c.Arg, err = parseNumber(words[1]); err != nil {
		return c, "", fmt.Errorf("bad conversion %s: %w", quote(s), err)
	}
	if (c.Op == Shl || c.Op == Shr) && c.Arg > 63 {
		return c, "", fmt.Errorf("bad conversion %s: want a shift by 0 to 63", quote(s))
	}
	return c, "", nil
}

func (op ConvOp) hasArg() bool { return op <= Shr || op == Sub }

// String is the operation's name: "shl".
func (op ConvOp) String() string {
	if int(op) < len(convOps) {
		return convOps[op]
	}
	return fmt.Sprintf("ConvOp(%d)", uint8(op))
}

// String is the conversion as a layout file writes it: "shl 8", "net16".
func (c Conversion) String() string {
	if c.With != nil {
		return fmt.Sprintf("%v %s", c.Op, c.With.Name)
	}
	if !c.Op.hasArg() {
		return c.Op.String()
	}
	return fmt.Sprintf("%v %d", c.Op, c.Arg)
}

// naming is a rule for names.
type naming struct {
	valid func(string) bool
	want  string
}

var (
	identifier = naming{func(s string) bool {
		return isWord(s, "_") && (s[0] < '0' || s[0] > '9')
	}, "a C identifier"}
	// driverName is what Linux drivers are called: safe in a file's name and on a
	// command line.
	driverName = naming{func(s string) bool {
		return isWord(s, "_-") && s[0] != '-' && s == strings.ToLower(s)
	}, "lower case letters, digits, _ and -"}
)

// isWord tells whether s is made of ASCII letters, digits and the characters in
// extra.
func isWord(s, extra string) bool {
	for _, c := range []byte(s) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		digit := c >= '0' && c <= '9'
		if !letter && !digit && strings.IndexByte(extra, c) < 0 {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

// quote makes text from a file fit for a one-line message.
func quote(s string) string {
	const limit = 60
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "..."
	}
	return strconv.Quote(s)
}
