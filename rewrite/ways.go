package rewrite

import "github.com/hintjit/hintjit/layouts"

// Way is what a kernel has for one of a layout's walks.
type Way struct {
	Walk *layouts.Walk
	// Lacks says why the walk is not for this kernel, "" where it is.
	Lacks string
	// Err is what of its steps the kernel does not have.
	Err error
	// Missing are the places beside its descriptor that the walk does not come by, or
	// that the kernel does not have.
	Missing []string
}

// Ways holds a layout's walks against a kernel, each of them, though a rewrite
// takes the first that is for it.
func Ways(l *layouts.Layout, k *Kernel) ([]Way, error) {
	carrier, err := k.Carrier()
	if err != nil {
		return nil, err
	}
	bind := &known{kernel: k, module: l.Module, ptr: carrier}
	var ways []Way
	for _, w := range l.Walks {
		way := Way{Walk: w, Lacks: lacking(bind, w)}
		if way.Lacks == "" && w.Refuse == "" {
			taken := &route{Walk: w, certain: true}
			r := &walkReach{ways: []*route{taken}, bind: bind}
			way.Err = r.placed()
			way.Missing = r.missing(l, taken)
		}
		ways = append(ways, way)
	}
	return ways, nil
}

// missing lists the places that a way does not come by.
func (r *walkReach) missing(l *layouts.Layout, w *route) (places []string) {
	d := l.LeadsTo(w.Walk)
	for i := range d.State {
		if s := &d.State[i]; !r.reaches(w, s) {
			places = append(places, s.At.String())
		}
	}
	return places
}
