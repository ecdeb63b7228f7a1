package rewrite

import "github.com/hintjit/hintjit/layouts"

// WalkOn tells the walk that a layout has for a kernel, and what it does not
// give there: hints, and places beside the descriptor.
func WalkOn(l *layouts.Layout, k *Kernel) (walk string, missing []string, err error) {
	d := l.Descriptors[0]
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
