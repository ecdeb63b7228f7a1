package layouts

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// The notation of walks. A step is one line:
//
//	NAME = VALUE                      as well NAME = TYPE(VALUE), to say what it points to
//	NAME = container_of(NAME, TYPE.MEMBER[:OF])
//	NAME = VALUE + VALUE [* VALUE]
//	NAME = VALUE - VALUE
//	NAME = VALUE & VALUE
//	NAME = VALUE >> VALUE             the second a number or an enumerator
//	NAME = VALUE - 1 wrap VALUE       the slot before it in a ring of so many
//	NAME = VALUE == VALUE             1 or 0
//	require VALUE == VALUE            or !=; else no hint is there
//	guard VALUE == VALUE              the same, and --guard off leaves it out
//	own VALUE == VALUE                a guard that proves the queue to be the driver's
//
//	VALUE = NAME | NAME.MEMBER[:FORM] | NAME[n][:FORM]
//	      | &NAME.MEMBER[:OF] | sizeof(TYPE[, n]) | enum(TYPE.NAME) | n
//	FORM  = u8 u16 u32 u64, le16 ... be64, enum; n, or enumn, for a bit-field of n bits; left out: a pointer
//	OF    = FORM, struct or pointer, [] behind it for an array; left out: a struct

const nameRule = `[A-Za-z_][A-Za-z0-9_]*`

var (
	stepContainer = regexp.MustCompile(`^container_of\(\s*(` + nameRule + `)\s*,\s*(` + nameRule + `(?:\.` + nameRule + `)+)(?::([a-z0-9]+(?:\[\])?))?\s*\)$`)
	stepCast      = regexp.MustCompile(`^(` + nameRule + `)\((.*)\)$`)
	stepSizeOf    = regexp.MustCompile(`^sizeof\(\s*(` + nameRule + `)\s*(?:,\s*([0-9]+)\s*)?\)$`)
	stepMember    = regexp.MustCompile(`^(&?)(` + nameRule + `)((?:\.` + nameRule + `)+)(?::([a-z0-9]+(?:\[\])?))?$`)
	stepOffset    = regexp.MustCompile(`^(` + nameRule + `)\[([0-9a-fx]+)\](?::([a-z0-9]+))?$`)
	stepEnum      = regexp.MustCompile(`^enum\(\s*(` + nameRule + `)\.(` + nameRule + `)\s*\)$`)
	stepName      = regexp.MustCompile(`^` + nameRule + `$`)
	stepChecks    = map[string]Strictness{"require": Always, "guard": Guard, "own": Own}
)

// scope is the values known so far in a walk, with the structs they point to.
type scope map[string]string

// parseStep reads one step and adds its value to the scope.
func parseStep(text string, known scope) (Step, error) {
	word, rest, _ := strings.Cut(text, " ")
	if strict, ok := stepChecks[word]; ok {
		return parseCheck(strict, rest, known)
	}
	name, expr, ok := strings.Cut(text, "=")
	name, expr = strings.TrimSpace(name), strings.TrimSpace(expr)
	if !ok || !stepName.MatchString(name) {
		return Step{}, fmt.Errorf("bad step %s: want NAME = VALUE, or require, guard or own and a comparison", quote(text))
	}
	if _, word := stepChecks[name]; word {
		return Step{}, fmt.Errorf("value %s: no value has the name of a check", name)
	}
	if _, twice := known[name]; twice {
		return Step{}, fmt.Errorf("value %s stands already", name)
	}
	s, err := parseValueStep(expr, known)
	if err != nil {
		return s, err
	}
	s.Name = name
	known[name] = s.Type
	return s, nil
}

func parseCheck(strict Strictness, text string, known scope) (Step, error) {
	s := Step{Op: Require, Strict: strict}
	a, b, ok := strings.Cut(text, "==")
	if !ok {
		s.Op = Differ
		if a, b, ok = strings.Cut(text, "!="); !ok {
			return s, fmt.Errorf("bad check %s: want VALUE == VALUE or VALUE != VALUE", quote(text))
		}
	}
	return s, parseOperands(&s, a, b, known)
}

