package rewrite

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"sort"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/layouts"
)

// word is a piece of the descriptor that a function reads: the smallest aligned
// access that covers all the bits it uses of one of the layout's words. It is
// read once, where hintjit_rx is called, and kept.
type word struct {
	index int    // in the descriptor, in units of the layout's word
	off   int    // bytes from the descriptor's start
	size  int    // bytes of the access: 1, 2, 4 or 8
	low   int    // the word's bit that is bit 0 of the access
	mask  uint64 // the word's bits that are looked at here
	swap  bool
	home  home
	// passing: it is looked at where it is fetched and not kept. It holds
	// nothing but conditions for every hint alike.
	passing bool
}

// home is where a word is kept: a register, or the 8 bytes of stack at slot.
type home struct {
	reg    asm.Register
	slot   int // r10 + slot; 0: in reg
	placed bool
}

// need gathers the bits of the descriptor that something reads.
type need map[int]uint64 // word index -> bits

func (n need) field(f *layouts.Field) {
	for _, r := range f.Bits {
		n[r.Word] |= maskOf(r)
	}
}

func (n need) conditions(cs []layouts.Condition) {
	for i := range cs {
		n.field(cs[i].Field)
	}
}

// decision adds what it takes to make one and, with value, to compute what it comes
// to.
func (n need) decision(d *decision, value bool) {
	d.visit(func(d *decision) {
		switch {
		case d.question():
			n.field(d.ask.Field)
		case d.is != nil && (value || d.no != nil):
			n.alternative(d.is)
		}
	})
}

// presence adds what it takes, besides the descriptor being ready, to tell
// whether a hint is there.
func (n need) presence(h *layouts.Hint) {
	for i := range h.Alternatives {
		a := &h.Alternatives[i]
		n.conditions(a.When)
		if partial(a) {
			n.field(a.From)
		}
	}
}

func (n need) add(m need) {
	for w, bits := range m {
		n[w] |= bits
	}
}

// value adds what it takes to compute a hint that is there.
func (n need) value(h *layouts.Hint) {
	for i := range h.Alternatives {
		n.alternative(&h.Alternatives[i])
	}
}

func (n need) alternative(a *layouts.Alternative) {
	if a.From != nil {
		n.field(a.From)
	}
	for _, c := range a.Convert {
		if c.With != nil {
			n.field(c.With)
		}
	}
}

// cut chooses the access for the bits in mask of word index.
func (t *target) cut(index int, mask uint64) word {
	w := word{index: index, size: 1, mask: mask}
	if s := t.desc.StateOf(index); s != nil {
		return t.reach.(*walkReach).cut(w, s)
	}
	whole := t.desc.Word.Bits
	low, high := bits.TrailingZeros64(mask), 63-bits.LeadingZeros64(mask)
	for ; ; w.size *= 2 {
		w.low = low &^ (w.size*8 - 1)
		if high < w.low+w.size*8 {
			break
		}
	}
	w.off = index * whole / 8
	if t.desc.Word.BigEndian {
		w.off += (whole - w.low - w.size*8) / 8
	} else {
		w.off += w.low / 8
	}
	w.swap = w.size > 1 && t.desc.Word.BigEndian != (t.order == binary.BigEndian)
	return w
}

// needs is what instruction i reads of the descriptor.
func (p *plan) needs(i int) need {
	n := need{}
	if t := p.tests[i]; t != nil {
		n.decision(t.how, false)
	}
	if r := p.reads[i]; r != nil {
		for k, d := range r.how {
			n.decision(d, !r.parts[k].has)
		}
	}
	return n
}

// copyNeeds is what building the struct in memory reads.
func (p *plan) copyNeeds() need {
	n := need{}
	d := p.main
	for i := range d.members {
		if h, has := p.t.hint(&d.members[i]); h != nil {
			n.presence(h)
			if !has {
				n.value(h)
			}
		}
	}
	return n
}

