package rewrite

import (
	"fmt"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/verifier"
)

// reach is one way to get at the descriptor. It decides when words can be read
// and makes the code that reads them; what the bits mean is not its business.
type reach interface {
	name() Reach
	// when decides whether the words are fetched at the calls of hintjit_rx or
	// at the function's entry (plan.entry), and refuses what can not be right.
	when(p *plan) error
	// lasts says how long after a call the words can still be fetched.
	lasts(p *plan) lasting
	// fetch makes the code that brings words home, emitter.context being where the
	// context is. keep has the registers that may not change. When no descriptor can
	// be had every word is 0, which by the layout's rules makes every hint absent.
	fetch(e *emitter, words uint64, keep registers)
	// moves tells whether a helper may take away what the program would read
	// later. Loading data_meta does so in any case: one can write there.
	moves(helper asm.BuiltinFunc) bool
	// early lists the words that have to live where a call leaves them alone.
	early(p *plan) uint64
	// allows says what code that fetches may do, for the check.
	allows(t *target, u *code.Unit) verifier.Reach
}

// chooseReach finds the reach for a request, and what of the descriptor it gives.
// Auto walks wherever the layout knows a way, and says why where the program or
// the kernel does not allow it: metadata that no driver writes is no second best.
func (t *target) chooseReach(u *code.Unit, opts Options) error {
	switch r := opts.Reach; {
	case r == Walk, (r == "" || r == Auto) && len(t.layout.Walks) > 0:
		w, err := newWalk(t, u, opts)
		if err != nil {
			return err
		}
		t.reach, t.desc = w, w.restrict(t.whole)
	case r == "", r == Auto, r == Meta:
		t.reach, t.desc = metaReach{}, t.whole.Bare()
		if t.whole.Size == 0 || len(t.desc.Hints) == 0 && len(t.whole.Hints) > 0 {
			return &UnsupportedError{Insn: -1, Msg: fmt.Sprintf("%s has no descriptor that could lie in the metadata area", t.layout.NIC),
				Help: "use --reach walk"}
		}
	case r == Kfunc:
		return &UnsupportedError{Insn: -1, Msg: fmt.Sprintf("reach %s is not there yet for %s", r, t.layout.NIC),
			Help: "use --reach walk, or --reach meta with the raw descriptor in the metadata area"}
	default:
		return usagef("no reach %q: want auto, walk, meta or kfunc", r)
	}
	switch opts.Guard {
	case "", GuardOn, GuardBound, GuardOff, GuardStrict:
		return nil
	}
	return usagef("no guard %q: want on, bound, off or strict", opts.Guard)
}
