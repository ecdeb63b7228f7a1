package layouts

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// readAt gives a field the state it is taken from.
func (ld *loader) readAt(n *yaml.Node, f *Field, d *Descriptor, in string) {
	text := ld.text(n, in+"at: ")
	if text == "" {
		return
	}
	state, msb, lsb, err := parseAt(text)
	if err != nil {
		ld.errorf(n, in+"at: ", "%v", err)
		return
	}
	word := -1
	for i := range d.State {
		if d.State[i].At.String() == state.At.String() {
			word = i
		}
	}
	if word < 0 {
		if len(d.State) == maxItems {
			ld.errorf(n, in+"at: ", "want at most %d places beside a descriptor", maxItems)
			return
		}
		word = len(d.State)
		state.Pos = ld.pos(n)
		d.State = append(d.State, state)
	}
	f.Bits = []BitRange{{Word: FirstState + word, MSB: msb, LSB: lsb}}
}

func (ld *loader) readWalks(n *yaml.Node) {
	for _, item := range ld.list(n, "walk: ", maxItems) {
		ld.readWalk(item)
	}
}

func (ld *loader) readWalk(n *yaml.Node) {
	keys := ld.object(n, "walk: ", "name", "about", "source", "descriptor", "has", "lacks", "refuse", "steps")
	if n.Kind != yaml.MappingNode {
		return
	}
	w := &Walk{Name: ld.name(keys["name"], "walk: name: ", driverName), Pos: ld.pos(n)}
	in := "walk " + w.Name + ": "
	if keys["name"] == nil {
		ld.errorf(n, "walk: ", "name is missing")
	}
	for _, other := range ld.layout.Walks {
		if other.Name == w.Name && w.Name != "" {
			ld.errorf(keys["name"], in, "the name stands already in line %d", other.Pos.Line)
		}
	}
	w.Doc, w.Source = ld.text(keys["about"], in+"about: "), ld.text(keys["source"], in+"source: ")
	w.Descriptor = ld.descriptorRef(keys["descriptor"], in+"descriptor: ")
	w.Has = ld.readQuestions(keys["has"], in+"has: ")
	w.Lacks = ld.readQuestions(keys["lacks"], in+"lacks: ")
	w.Refuse = ld.text(keys["refuse"], in+"refuse: ")
	switch steps := keys["steps"]; {
	case (steps == nil) == (w.Refuse == ""):
		ld.errorf(n, in, "want either steps or refuse")
	case steps != nil:
		ld.readSteps(steps, w, in+"steps: ")
	}
	ld.layout.Walks = append(ld.layout.Walks, w)
}

// descriptorRef reads the name of one of the layout's descriptors.
func (ld *loader) descriptorRef(n *yaml.Node, in string) string {
	name := ld.text(n, in)
	if name == "" {
		return ""
	}
	var names []string
	for _, d := range ld.layout.Descriptors {
		names = append(names, d.Name)
	}
	if !slices.Contains(names, name) && len(names) > 0 {
		ld.errorf(n, in, "no descriptor %s: want one of %s", quote(name), strings.Join(names, ", "))
	}
	return name
}

func (ld *loader) readQuestions(n *yaml.Node, in string) (out []Question) {
	if n == nil {
		return nil
	}
	for _, item := range ld.list(n, in, maxSteps) {
		text := ld.text(item, in)
		if text == "" {
			continue
		}
		q, err := parseQuestion(text)
		if err != nil {
			ld.errorf(item, in, "%v", err)
		}
		out = append(out, q)
	}
	return out
}

// maxWalk bounds the steps of a walk.
const maxWalk = 64

func (ld *loader) readSteps(n *yaml.Node, w *Walk, in string) {
	known := scope{}
	for name, typ := range starts {
		known[name] = typ
	}
	for _, item := range ld.list(n, in, maxWalk) {
		text := ld.text(item, in)
		if text == "" {
			continue
		}
		s, err := parseStep(text, known)
		if err != nil {
			ld.errorf(item, in, "%v", err)
			return // what follows would speak of a value that is not there
		}
		s.Pos = ld.pos(item)
		w.Steps = append(w.Steps, s)
	}
	if _, ok := known[Desc]; !ok {
		for _, d := range ld.layout.Descriptors {
			if d.Size > 0 && d == ld.layout.LeadsTo(w) {
				ld.errorf(n, in, "no value is named desc: want the descriptor's address")
				return
			}
		}
	}
}

// checkState sees that every place beside a descriptor is one that some walk
// comes by.
func (ld *loader) checkState() {
	for _, d := range ld.layout.Descriptors {
		for _, s := range d.State {
			found, typed := false, false
			walks := ld.layout.WalksTo(d)
			if len(walks) == 0 { // what extends another has its places, and may have no way of its own
				walks = ld.layout.Walks
			}
			for _, w := range walks {
				typ, ok := w.TypeOf(s.At.Value)
				found, typed = found || ok, typed || ok && typ != ""
			}
			switch {
			case len(ld.errs.List) > 0:
			case !found:
				ld.errs.addf(s.Pos, "%sno walk has a value %s", d.label(), s.At.Value)
			case s.At.Kind == MemberValue && !typed:
				ld.errs.addf(s.Pos, "%svalue %s points to no struct", d.label(), s.At.Value)
			}
		}
	}
}

// TypeOf tells whether the walk has a value of that name, and the struct it
// points to.
func (w *Walk) TypeOf(name string) (typ string, ok bool) {
	if typ, ok := starts[name]; ok {
		return typ, true
	}
	for i := range w.Steps {
		if w.Steps[i].Name == name && name != "" {
			return w.Steps[i].Type, true
		}
	}
	return "", false
}