// chooseWords cuts the descriptor into the words this function keeps, and notes
// who reads which.
func (p *plan) chooseWords() {
	each := map[int]need{}
	for i := range p.f.Insns {
		if p.tests[i] != nil || p.reads[i] != nil {
			each[i] = p.needs(i)
		}
	}
	if p.copies {
		n := p.copyNeeds()
		for _, c := range p.calls {
			if c.site&p.escaped != 0 {
				each[c.insn] = n
			}
		}
	}
	total := need{}
	for _, n := range each {
		total.add(n)
	}
	p.splitReady(total)
	for i, n := range each {
		n.conditions(p.left(i, p.ready))
		total.add(n)
	}
	passing := need{}
	passing.conditions(p.first)
	apart := p.apart(total)
	for _, r := range apart {
		total[r.Word] &^= maskOf(r)
		p.words = append(p.words, p.t.cut(r.Word, maskOf(r)))
	}
	for index, mask := range total {
		if mask != 0 {
			p.words = append(p.words, p.t.cut(index, mask))
		}
	}
	for index, mask := range passing {
		w := p.t.cut(index, mask)
		w.passing = true
		p.words = append(p.words, w)
	}
	slices.SortFunc(p.words, func(a, b word) int { return cmp.Or(cmp.Compare(a.index, b.index), cmp.Compare(a.mask, b.mask)) })
	for i, n := range each {
		for w := range p.words {
			if n[p.words[w].index]&p.words[w].mask != 0 && !p.words[w].passing {
				p.uses[i] |= 1 << w
			}
		}
	}
}

// maxApart is how many words a function may keep for values to be read apart: those
// that registers are there for without a thought.
const maxApart = 4

// apart lists values that are best read by themselves: they lie in a word that is read
// for other things as well, where an access of their own size fits, and are then there
// without a shift or a mask. It takes a load more, which a walk does not have.
func (p *plan) apart(total need) (out []layouts.BitRange) {
	if _, walks := p.t.reach.(*walkReach); walks {
		return nil
	}
	l := looks{asked: need{}, values: map[layouts.BitRange]bool{}}
	l.asked.conditions(p.ready)
	for i := range p.f.Insns {
		if t := p.tests[i]; t != nil {
			l.add(t.how, false)
		}
		if r := p.reads[i]; r != nil {
			for k, d := range r.how {
				l.add(d, !r.parts[k].has)
			}
		}
	}
	if p.copies {
		for h := range p.hints {
			l.add(ofHint(h, true, nil, false), true)
		}
	}
	for r := range l.values {
		if maskOf(r) != total[r.Word] && l.alone(r, p.t.desc.Word.Bits) {
			out = append(out, r)
		}
	}
	if len(total)+len(out) > maxApart {
		return nil
	}
	return out
}

// looks are what a function does with the bits of the descriptor.
type looks struct {
	asked  need // bits that conditions are on
	values map[layouts.BitRange]bool
}

// add adds what a decision asks and, with value, what it comes to.
func (l *looks) add(d *decision, value bool) {
	l.asked.decision(d, false)
	d.visit(func(d *decision) {
		if d.is == nil || d.is.From == nil || !value {
			return
		}
		for _, r := range d.is.From.Bits {
			l.values[r] = true
		}
		for _, c := range d.is.Convert {
			if c.With != nil {
				l.asked.field(c.With)
			}
		}
	})
}

// alone tells whether an access of its own reads those bits of a word, and nothing else
// is made of a part of them.
func (l *looks) alone(r layouts.BitRange, word int) bool {
	switch n := r.MSB - r.LSB + 1; {
	case n != 8 && n != 16 && n != 32, r.LSB%n != 0, n == word, l.asked[r.Word]&maskOf(r) != 0:
		return false
	}
	for o := range l.values {
		if o != r && o.Word == r.Word && maskOf(o)&maskOf(r) != 0 {
			return false
		}
	}
	return true
}