func parseOperands(s *Step, a, b string, known scope) error {
	var errA, errB error
	s.A, errA = parseOperand(a, known)
	s.B, errB = parseOperand(b, known)
	return errors.Join(errA, errB)
}

// parseValueStep reads what stands behind NAME =.
func parseValueStep(expr string, known scope) (s Step, err error) {
	if m := stepContainer.FindStringSubmatch(expr); m != nil {
		path := strings.Split(m[2], ".")
		s = Step{Op: ContainerOf, Type: path[0], B: Operand{Kind: MemberOffset, Member: Member{path[0], path[1:]}}}
		var errA, errB error
		s.A, errA = parseOperand(m[1], known)
		s.B.Int, errB = parsePointed(m[3])
		return s, errors.Join(errA, errB)
	}
	if m := stepCast.FindStringSubmatch(expr); m != nil && m[1] != "sizeof" && m[1] != "enum" {
		s = Step{Op: Copy, Type: m[1]}
		s.A, err = parseOperand(m[2], known)
		return s, err
	}
	if a, b, ok := strings.Cut(expr, "=="); ok {
		s.Op = Same
		return s, parseOperands(&s, a, b, known)
	}
	if a, b, ok := cutOutside(expr, " + "); ok {
		s.Op, s.Factor = AddScaled, Operand{Kind: Number, N: 1}
		if value, factor, ok := strings.Cut(b, "*"); ok {
			b = value
			if s.Factor, err = parseOperand(factor, known); err != nil {
				return s, err
			}
			if s.Factor.Kind == Number && (s.Factor.N == 0 || s.Factor.N > 1<<16) {
				return s, fmt.Errorf("factor %d: want 1 to 65536", s.Factor.N)
			}
		}
		return s, parseOperands(&s, a, b, known)
	}
	if a, b, ok := cutOutside(expr, " & "); ok {
		s.Op = And64
		return s, parseOperands(&s, a, b, known)
	}
	if a, b, ok := cutOutside(expr, " >> "); ok {
		s.Op = ShiftRight
		if err := parseOperands(&s, a, b, known); err != nil {
			return s, err
		}
		if s.B.Kind != Enumerator && (s.B.Kind != Number || s.B.N > 63) {
			return s, fmt.Errorf("bad step %s: want a shift by 0 to 63, or by enum(TYPE.NAME)", quote(expr))
		}
		return s, nil
	}
	if a, b, ok := cutOutside(expr, " - "); ok {
		s.Op = Sub64
		if one, ring, ok := strings.Cut(b, " wrap "); ok {
			if strings.TrimSpace(one) != "1" {
				return s, fmt.Errorf("bad step %s: want VALUE - 1 wrap VALUE", quote(expr))
			}
			s.Op, b = Previous, ring
		}
		return s, parseOperands(&s, a, b, known)
	}
	s.Op = Copy
	s.A, err = parseOperand(expr, known)
	if s.A.Kind == Named {
		s.Type = known[s.A.Value]
	}
	return s, err
}

