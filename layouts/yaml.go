package layouts

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// The part of YAML that layout files are written in: one document of mappings,
// lists and plain text. What lets a reader see one thing and the loader another
// (anchors, aliases, merge keys, tags, directives, a key twice) is refused.

// maxFile holds a map of 65536 values with room to spare.
const maxFile = 1 << 20

// reader walks the nodes of one file and collects what is wrong with them. The
// text in names where a node stands ("descriptor wb16: field dd: ").
type reader struct {
	file string
	errs Errors
}

func (r *reader) pos(n *yaml.Node) Pos { return Pos{r.file, n.Line, n.Column} }

func (r *reader) errorf(n *yaml.Node, in, format string, args ...any) {
	r.errs.addf(r.pos(n), "%s"+format, append([]any{in}, args...)...)
}

// document returns the file's only document, nil when there is an error.
func (r *reader) document(data []byte) *yaml.Node {
	if !r.readable(data) {
		return nil
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		r.syntax(err)
		return nil
	}
	var doc, next yaml.Node
	switch err := loader.Load(&doc); {
	case errors.Is(err, io.EOF):
		r.errs.addf(Pos{r.file, 1, 1}, "the file is empty: want a layout, which starts with nic:")
		return nil
	case err != nil:
		r.syntax(err)
		return nil
	}
	switch err := loader.Load(&next); {
	case err == nil:
		r.errorf(&next, "", "a second document: want one layout in a file")
		return nil
	case !errors.Is(err, io.EOF):
		r.syntax(err)
		return nil
	}
	if !r.plain(doc.Content[0]) {
		return nil
	}
	return doc.Content[0]
}

// readable refuses what the YAML library would report without a place, or take
// more than linear time for (%TAG directives).
func (r *reader) readable(data []byte) bool {
	if len(data) > maxFile {
		r.errs.addf(Pos{r.file, 1, 1}, "the file has %d bytes: want at most %d", len(data), maxFile)
		return false
	}
	line, start := 1, 0
	for i := 0; i < len(data); {
		c, size := utf8.DecodeRune(data[i:])
		pos := Pos{r.file, line, i - start + 1}
		switch {
		case c == utf8.RuneError && size == 1:
			r.errs.addf(pos, "byte 0x%02x is not UTF-8", data[i])
			return false
		case unicode.IsControl(c) && !strings.ContainsRune("\t\n\r", c):
			r.errs.addf(pos, "control character %#U: want plain text", c)
			return false
		case c == '%' && i == start:
			r.errs.addf(pos, "a YAML directive: want none")
			return false
		}
		i += size
		if c == '\n' {
			line, start = line+1, i
		}
	}
	return true
}

// syntax reports an error of the YAML library.
func (r *reader) syntax(err error) {
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		r.errs.addf(Pos{r.file, 1, 1}, "not YAML: %v", err)
		return
	}
	context := ""
	if load.ContextMsg != "" {
		context = " " + load.ContextMsg
	}
	pos := Pos{r.file, max(1, load.Mark.Line), max(1, load.Mark.Column)}
	r.errs.addf(pos, "not YAML%s: %s", context, load.Message)
}

// plain refuses anchors, aliases, merge keys and tags below n.
func (r *reader) plain(n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		r.errorf(n, "", "alias *%s: want it written out (descriptors share fields with extends)", n.Value)
	case n.Anchor != "":
		r.errorf(n, "", "anchor &%s: want none (descriptors share fields with extends)", n.Anchor)
	case n.Kind == yaml.ScalarNode && n.Value == "<<" && n.Style == 0:
		r.errorf(n, "", "merge key <<: want the keys written out (descriptors share fields with extends)")
	case n.Style&yaml.TaggedStyle != 0:
		r.errorf(n, "", "tag %s: want none", quote(n.Tag))
	default:
		ok := true
		for _, c := range n.Content {
			ok = r.plain(c) && ok
		}
		return ok
	}
	return false
}