// maskOf is the bits of a range, in its word.
func maskOf(r layouts.BitRange) uint64 { return ones(r.MSB-r.LSB+1) << r.LSB }

// splitReady decides which of the descriptor's ready conditions are tested once,
// where it is fetched: all that one comparison can test where that is shorter than with
// each hint, and else those on words that are read for nothing else. A descriptor that
// fails them then is as good as none, and its words are 0: so that has to make every hint
// in use absent.
func (p *plan) splitReady(total need) {
	p.ready = p.t.desc.Ready
	if p.readyAtOnce() {
		return
	}
	kept := need{}
	kept.add(total)
	for _, c := range p.t.desc.Ready {
		if !inPassing(&c) {
			kept.field(c.Field)
		}
	}
	var first, rest []layouts.Condition
	for again := true; again; { // a condition that stays keeps its words for others
		again = false
		first, rest = nil, nil
		for _, c := range p.t.desc.Ready {
			alone := true
			for _, b := range c.Field.Bits {
				alone = alone && kept[b.Word] == 0
			}
			if alone {
				first = append(first, c)
				continue
			}
			rest = append(rest, c)
			for _, b := range c.Field.Bits {
				again = again || kept[b.Word] == 0
			}
			kept.field(c.Field)
		}
	}
	if failsOnZero(rest) || p.absentOnZero() {
		p.first, p.ready = first, rest
	}
}

// readyAtOnce tests ready conditions once if that is shorter.
func (p *plan) readyAtOnce() bool {
	if _, walks := p.t.reach.(*walkReach); walks { // for which to read a word again is dear
		return false
	}
	var first, rest []layouts.Condition
	for _, c := range p.t.desc.Ready {
		if inPassing(&c) {
			first = append(first, c)
		} else {
			rest = append(rest, c)
		}
	}
	once := need{}
	once.conditions(first)
	if p.separately(first) <= len(once) || !failsOnZero(rest) && !p.absentOnZero() {
		return false
	}
	p.first, p.ready = first, rest
	return true
}

// inPassing tells whether a condition takes no more than a comparison of a word.
func inPassing(c *layouts.Condition) bool {
	_, _, ok := masked(c)
	return ok || someBit(c)
}

// separately counts the comparisons that ready conditions take beyond what is compared
// anyway, over all loads and tests.
func (p *plan) separately(ready []layouts.Condition) (n int) {
	for i := range p.f.Insns {
		if t := p.tests[i]; t != nil {
			n += p.readyApart(i, ready, t.how)
		}
		if r := p.reads[i]; r != nil {
			for _, d := range r.how {
				n += p.readyApart(i, ready, d)
			}
		}
	}
	return n
}

// readyApart counts the words on which instruction i asks ready conditions and a decision
// nothing that one comparison could ask as well.
func (p *plan) readyApart(i int, ready []layouts.Condition, d *decision) int {
	apart := need{}
	apart.conditions(p.left(i, ready))
	d.visit(func(d *decision) {
		if !d.question() {
			return
		}
		if _, _, ok := masked(&d.ask); ok {
			for _, r := range d.ask.Field.Bits {
				delete(apart, r.Word)
			}
		}
	})
	return len(apart)
}

// absentOnZero tells whether words that are 0 come to what a hint does that is absent,
// everywhere in the function.
func (p *plan) absentOnZero() bool {
	for i := range p.f.Insns {
		if failsOnZero(p.held[i]) {
			continue // nobody comes here with them
		}
		if t := p.tests[i]; t != nil && !p.t.absentOnZero(t.how, false) {
			return false
		}
		if r := p.reads[i]; r != nil {
			for k, d := range r.how {
				if !p.t.absentOnZero(d, !r.parts[k].has) {
					return false
				}
			}
		}
	}
	if !p.copies {
		return true
	}
	return !slices.ContainsFunc(p.copied(), func(h copied) bool {
		return !p.t.absentOnZero(ofHint(h.hint, h.has == nil, nil, false), h.has == nil)
	})
}

