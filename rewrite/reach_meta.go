package rewrite

import (
	"slices"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/verifier"
)

// metaReach reads the raw descriptor from the metadata area: it starts at
// data_meta and ends at or before data, as the prototypes of 2018 had it.
type metaReach struct{}

func (metaReach) name() Reach { return Meta }

// Offsets in struct xdp_md (linux/bpf.h).
const (
	mdData     = 0
	mdDataMeta = 8
)

// when lets the words be read at the calls, unless the program may have changed
// the metadata area before one: hints are those of the packet at entry.
func (metaReach) when(p *plan) error {
	for _, c := range p.calls {
		if !c.late {
			continue
		}
		if p.f.Linkage != code.Program {
			return refuse(p.f, c.insn, "call hintjit_rx in the program itself before that, and hand the values or the struct down",
				"hintjit_rx is called in a subprogram after the program may have changed its metadata area, where the descriptor was")
		}
		p.entry = true
	}
	return nil
}

// lasts: bpf_xdp_adjust_head moves the descriptor, and data_meta with it.
func (metaReach) lasts(*plan) lasting { return untouched }

// moves: bpf_xdp_adjust_head moves the metadata along with the packet's start
// (net/core/filter.c), so it does not count.
func (metaReach) moves(helper asm.BuiltinFunc) bool { return helper == asm.FnXdpAdjustMeta }

// early: no call stands between the words.
func (metaReach) early(*plan) uint64 { return 0 }

func (metaReach) allows(t *target, _ *code.Unit) verifier.Reach {
	return verifier.Reach{Meta: t.desc.Size}
}

// fetch compares the descriptor's end with the packet's start before it reads:
// a driver without metadata support sets data_meta past data, and so has none
// either. The words are read from the end, backwards.
func (metaReach) fetch(e *emitter, words uint64, keep registers) {
	e.each(words, func(w *word) { e.avoid |= w.home.register() })
	keep |= e.avoid
	ctx := e.context.reg
	need := 2 // and one to compare in
	if len(e.p.first) > 0 {
		need++
	}
	temps := e.scratch(keep | e.context.register())
	reuse := e.context.slot == 0 && !keep.has(ctx) && (!e.p.results.has(ctx) || len(temps) < need)
	e.avoid |= e.context.register()
	for e.lent = regset(temps...); len(temps) < need-1 || len(temps) < need && !reuse; {
		r, _ := e.temp()
		temps = append(temps, r)
	}
	e.lent = 0
	if reuse { // it is the context's last use
		temps = slices.Insert(temps, 1, ctx)
	}
	packet, end := temps[0], temps[1]
	if e.context.slot != 0 {
		ctx = end
		e.get(e.context, ctx)
	}
	size := e.p.t.desc.Size
	e.op(asm.LoadMem(packet, ctx, mdData, asm.Word))
	e.op(asm.LoadMem(end, ctx, mdDataMeta, asm.Word))
	e.op(asm.Add.Imm(end, int32(size)))
	e.each(words, func(w *word) { e.clear(w) })
	none := e.label()
	e.ifReg(asm.JGT, end, packet, none)
	e.free, e.avoid = regset(temps[2:need]...), e.avoid|regset(packet, end) // and packet is what words pass through
	e.testReady(end, -size, packet, none)
	e.each(words, func(w *word) { e.bring(w, end, -size, packet) })
	e.at(none)
}