// cutOutside is strings.Cut, where no parenthesis is open.
func cutOutside(s, sep string) (before, after string, ok bool) {
	i := strings.Index(s, sep)
	if i < 0 || strings.Count(s[:i], "(") != strings.Count(s[:i], ")") {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func parseOperand(text string, known scope) (Operand, error) {
	text = strings.TrimSpace(text)
	if m := stepSizeOf.FindStringSubmatch(text); m != nil {
		o := Operand{Kind: SizeOf, Member: Member{Type: m[1]}, N: 1}
		if m[2] == "" {
			return o, nil
		}
		var err error
		if o.N, err = parseNumber(m[2]); err != nil {
			return o, err
		}
		if o.N == 0 || o.N&(o.N-1) != 0 || o.N > 4096 {
			return o, fmt.Errorf("sizeof rounded up to %d: want a power of two up to 4096", o.N)
		}
		return o, nil
	}
	if m := stepMember.FindStringSubmatch(text); m != nil {
		return parseMember(m, known)
	}
	if m := stepOffset.FindStringSubmatch(text); m != nil {
		return parseOffset(m, known)
	}
	if m := stepEnum.FindStringSubmatch(text); m != nil {
		return Operand{Kind: Enumerator, Member: Member{Type: m[1], Path: m[2:]}}, nil
	}
	if stepName.MatchString(text) {
		if _, ok := known[text]; !ok {
			return Operand{}, fmt.Errorf("unknown value %s: want xdp, rxq, dev or one of a step before", quote(text))
		}
		return Operand{Kind: Named, Value: text}, nil
	}
	n, err := parseNumber(text)
	if err != nil {
		return Operand{}, fmt.Errorf("bad value %s: want NAME, NAME.MEMBER, NAME[n], &NAME.MEMBER, sizeof(TYPE), enum(TYPE.NAME) or a number", quote(text))
	}
	return Operand{Kind: Number, N: n}, nil
}

// parseMember reads NAME.MEMBER with what stepMember found.
func parseMember(m []string, known scope) (Operand, error) {
	typ, ok := known[m[2]]
	switch {
	case !ok:
		return Operand{}, fmt.Errorf("unknown value %s: want xdp, rxq, dev or one of a step before", quote(m[2]))
	case typ == "":
		return Operand{}, fmt.Errorf("value %s points to no struct: say which, as %s = TYPE(...)", m[2], m[2])
	}
	o := Operand{Kind: MemberValue, Value: m[2], Member: Member{typ, strings.Split(m[3], ".")[1:]}, Int: pointer}
	if m[1] == "&" {
		var err error
		o.Kind = MemberAddress
		o.Int, err = parsePointed(m[4])
		return o, err
	} else if m[4] != "" {
		var err error
		o.Int, err = parseInteger(m[4])
		return o, err
	}
	return o, nil
}

// maxOffset bounds how far behind an address a value may lie.
const maxOffset = 4096

// parseOffset reads NAME[n]:FORM with what stepOffset found.
func parseOffset(m []string, known scope) (Operand, error) {
	if _, ok := known[m[1]]; !ok {
		return Operand{}, fmt.Errorf("unknown value %s: want one of a step before", quote(m[1]))
	}
	return offsetOperand(m)
}

// offsetOperand makes the operand. What the verifier follows by its type is read
// by its members only.
func offsetOperand(m []string) (o Operand, err error) {
	if starts[m[1]] != "" {
		return o, fmt.Errorf("value %s points to struct %s: want a member of it", m[1], starts[m[1]])
	}
	o = Operand{Kind: AtOffset, Value: m[1], Int: pointer}
	if o.N, err = parseNumber(m[2]); err != nil {
		return o, err
	}
	if o.N >= maxOffset {
		return o, fmt.Errorf("offset %d: want less than %d", o.N, maxOffset)
	}
	if m[3] != "" {
		o.Int, err = parseInteger(m[3])
	}
	if o.Int.BitField || o.Int.Enum {
		err = fmt.Errorf("bad form %s: it is for members, whose types BTF has, and an offset names none", quote(m[3]))
	}
	return o, err
}

// enumForm is the form of a member that is of an enum's type.
const enumForm = "enum"

// parsePointed reads the form of what an address is of. Loaders tell structs,
// pointers, integers and arrays apart.
func parsePointed(text string) (form Integer, err error) {
	element, array := strings.CutSuffix(text, "[]")
	switch element {
	case "", "struct":
	case "pointer":
		form = pointer
	default:
		form, err = parseInteger(element)
	}
	form.Array = array
	return form, err
}

// pointed is the form of what an address is of, as a layout file writes it.
func (i Integer) pointed() string {
	array := ""
	if i.Array {
		i.Array, array = false, "[]"
	}
	switch i {
	case Integer{}:
		return "struct" + array
	case pointer:
		return "pointer" + array
	}
	return i.String() + array
}

// parseInteger reads the form of an integer in memory.
func parseInteger(text string) (Integer, error) {
	if text == enumForm {
		return Integer{Bits: 32, Enum: true}, nil
	}
	width, enum := strings.CutPrefix(text, enumForm)
	if n, err := parseNumber(width); err == nil && n > 0 && n < 32 {
		return Integer{Bits: int(n), BitField: true, Enum: enum}, nil
	}
	for prefix, order := range map[string]ByteOrder{"u": HostOrder, "le": LittleEndian, "be": BigEndian} {
		switch rest, ok := strings.CutPrefix(text, prefix); {
		case ok && rest == "8" && order == HostOrder:
			return Integer{Bits: 8}, nil
		case ok && rest == "16":
			return Integer{Bits: 16, Order: order}, nil
		case ok && rest == "32":
			return Integer{Bits: 32, Order: order}, nil
		case ok && rest == "64":
			return Integer{Bits: 64, Order: order}, nil
		}
	}
	return Integer{}, fmt.Errorf("bad form %s: want u8, u16, u32, u64, le16 ... be64, enum, or the width of a bit-field", quote(text))
}

// String is the form as a layout file writes it: "be16".
func (i Integer) String() string {
	switch {
	case i.Enum && i.BitField:
		return enumForm + fmt.Sprint(i.Bits)
	case i.Enum:
		return enumForm
	case i.BitField:
		return fmt.Sprint(i.Bits)
	}
	return [...]string{"u", "le", "be"}[i.Order] + fmt.Sprint(i.Bits)
}

// String is the operand as a layout file writes it: "ring.count:u16".
func (o Operand) String() string {
	switch o.Kind {
	case Number:
		return fmt.Sprint(o.N)
	case MemberAddress:
		text := "&" + o.Value + "." + strings.Join(o.Member.Path, ".")
		if o.Int != (Integer{}) {
			text += ":" + o.Int.pointed()
		}
		return text
	case MemberValue, AtOffset:
		text := fmt.Sprintf("%s[%d]", o.Value, o.N)
		if o.Kind == MemberValue {
			text = o.Value + "." + strings.Join(o.Member.Path, ".")
		}
		if o.Int != pointer {
			text += ":" + o.Int.String()
		}
		return text
	case Enumerator:
		return fmt.Sprintf("enum(%v)", o.Member)
	case SizeOf:
		if o.N > 1 {
			return fmt.Sprintf("sizeof(%s, %d)", o.Member.Type, o.N)
		}
		return fmt.Sprintf("sizeof(%s)", o.Member.Type)
	case MemberOffset:
		if o.Int != (Integer{}) {
			return o.Member.String() + ":" + o.Int.pointed()
		}
		return o.Member.String()
	}
	return o.Value
}

// String is the step as a layout file writes it.
func (s Step) String() string {
	switch s.Op {
	case Require, Differ:
		op := "=="
		if s.Op == Differ {
			op = "!="
		}
		return fmt.Sprintf("%s %v %s %v", [...]string{"require", "guard", "own"}[s.Strict], s.A, op, s.B)
	case ContainerOf:
		return fmt.Sprintf("%s = container_of(%v, %v)", s.Name, s.A, s.B)
	case AddScaled:
		if s.Factor.Kind != Number || s.Factor.N != 1 {
			return fmt.Sprintf("%s = %v + %v * %v", s.Name, s.A, s.B, s.Factor)
		}
		return fmt.Sprintf("%s = %v + %v", s.Name, s.A, s.B)
	case Sub64:
		return fmt.Sprintf("%s = %v - %v", s.Name, s.A, s.B)
	case And64:
		return fmt.Sprintf("%s = %v & %v", s.Name, s.A, s.B)
	case ShiftRight:
		return fmt.Sprintf("%s = %v >> %v", s.Name, s.A, s.B)
	case Previous:
		return fmt.Sprintf("%s = %v - 1 wrap %v", s.Name, s.A, s.B)
	case Same:
		return fmt.Sprintf("%s = %v == %v", s.Name, s.A, s.B)
	}
	if s.Type != "" {
		return fmt.Sprintf("%s = %s(%v)", s.Name, s.Type, s.A)
	}
	return fmt.Sprintf("%s = %v", s.Name, s.A)
}

// parseQuestion reads TYPE or TYPE.MEMBER[:FORM]; a struct inside another has the
// form struct.
func parseQuestion(text string) (q Question, err error) {
	if stepName.MatchString(text) {
		return Question{Member: Member{Type: text}}, nil
	}
	m := stepMember.FindStringSubmatch(text)
	if m == nil || m[1] != "" {
		return q, fmt.Errorf("bad member %s: want TYPE or TYPE.MEMBER[:FORM]", quote(text))
	}
	q = Question{Member{m[2], strings.Split(m[3], ".")[1:]}, pointer}
	switch m[4] {
	case "":
	case "struct":
		q.Form = Integer{}
	default:
		q.Form, err = parseInteger(m[4])
	}
	return q, err
}

// parseAt reads where a field lies beside the descriptor: VALUE, with a ? behind
// it when not every kernel has it, or some of its bits as VALUE[msb:lsb]. Names
// are looked up per walk, later.
func parseAt(text string) (s State, msb, lsb int, err error) {
	m := statePlace.FindStringSubmatch(text)
	if m == nil {
		return s, 0, 0, fmt.Errorf("bad place %s: want NAME, NAME.MEMBER[:FORM] or NAME[n][:FORM] with a value of the walks, and bits as [msb:lsb]", quote(text))
	}
	if s.At, err = parsePlace(m[1]); err != nil {
		return s, 0, 0, err
	}
	s.Maybe = m[2] != ""
	if m[3] == "" {
		return s, s.At.Int.Bits - 1, 0, nil
	}
	r, ok := parseBitRange("w0"+m[3], Word{Bits: s.At.Int.Bits})
	if !ok || r.MSB < r.LSB || r.MSB >= s.At.Int.Bits {
		return s, 0, 0, fmt.Errorf("bad bits in %s: want [msb:lsb] or [bit] within %d bits", quote(text), s.At.Int.Bits)
	}
	return s, r.MSB, r.LSB, nil
}

// statePlace is a place, a question mark, and bits. An offset stands before a form,
// bits behind one: NAME[n] alone is a pointer there, which no hint is.
var statePlace = regexp.MustCompile(`^\s*(` + nameRule + `(?:\[[^\]]*\]:[a-z0-9]+|(?:\.` + nameRule + `)+(?::[a-z0-9]+)?)?)\s*(\?)?\s*(\[[^\]]*\])?$`)

func parsePlace(value string) (at Operand, err error) {
	if m := stepOffset.FindStringSubmatch(value); m != nil {
		return offsetOperand(m)
	}
	if m := stepMember.FindStringSubmatch(value); m != nil {
		at = Operand{Kind: MemberValue, Value: m[2], Member: Member{Path: strings.Split(m[3], ".")[1:]}, Int: pointer}
		if m[4] != "" {
			at.Int, err = parseInteger(m[4])
		}
		return at, err
	}
	if !stepName.MatchString(value) {
		return at, fmt.Errorf("bad place %s: want NAME, NAME.MEMBER[:FORM] or NAME[n]:FORM", quote(value))
	}
	return Operand{Kind: Named, Value: value, Int: Integer{Bits: 64}}, nil
}
