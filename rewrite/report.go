package rewrite

import (
	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/layouts"
)

// askedOf lists the hints that a function looks at or asks after, before any
// of it is folded.
func (j *job) askedOf(f int, x *found) map[string]bool {
	names := map[string]bool{}
	note := func(m *member) {
		name := m.name
		if hint, has := m.has(); has {
			name = hint
		}
		if name != "" && m.integer {
			names[name] = true
		}
	}
	demanded := j.demandedLoads(f)
	for _, l := range x.loads {
		for i := range l.decl.members {
			m := &l.decl.members[i]
			mask := shifted(ones(int(m.width)), m.position(l.off, l.size, j.t.order)) & ones(l.size*8)
			if mask&demanded[l.insn] != 0 {
				note(m)
			}
		}
	}
	for i := range x.answers {
		if c := x.f.Insns[i].CORE; c.Kind == code.FieldExists {
			if name, err := accessed(asHintStruct(c.Type), c.Access); err == nil {
				note(&member{name: name, integer: true})
			}
		}
	}
	if x.escaped != 0 {
		for i := range j.ds.main.members {
			note(&j.ds.main.members[i])
		}
	}
	return names
}

// offer lists the hints that the target gives and the standard ones that it
// never does.
func (t *target) offer() (gives []string, never []Absent) {
	for _, h := range t.desc.Hints {
		gives = append(gives, h.Name)
	}
	for _, h := range layouts.StandardHints {
		if t.desc.Hint(h.Name) == nil {
			never = append(never, Absent{h.Name, t.why(h.Name)})
		}
	}
	return gives, never
}

// tell sorts the hints that a function asks for into those that the NIC gives
// and those that it never does.
func (j *job) tell(r *ProgramReport, asked map[string]bool) {
	for _, name := range sorted(asked) {
		if j.t.desc.Hint(name) != nil {
			r.Hints = append(r.Hints, name)
		} else {
			r.Absent = append(r.Absent, Absent{name, j.t.why(name)})
		}
	}
}
