package rewrite

import "fmt"

// reach is one way to get at the descriptor. It decides when words can be read
// and makes the code that reads them; what the bits mean is not its business.
type reach interface {
	name() Reach
	// when decides whether the words are fetched at the calls of hintjit_rx or
	// at the function's entry (plan.entry), and refuses what can not be right.
	when(p *plan) error
	// fetch makes the code that brings words home. r1 holds the context; keep
	// has the registers that may not change. When no descriptor can be had every
	// word is 0, which by the layout's rules makes every hint absent.
	fetch(e *emitter, words uint64, keep registers)
}

// chooseReach finds the reach for a request.
func chooseReach(r Reach, t *target) (reach, error) {
	switch r {
	case "", Auto, Meta:
		// Auto will prefer walk where NIC and kernel allow it; meta is what there
		// is so far, and works on every kernel.
		return metaReach{}, nil
	case Walk, Kfunc:
		return nil, &UnsupportedError{Insn: -1,
			Msg:  fmt.Sprintf("reach %s is not there yet for %s", r, t.layout.NIC),
			Help: "use --reach meta, with the raw descriptor in the metadata area"}
	}
	return nil, usagef("no reach %q: want auto, walk, meta or kfunc", r)
}
