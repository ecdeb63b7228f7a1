package rewrite

import (
	"encoding/binary"
	"math/bits"

	"github.com/cilium/ebpf/asm"

	"github.com/hintjit/hintjit/layouts"
)

// word is a piece of the descriptor that a function reads: the smallest aligned
// access that covers all the bits it uses of one of the layout's words. It is
// read once, where hintjit_rx is called, and kept.
type word struct {
	index int // in the descriptor, in units of the layout's word
	off   int // bytes from the descriptor's start
	size  int // bytes of the access: 1, 2, 4 or 8
	low   int // the word's bit that is bit 0 of the access
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
		n[r.Word] |= ones(r.MSB-r.LSB+1) << r.LSB
	}
}

func (n need) conditions(cs []layouts.Condition) {
	for i := range cs {
		n.field(cs[i].Field)
	}
}

// presence adds what it takes, besides the descriptor being ready, to tell
// whether a hint is there.
func (n need) presence(h *layouts.Hint) {
	for i := range h.Alternatives {
		a := &h.Alternatives[i]
		n.conditions(a.When)
		if a.Map != nil {
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
		if f := h.Alternatives[i].From; f != nil {
			n.field(f)
		}
	}
}

// cut chooses the access for the bits in mask of word index.
func (t *target) cut(index int, mask uint64) word {
	w := word{index: index, size: 1}
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