// absentOnZero follows a decision, of a value or of presence, on words that are 0.
func (t *target) absentOnZero(d *decision, value bool) bool {
	for d.question() {
		if d.ask.Holds(0) {
			d = d.yes
		} else {
			d = d.no
		}
	}
	switch {
	case d == none:
		return true
	case d.is == nil || !value:
		return false
	}
	v, translated := d.is.Value, true
	if d.is.Map != nil {
		v, translated = d.is.Map.Values[0]
	}
	if !translated {
		return d.no == nil || t.absentOnZero(d.no, value)
	}
	v, known := t.converted(v, d.is.Convert)
	return known && v == 0
}

func failsOnZero(conds []layouts.Condition) bool {
	return slices.ContainsFunc(conds, func(c layouts.Condition) bool { return !c.Holds(0) })
}

func (p *plan) hintsInUse() map[*layouts.Hint]bool {
	out := map[*layouts.Hint]bool{}
	for i := range p.f.Insns {
		if t := p.tests[i]; t != nil {
			for _, a := range t.asks {
				out[a.hint] = true
			}
		}
		if r := p.reads[i]; r != nil {
			for _, pt := range r.parts {
				out[pt.hint] = true
			}
		}
	}
	if p.copies {
		for i := range p.main.members {
			if h, _ := p.t.hint(&p.main.members[i]); h != nil {
				out[h] = true
			}
		}
	}
	return out
}

// conditions is all that is left to test of a conjunction at instruction i,
// -1: nothing is known there.
func (p *plan) conditions(i int, when []layouts.Condition) []layouts.Condition {
	return p.left(i, append(p.ready[:len(p.ready):len(p.ready)], when...))
}

// sunkAt is the words that are fetched before instruction i, not being so at the
// calls.
func (p *plan) sunkAt(i int) uint64 {
	if p.sunk == nil {
		return 0
	}
	return p.sunk[i]
}

// wordOf returns the kept word that holds bits of the layout's.
func (p *plan) wordOf(r layouts.BitRange) *word { return p.find(r, false) }

// passed returns the one that is looked at in passing.
func (p *plan) passed(r layouts.BitRange) *word { return p.find(r, true) }

func (p *plan) find(r layouts.BitRange, passing bool) *word {
	i := sort.Search(len(p.words), func(i int) bool { return p.words[i].index >= r.Word })
	for p.words[i].passing != passing || p.words[i].mask>>r.LSB&1 == 0 {
		i++
	}
	return &p.words[i]
}

// liveWords finds where each word has to be kept, and which words a call has to
// bring.
func (p *plan) liveWords() {
	in := make([]uint64, len(p.graph.Blocks))
	scan := func(b int32, write bool) uint64 {
		live := uint64(0)
		for _, s := range p.graph.Blocks[b].Succ {
			live |= in[s]
		}
		for i := p.graph.Blocks[b].End - 1; i >= p.graph.Blocks[b].Start; i-- {
			if write && live != 0 {
				p.alive[i] = live
			}
			if p.isCall(i) {
				if write {
					p.fetch[i] = live | p.uses[i]
				}
				if !p.entry {
					live = 0
					continue
				}
			}
			live |= p.uses[i]
			if p.sinks != nil && p.sinks[i] {
				if write {
					p.sunk[i] = live
				}
				live = p.context
			}
		}
		return live
	}
	for again := true; again; {
		again = false
		for k := len(p.graph.Order) - 1; k >= 0; k-- {
			b := p.graph.Order[k]
			if live := scan(b, false); live != in[b] {
				in[b], again = live, true
			}
		}
	}
	for _, b := range p.graph.Order {
		scan(b, true)
	}
	if p.entry {
		p.fetch = map[int]uint64{-1: in[0]}
	}
}
