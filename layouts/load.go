package layouts

import (
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// Load reads a layout. The name stands for the file in messages and in
// Layout.File. The error is an *Errors with everything that is wrong.
func Load(name string, data []byte) (*Layout, error) {
	ld := &loader{reader: reader{file: name}, layout: &Layout{File: name}}
	if root := ld.document(data); root != nil {
		ld.readLayout(root)
		check(ld.layout, &ld.errs)
	}
	if err := ld.errs.orNil(); err != nil {
		return nil, err
	}
	return ld.layout, nil
}

// LoadFile reads the layout in a file.
func LoadFile(path string) (*Layout, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Load(path, data)
}

// loader builds the model from nodes and sees to it that every name in the file
// is a good name and means something. Whether the numbers make sense is check's
// affair: it gets the model, with harmless stand-ins where the file was wrong.
type loader struct {
	reader
	layout *Layout
	maps   []*ValueMap
	used   map[*ValueMap]bool
}

func (ld *loader) readLayout(n *yaml.Node) {
	l := ld.layout
	keys := ld.object(n, "", "nic", "aliases", "module", "about", "descriptors", "maps", "walk", "never", "needs")
	for _, key := range []string{"nic", "descriptors"} {
		if keys[key] == nil && n.Kind == yaml.MappingNode {
			ld.errorf(n, "", "%s is missing", key)
		}
	}
	l.NIC = ld.name(keys["nic"], "nic: ", driverName)
	l.Module = ld.name(keys["module"], "module: ", driverName)
	l.Doc = ld.text(keys["about"], "about: ")
	if n := keys["aliases"]; n != nil {
		for _, item := range ld.list(n, "aliases: ", maxItems) {
			alias := ld.name(item, "aliases: ", driverName)
			if alias != "" && (alias == l.NIC || slices.Contains(l.Aliases, alias)) {
				ld.errorf(item, "aliases: ", "%s stands twice", alias)
			}
			l.Aliases = append(l.Aliases, alias)
		}
	}
	if n := keys["maps"]; n != nil {
		ld.readMaps(n)
	}
	whole := true
	if n := keys["descriptors"]; n != nil {
		for _, item := range ld.list(n, "descriptors: ", maxItems) {
			whole = ld.readDescriptor(item) && whole
		}
	}
	if n := keys["walk"]; n != nil {
		ld.readWalks(n)
	}
	ld.checkState()
	if n := keys["never"]; n != nil {
		ld.readNever(n)
	}
	if n := keys["needs"]; n != nil {
		ld.readNeeds(n, whole)
	}
	for _, m := range ld.maps {
		if whole && !ld.used[m] {
			ld.errs.addf(m.Pos, "map %s: no hint uses it", m.Name)
		}
	}
}

func (ld *loader) readMaps(n *yaml.Node) {
	ld.used = make(map[*ValueMap]bool)
	for _, e := range ld.limited(n, "maps: ") {
		in := "map " + e.name + ": "
		if !ld.named(e.key, "maps: ", e.name, identifier) {
			continue
		}
		keys := ld.object(e.value, in, "source", "values")
		m := &ValueMap{Name: e.name, Source: ld.text(keys["source"], in+"source: "), Pos: ld.pos(e.key)}
		if values := keys["values"]; values != nil {
			m.Values = ld.readValues(values, in)
		} else if e.value.Kind == yaml.MappingNode {
			ld.errorf(e.value, in, "values is missing")
		}
		ld.maps = append(ld.maps, m)
	}
}

func (ld *loader) readValues(n *yaml.Node, in string) map[uint64]uint64 {
	list := ld.entries(n, in)
	switch {
	case n.Kind == yaml.MappingNode && len(n.Content) == 0:
		ld.errorf(n, in, "no values: want at least one")
	case len(list) > 1<<maxMapWidth:
		ld.errorf(list[1<<maxMapWidth].key, in, "more than %d values", 1<<maxMapWidth)
		return nil
	}
	values := make(map[uint64]uint64, len(list))
	for _, e := range list {
		key, ok := ld.number(e.key, in)
		value, okValue := ld.number(e.value, in)
		if !ok || !okValue {
			continue
		}
		if _, twice := values[key]; twice {
			ld.errorf(e.key, in, "key %d stands twice", key)
		}
		values[key] = value
	}
	return values
}

func (ld *loader) readNever(n *yaml.Node) {
	ld.layout.Never = make(map[string]string)
	for _, e := range ld.limited(n, "never: ") {
		if standard(e.name) == nil {
			ld.errorf(e.key, "never: ", "%s is no standard hint: want one that bpf/hintjit.h has", quote(e.name))
			continue
		}
		in := "never: " + e.name + ": "
		ld.layout.Never[e.name] = ld.text(e.value, in)
		for _, d := range ld.layout.Descriptors {
			if d.Hint(e.name) != nil {
				ld.errorf(e.key, in, "descriptor %s gives it: want one or the other", d.Name)
				break
			}
		}
	}
}

// readNeeds reads the settings that hints need. Where a descriptor was not read
// whole, nobody knows which hints there are.
func (ld *loader) readNeeds(n *yaml.Node, whole bool) {
	ld.layout.Needs = make(map[string]string)
	for _, e := range ld.limited(n, "needs: ") {
		in := "needs: " + e.name + ": "
		given := func(d *Descriptor) bool { return d.Hint(e.name) != nil }
		if whole && !slices.ContainsFunc(ld.layout.Descriptors, given) {
			ld.errorf(e.key, "needs: ", "no descriptor gives %s: want a hint that one gives", quote(e.name))
		}
		setting := ld.text(e.value, in)
		if setting != "" && !slices.Contains(Settings, setting) {
			ld.errorf(e.value, in, "unknown setting %s: want one of %s", quote(setting), strings.Join(Settings, ", "))
		}
		ld.layout.Needs[e.name] = setting
	}
}

// readDescriptor reports whether it has read all there is, faulty or not.
func (ld *loader) readDescriptor(n *yaml.Node) bool {
	keys := ld.object(n, "descriptor: ",
		"name", "about", "type", "extends", "size", "word", "ready", "fields", "hints")
	if n.Kind != yaml.MappingNode {
		return false
	}
	d := &Descriptor{Name: ld.name(keys["name"], "descriptor: name: ", driverName), Size: -1, Pos: ld.pos(n)}
	in := d.label()
	for _, key := range []string{"name", "size", "ready"} {
		if keys[key] == nil {
			ld.errorf(n, in, "%s is missing", key)
		}
	}
	for _, other := range ld.layout.Descriptors {
		if other.Name == d.Name && d.Name != "" {
			ld.errorf(keys["name"], in, "the name stands already in line %d", other.Pos.Line)
		}
	}
	d.Doc = ld.text(keys["about"], in+"about: ")
	d.Type = ld.name(keys["type"], in+"type: ", identifier)
	// Without a word or a base there is nothing to say about bits and names.
	if (keys["extends"] != nil && !ld.readExtends(keys["extends"], keys["word"], d, in)) ||
		(keys["extends"] == nil && !ld.readWord(keys["word"], keys["size"], n, d, in)) {
		return false
	}
	ld.layout.Descriptors = append(ld.layout.Descriptors, d)
	if size := keys["size"]; size != nil {
		d.Size = ld.readSize(size, d.Word, in)
	}
	if fields := keys["fields"]; fields != nil {
		ld.readFields(fields, d, in)
	}
	if ready := keys["ready"]; ready != nil {
		d.Ready = ld.readConditions(ready, d, in+"ready: ")
	}
	if hints := keys["hints"]; hints != nil {
		for _, e := range ld.limited(hints, in+"hints: ") {
			ld.readHint(e, d, in)
		}
	}
	return true
}

// label names the descriptor at the start of a message.
func (d *Descriptor) label() string {
	if d.Name == "" {
		return "descriptor: "
	}
	return "descriptor " + d.Name + ": "
}

func (ld *loader) readWord(n, size, descriptor *yaml.Node, d *Descriptor, in string) (ok bool) {
	if n == nil && size != nil && size.Value == "0" {
		d.Word = Word{Bits: 64} // of nothing
		return true
	}
	if n == nil {
		ld.errorf(descriptor, in, "word is missing")
		return false
	}
	s := ld.text(n, in+"word: ")
	if d.Word, ok = words[s]; !ok && s != "" {
		ld.errorf(n, in, "bad word %s: want le16, le32, le64, be16, be32 or be64", quote(s))
	}
	return ok
}

// readSize returns a descriptor's size in bytes, -1 when it is faulty.
func (ld *loader) readSize(n *yaml.Node, word Word, in string) int {
	size, ok := ld.number(n, in+"size: ")
	wordBytes := uint64(word.Bits / 8)
	switch {
	case !ok:
		return -1
	case size > maxSize:
		ld.errorf(n, in, "bad size %d: want at most %d bytes, 0 when all fields lie beside the descriptor", size, maxSize)
		return -1
	case size%wordBytes != 0:
		ld.errorf(n, in, "bad size %d: want a multiple of the word %v, %d bytes", size, word, wordBytes)
		return -1
	}
	return int(size)
}

// readExtends copies the fields and the word of an earlier descriptor.
func (ld *loader) readExtends(n, word *yaml.Node, d *Descriptor, in string) bool {
	name := ld.text(n, in+"extends: ")
	i := slices.IndexFunc(ld.layout.Descriptors, func(base *Descriptor) bool { return base.Name == name })
	if i < 0 || name == "" {
		ld.errorf(n, in, "extends %s: want a descriptor that stands before this one", quote(name))
		return false
	}
	base := ld.layout.Descriptors[i]
	if word != nil {
		ld.errorf(word, in, "word comes from %s: want it left out", base.Name)
	}
	d.Word = base.Word
	d.State = slices.Clone(base.State)
	for _, f := range base.Fields {
		inherited := *f
		inherited.Bits = slices.Clone(f.Bits)
		d.Fields = append(d.Fields, &inherited)
	}
	return true
}

func (ld *loader) readFields(n *yaml.Node, d *Descriptor, in string) {
	for _, e := range ld.entries(n, in+"fields: ") {
		inField := in + "field " + e.name + ": "
		switch {
		case !ld.named(e.key, in+"fields: ", e.name, identifier):
			continue
		case len(d.Fields) == maxItems:
			ld.errorf(e.key, inField, "want at most %d fields in a descriptor", maxItems)
			return
		case d.field(e.name) != nil:
			ld.errorf(e.key, inField, "stands already in line %d", d.field(e.name).Pos.Line)
			continue
		}
		f := &Field{Name: e.name, Pos: ld.pos(e.value)}
		// A field with a fault stays, so that conditions find it, and has no bits.
		d.Fields = append(d.Fields, f)
		n := e.value
		if n.Kind == yaml.MappingNode {
			keys := ld.object(n, inField, "bits", "at", "about", "source")
			f.Doc = ld.text(keys["about"], inField+"about: ")
			f.Source = ld.text(keys["source"], inField+"source: ")
			if at := keys["at"]; at != nil && keys["bits"] == nil {
				f.Pos = ld.pos(at)
				ld.readAt(at, f, d, inField)
				continue
			}
			if keys["bits"] == nil || keys["at"] != nil {
				ld.errorf(n, inField, "want either bits or at")
				continue
			}
			n = keys["bits"]
			f.Pos = ld.pos(n)
		}
		if text := ld.text(n, inField); text != "" {
			bits, err := parseBits(text, d.Word)
			if err != nil {
				ld.errorf(n, inField, "%v", err)
			}
			f.Bits = bits
		}
	}
}

// field returns the field of that name, nil when there is none.
func (d *Descriptor) field(name string) *Field {
	for _, f := range d.Fields {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// readConditions reads a conjunction. A faulty condition stays as one without a
// field, which check takes to be right.
func (ld *loader) readConditions(n *yaml.Node, d *Descriptor, in string) []Condition {
	list := ld.list(n, in, maxSteps)
	conditions := make([]Condition, len(list))
	for i, item := range list {
		text := ld.text(item, in)
		if text == "" {
			continue
		}
		name, c, err := parseCondition(text)
		if err != nil {
			ld.errorf(item, in, "%v", err)
			continue
		}
		if c.Field = ld.fieldRef(item, name, d, in); c.Field != nil {
			c.Pos = ld.pos(item)
			conditions[i] = c
		}
	}
	if len(list) == 0 {
		return []Condition{{}}
	}
	return conditions
}

// fieldRef looks up a field that the file names at n.
func (ld *loader) fieldRef(n *yaml.Node, name string, d *Descriptor, in string) *Field {
	f := d.field(name)
	if f == nil {
		names := make([]string, len(d.Fields))
		for i, f := range d.Fields {
			names[i] = f.Name
		}
		ld.errorf(n, in, "unknown field %s: %v", quote(name), suggestion{name, names})
	}
	return f
}

func (ld *loader) readHint(e entry, d *Descriptor, in string) {
	inHint := in + "hint " + e.name + ": "
	if !ld.named(e.key, in+"hints: ", e.name, identifier) {
		return
	}
	if strings.HasPrefix(e.name, "has_") {
		ld.errorf(e.key, inHint, "names with has_ tell whether a hint is there: want another name")
		return
	}
	h := &Hint{Name: e.name, Pos: ld.pos(e.key)}
	d.Hints = append(d.Hints, h)
	keys := map[string]*yaml.Node{}
	var alternatives []*yaml.Node
	if e.value.Kind == yaml.SequenceNode {
		alternatives = ld.list(e.value, inHint, maxSteps)
	} else {
		keys = ld.object(e.value, inHint, append([]string{"type", "about", "source", "any"}, alternativeKeys...)...)
		alternatives = ld.alternatives(e.value, keys, inHint)
	}
	h.Doc = ld.text(keys["about"], inHint+"about: ")
	h.Source = ld.text(keys["source"], inHint+"source: ")
	ld.readType(e.key, keys["type"], h, inHint)
	for _, n := range alternatives {
		if n != e.value {
			keys = ld.object(n, inHint, alternativeKeys...)
		}
		if n.Kind == yaml.MappingNode {
			h.Alternatives = append(h.Alternatives, ld.readAlternative(n, keys, d, inHint))
		}
	}
}

// alternatives returns the nodes of a hint's alternatives: those of "any", or the
// hint's own.
func (ld *loader) alternatives(n *yaml.Node, keys map[string]*yaml.Node, in string) []*yaml.Node {
	if keys["any"] == nil {
		return []*yaml.Node{n}
	}
	for _, key := range alternativeKeys {
		if keys[key] != nil {
			ld.errorf(keys[key], in, "%s beside any: want it in any's items", key)
		}
	}
	return ld.list(keys["any"], in+"any: ", maxSteps)
}

// readType sets the hint's type: the header's for a standard hint, the file's
// for another.
func (ld *loader) readType(key, n *yaml.Node, h *Hint, in string) {
	std := standard(h.Name)
	switch {
	case std != nil && n != nil:
		ld.errorf(n, in, "type of a standard hint: want it left out, it is %v", std.Decl)
	case std == nil && n == nil:
		ld.errorf(key, in, "no standard hint, and type is missing: want type: u8, u16, u32, u64, be16 or be32")
	case std != nil:
		h.Decl = std.Decl
		if h.Doc == "" {
			h.Doc = std.Doc
		}
	default:
		s := ld.text(n, in+"type: ")
		decl, ok := types[s]
		if !ok && s != "" {
			ld.errorf(n, in, "bad type %s: want u8, u16, u32, u64, be16 or be32", quote(s))
		}
		h.Decl = decl
	}
}

// standard returns the standard hint of that name, nil when there is none.
func standard(name string) *Standard {
	for i := range StandardHints {
		if StandardHints[i].Name == name {
			return &StandardHints[i]
		}
	}
	return nil
}

var alternativeKeys = []string{"from", "value", "when", "map", "convert"}

// readAlternative reads one alternative. A faulty one comes back as a constant
// under a condition without a field, which check takes to be right.
func (ld *loader) readAlternative(n *yaml.Node, keys map[string]*yaml.Node, d *Descriptor, in string) Alternative {
	a := Alternative{Pos: ld.pos(n)}
	if when := keys["when"]; when != nil {
		a.When = ld.readConditions(when, d, in+"when: ")
	}
	ok := false
	switch from, value := keys["from"], keys["value"]; {
	case (from == nil) == (value == nil):
		ld.errorf(n, in, "want either from or value")
	case value != nil:
		a.Value, ok = ld.number(value, in+"value: ")
		for _, key := range []string{"map", "convert"} {
			if keys[key] != nil {
				ld.errorf(keys[key], in, "%s of a constant: want the value itself", key)
			}
		}
	default:
		ok = ld.readFrom(&a, keys, d, in)
	}
	if !ok {
		return Alternative{When: []Condition{{}}, Pos: a.Pos}
	}
	return a
}

// readFrom reads the keys of an alternative that is taken from a field.
func (ld *loader) readFrom(a *Alternative, keys map[string]*yaml.Node, d *Descriptor, in string) bool {
	from := keys["from"]
	if name := ld.text(from, in+"from: "); name != "" {
		a.From = ld.fieldRef(from, name, d, in+"from: ")
	}
	ok := a.From != nil
	if n := keys["map"]; n != nil {
		a.Map = ld.mapRef(n, in+"map: ")
		ok = ok && a.Map != nil
	}
	if n := keys["convert"]; n != nil {
		list := ld.list(n, in+"convert: ", maxSteps)
		ok = ok && len(list) > 0
		for _, item := range list {
			text := ld.text(item, in+"convert: ")
			c, field, err := parseConversion(text)
			if err != nil && text != "" {
				ld.errorf(item, in, "%v", err)
			}
			if field != "" {
				c.With = ld.fieldRef(item, field, d, in+"convert: ")
			}
			ok = ok && err == nil && (field == "" || c.With != nil)
			a.Convert = append(a.Convert, c)
		}
	}
	return ok
}

// mapRef looks up a map that the file names at n.
func (ld *loader) mapRef(n *yaml.Node, in string) *ValueMap {
	name := ld.text(n, in)
	if name == "" {
		return nil
	}
	names := make([]string, len(ld.maps))
	for i, m := range ld.maps {
		if m.Name == name {
			ld.used[m] = true
			return m
		}
		names[i] = m.Name
	}
	ld.errorf(n, in, "unknown map %s: %v", quote(name), suggestion{name, names})
	return nil
}

// suggestion names the nearest of the known names. Only a message that is kept
// pays for it.
type suggestion struct {
	name  string
	known []string
}

func (s suggestion) String() string {
	if n := nearest(s.name, s.known); n != "" {
		return "did you mean " + n + "?"
	}
	return "want one that the file has"
}
