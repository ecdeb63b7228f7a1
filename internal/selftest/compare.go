// Package selftest holds the hints of live packets against whatever else tells of
// them: the kernel's metadata kfuncs, the sk_buff that the driver makes of the same
// descriptor, and the frame's own bytes. It has the program that records them
// (bpf/selftest), and runs it on an interface; the program comes to it rewritten.
package selftest

import (
	"bytes"

	"github.com/hintjit/hintjit/layouts"
)

// Surroundings is what has to be known of the interface besides its packets.
type Surroundings struct {
	RSSKey      []byte // nil: not known, or the hash function is not Toeplitz
	ChecksumOff bool   // the driver was told not to look at checksums
}

// Result is what a comparison came to.
type Result struct {
	Packets int
	Paired  int // with the driver's sk_buff
	Hints   []Hint
}

// Hint is what was found of one standard hint.
type Hint struct {
	Name   string
	Exists bool // what the program was told: that this NIC can give it
	Seen   int  // packets that had it
	// Comparisons are those that a packet gave occasion to.
	Comparisons []Comparison
}

// Comparison is a hint against one reference.
type Comparison struct {
	Reference                string
	Agreed, Differed, Missed int // Missed: the reference had it, and the hint was absent
	First                    []Difference
}

// Difference is one packet of which hint and reference say different things.
type Difference struct {
	Have, Want string
	Length     uint32
	Bytes      []byte // of the frame, as many as were recorded
}

// keptDifferences is how many of them are kept of a comparison.
const keptDifferences = 3

// Differed tells whether any hint of any packet was not what it should have been.
func (r *Result) Differed() bool {
	for _, h := range r.Hints {
		for _, c := range h.Comparisons {
			if c.Differed > 0 {
				return true
			}
		}
	}
	return false
}

// Compared is how often a hint was held against something.
func (r *Result) Compared() (n int) {
	for _, h := range r.Hints {
		for _, c := range h.Comparisons {
			n += c.Agreed + c.Differed
		}
	}
	return n
}

// Compare holds the hints of packets against all there is to hold them against.
func Compare(packets []*Packet, around Surroundings) *Result {
	r := &Result{Packets: len(packets)}
	for _, p := range packets {
		if p.SKB != nil {
			r.Paired++
		}
	}
	list := checks(around, answering(packets))
	for at, standard := range layouts.StandardHints {
		h := Hint{Name: standard.Name}
		for _, p := range packets {
			_, has := p.hint(at)
			h.Exists = h.Exists || p.Exists>>at&1 != 0
			if has {
				h.Seen++
			}
		}
		better := false // than a weak one
		for _, c := range list {
			if c.hint != h.Name || c.weak && better {
				continue
			}
			done := c.run(packets, at)
			if done.Agreed+done.Differed > 0 || done.Missed > 0 && h.Exists {
				h.Comparisons = append(h.Comparisons, done)
			}
			better = better || !c.weak && done.Agreed+done.Differed > 0
		}
		if broken := rules(at).run(packets, at); broken.Differed > 0 {
			h.Comparisons = append(h.Comparisons, broken)
		}
		r.Hints = append(r.Hints, h)
	}
	return r
}

// run asks a check about every packet.
func (c *check) run(packets []*Packet, at int) Comparison {
	done := Comparison{Reference: c.reference}
	for _, p := range packets {
		value, has := p.hint(at)
		verdict, want := c.judge(p, value, has)
		switch verdict {
		case agrees:
			done.Agreed++
		case missed:
			done.Missed++
		case differs:
			done.Differed++
			if len(done.First) < keptDifferences {
				have := "absent"
				if has || value != 0 {
					have = format(at, value)
				}
				done.First = append(done.First, Difference{have, want, p.Length, bytes.Clone(p.captured())})
			}
		}
	}
	return done
}

// kfuncs tells which of them gave anything. A driver that has none, or whose
// setting is off, says of every packet that there is nothing.
type kfuncs struct{ hash, timestamp, vlan bool }

func answering(packets []*Packet) (k kfuncs) {
	for _, p := range packets {
		k.hash = k.hash || p.HashError == 0 && (p.KfuncHash != 0 || p.KfuncHashType != 0)
		k.timestamp = k.timestamp || p.TimestampError == 0 && p.KfuncTimestamp != 0
		k.vlan = k.vlan || p.VLANError == 0 && p.KfuncVLANProto != 0
	}
	return k
}
