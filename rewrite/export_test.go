package rewrite

import (
	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/object"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/verifier"
)

var ForDriver = forDriver

// EachPass runs the passes over an object up to the check, and shows what each has
// left of the unit, with what the check would ask of it in the end.
func EachPass(in []byte, opts Options, after func(pass string, u *code.Unit, rules verifier.Options) error) error {
	file, err := object.Parse(in)
	if err != nil {
		return err
	}
	j, err := newJob(file.Unit(), opts)
	if err != nil {
		return err
	}
	for _, p := range passes[:len(passes)-1] {
		if err := p.run(j); err != nil {
			return err
		}
		if err := after(p.name, j.u, j.rules()); err != nil {
			return err
		}
	}
	return nil
}

// WalkOn tells the walk that a layout has for a kernel, and what it does not
// give there: hints, and places beside the descriptor.
func WalkOn(l *layouts.Layout, d *layouts.Descriptor, k *Kernel) (walk string, missing []string, err error) {
	r := &walkReach{guard: GuardOn}
	if err := r.know(&target{layout: l, whole: d, desc: d}, Options{Kernel: k}, false); err != nil {
		return "", nil, err
	}
	given := r.restrict(d)
	for _, h := range d.Hints {
		if given.Hint(h.Name) == nil {
			missing = append(missing, h.Name)
		}
	}
	for i := range d.State {
		if s := &d.State[i]; !r.reaches(r.ways[0], s) {
			missing = append(missing, s.At.String())
		}
	}
	return r.ways[0].Name, missing, nil
}

// Images are the programs as Explain believes that loaders make them: by name, the
// opcode in each slot, 0 in the second of a wide load.
func Images(r *Report) map[string][][]byte {
	out := map[string][][]byte{}
	for _, g := range r.images() {
		var opcodes []byte
		for _, f := range g.funcs {
			for i := range f.Insns {
				opcodes = append(opcodes, byte(f.Insns[i].OpCode))
				if f.Insns[i].Slots() == 2 {
					opcodes = append(opcodes, 0)
				}
			}
		}
		out[g.name] = append(out[g.name], opcodes)
	}
	return out
}

// Decided follows the decision which alternative of a hint holds or, without which,
// whether one does, where some conditions are known to hold and perhaps that the hint is
// there. It returns that alternative, or any; nil for none; and what was asked on the way.
func Decided(h *layouts.Hint, which bool, held []layouts.Condition, there bool, value func(*layouts.Field) uint64) (is *layouts.Alternative, asked []layouts.Condition) {
	for d := ofHint(h, which, held, there); ; {
		switch {
		case d.question():
			asked = append(asked, d.ask)
			if d.ask.Holds(value(d.ask.Field)) {
				d = d.yes
			} else {
				d = d.no
			}
		case d.is == nil || d.no == nil:
			return d.is, asked
		default:
			if _, ok := d.is.Map.Values[value(d.is.From)]; ok {
				return d.is, asked
			}
			d = d.no
		}
	}
}