// entry is a key of a mapping and what stands behind it.
type entry struct {
	name       string
	key, value *yaml.Node
}

// entries returns a mapping's entries in the file's order, each key once.
func (r *reader) entries(n *yaml.Node, in string) []entry {
	if n.Kind != yaml.MappingNode {
		r.errorf(n, in, "found %s, want a mapping (key: value)", kind(n))
		return nil
	}
	list := make([]entry, 0, len(n.Content)/2)
	lines := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			r.errorf(key, in, "found %s as a key, want a name", kind(key))
			continue
		}
		if line, twice := lines[key.Value]; twice {
			r.errorf(key, in, "key %s stands already in line %d", quote(key.Value), line)
			continue
		}
		lines[key.Value] = key.Line
		list = append(list, entry{key.Value, key, n.Content[i+1]})
	}
	return list
}

// limited is entries for a mapping of named things that is bounded.
func (r *reader) limited(n *yaml.Node, in string) []entry {
	list := r.entries(n, in)
	if len(list) > maxItems {
		r.errorf(list[maxItems].key, in, "entry %d: want at most %d", maxItems+1, maxItems)
		list = list[:maxItems]
	}
	return list
}

// object returns the values of a mapping whose keys are all in keys.
func (r *reader) object(n *yaml.Node, in string, keys ...string) map[string]*yaml.Node {
	values := make(map[string]*yaml.Node, len(keys))
	for _, e := range r.entries(n, in) {
		if !slices.Contains(keys, e.name) {
			r.errorf(e.key, in, "unknown key %s: want one of %s", quote(e.name), strings.Join(keys, ", "))
			continue
		}
		values[e.name] = e.value
	}
	return values
}

// list returns the items of a list of at most limit, of at least one.
func (r *reader) list(n *yaml.Node, in string, limit int) []*yaml.Node {
	switch {
	case n.Kind != yaml.SequenceNode:
		r.errorf(n, in, "found %s, want a list", kind(n))
		return nil
	case len(n.Content) == 0:
		r.errorf(n, in, "an empty list: want at least one item")
		return nil
	case len(n.Content) > limit:
		r.errorf(n.Content[limit], in, "item %d: want at most %d", limit+1, limit)
		return n.Content[:limit]
	}
	return n.Content
}

// text returns one line of text. A nil node has none.
func (r *reader) text(n *yaml.Node, in string) string {
	if n == nil {
		return ""
	}
	if n.Kind != yaml.ScalarNode {
		r.errorf(n, in, "found %s, want text", kind(n))
		return ""
	}
	text := strings.TrimSpace(n.Value)
	switch {
	case text == "":
		r.errorf(n, in, "nothing, want text")
	case strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) }):
		r.errorf(n, in, "bad text %s: want one line of printable characters", quote(text))
		return ""
	}
	return text
}

// name returns text that follows the rule, "" when it does not. A nil node has
// none.
func (r *reader) name(n *yaml.Node, in string, rule naming) string {
	s := r.text(n, in)
	if s == "" || r.named(n, in, s, rule) {
		return s
	}
	return ""
}

// named reports s, which stands at n, when it does not follow the rule.
func (r *reader) named(n *yaml.Node, in, s string, rule naming) bool {
	ok := rule.valid(s)
	if !ok {
		r.errorf(n, in, "bad name %s: want %s, at most %d characters", quote(s), rule.want, maxName)
	}
	return ok
}

// number returns the number that stands at n.
func (r *reader) number(n *yaml.Node, in string) (v uint64, ok bool) {
	if n.Kind != yaml.ScalarNode {
		r.errorf(n, in, "found %s, want a number", kind(n))
		return 0, false
	}
	v, err := parseNumber(n.Value)
	if err != nil {
		r.errorf(n, in, "%v", err)
	}
	return v, err == nil
}

// kind describes a node in a message.
func kind(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Value == "":
		return "nothing"
	}
	return fmt.Sprintf("text %s", quote(n.Value))
}
