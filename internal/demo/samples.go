// Package demo runs the bundled load balancer, rewritten, over a handful of
// descriptors in the kernel, for "hintjit demo".
package demo

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/hintjit/hintjit/layouts"
)

// Sample is what the NIC wrote about a packet.
type Sample struct {
	What       string
	Descriptor []byte // empty: there is none to be had
}

// Bits of the kernel's enum xdp_rss_hash_type (include/net/xdp.h) and of DPDK's
// packet types (lib/mbuf/rte_mbuf_ptype.h).
const (
	hashIPv4, hashTCP, hashUDP          = 1 << 0, 1 << 4, 1 << 5
	ptypeL4Mask, ptypeL4TCP, ptypeL4UDP = 0xf00, 0x100, 0x200
)

// Samples makes descriptors of form d. A layout need not give all that a sample
// is made of: what it does not give is left out.
func Samples(d *layouts.Descriptor) []Sample {
	sample := func(what string, wishes ...wish) Sample {
		return Sample{what, fulfil(d, wishes)}
	}
	return []Sample{
		{What: "no descriptor"},
		sample("not hashed, length only", equal("pkt_len", 54)),
		sample("TCP, hash low", equal("pkt_len", 54), equal("rx_hash", 0x1badcafe),
			among("rx_hash_type", hashIPv4|hashTCP, hashIPv4|hashTCP), among("ptype", ptypeL4Mask, ptypeL4TCP)),
		sample("TCP, hash high, VLAN 42", equal("pkt_len", 54), equal("rx_hash", 0xdeadbeef),
			among("rx_hash_type", hashIPv4|hashTCP, hashIPv4|hashTCP), among("ptype", ptypeL4Mask, ptypeL4TCP),
			equal("vlan_tci", 42)),
		sample("UDP", equal("pkt_len", 54), equal("rx_hash", 0x7e57ab1e),
			among("rx_hash_type", hashIPv4|hashUDP, hashIPv4|hashUDP), among("ptype", ptypeL4Mask, ptypeL4UDP)),
	}
}

// wish is a hint that a sample is to have: hint & mask == bits.
type wish struct {
	hint       string
	mask, bits uint64
}

func equal(hint string, value uint64) wish      { return wish{hint, ^uint64(0), value} }
func among(hint string, mask, bits uint64) wish { return wish{hint, mask, bits} }
func (w wish) granted(hints map[string]uint64) bool {
	value, present := hints[w.hint]
	return present && value&w.mask == w.bits
}

// fulfil finds a descriptor that grants one wish after the other, by trial: what
// a change to the descriptor means is asked of the decoder.
func fulfil(d *layouts.Descriptor, wishes []wish) []byte {
	desc := make([]byte, d.Size)
	satisfy(d, desc, d.Ready)
	var granted []wish
	for _, w := range wishes {
		for _, candidate := range candidates(d, desc, w) {
			hints := d.Decode(candidate, binary.NativeEndian)
			lost := func(g wish) bool { return !g.granted(hints) }
			if w.granted(hints) && !slices.ContainsFunc(granted, lost) {
				desc, granted = candidate, append(granted, w)
				break
			}
		}
	}
	return desc
}

// candidates lists changes of desc that may grant w: none, and for every way to
// the hint the values that the way could begin with.
func candidates(d *layouts.Descriptor, desc []byte, w wish) [][]byte {
	list := [][]byte{desc}
	hint := d.Hint(w.hint)
	if hint == nil {
		return list
	}
	for _, a := range hint.Alternatives {
		values := []uint64{unconverted(w.bits, a.Convert)}
		if a.Map != nil {
			values = slices.Sorted(maps.Keys(a.Map.Values))
		}
		for _, v := range values {
			candidate := slices.Clone(desc)
			satisfy(d, candidate, a.When)
			if a.From != nil {
				set(d, candidate, a.From, v)
			}
			list = append(list, candidate)
		}
	}
	return list
}

// unconverted is what comes to v by the conversions, as far as they add or take off.
func unconverted(v uint64, conversions []layouts.Conversion) uint64 {
	for _, c := range slices.Backward(conversions) {
		switch {
		case c.Op == layouts.Add:
			v -= c.Arg
		case c.Op == layouts.Sub && c.With == nil:
			v += c.Arg
		}
	}
	return v
}

// satisfy makes conditions hold.
func satisfy(d *layouts.Descriptor, desc []byte, conditions []layouts.Condition) {
	for _, c := range conditions {
		v := c.Values[0]
		for c.Not && slices.Contains(c.Values, v) {
			v++
		}
		set(d, desc, c.Field, v)
	}
}

// set writes a field of a descriptor, the lowest bits last.
func set(d *layouts.Descriptor, desc []byte, f *layouts.Field, v uint64) {
	for _, r := range slices.Backward(f.Bits) {
		for bit := r.LSB; bit <= r.MSB; bit++ {
			setBit(d.Word, desc, r.Word, bit, v&1 == 1)
			v >>= 1
		}
	}
}

func setBit(word layouts.Word, desc []byte, index, bit int, on bool) {
	size := word.Bits / 8
	at := bit / 8
	if word.BigEndian {
		at = size - 1 - at
	}
	mask := byte(1) << (bit % 8)
	if on {
		desc[index*size+at] |= mask
	} else {
		desc[index*size+at] &^= mask
	}
}
