package rewrite_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/verifier/driver"
)

// A sample is one packet as a driver hands it over, with its descriptor before
// it.
type sample struct {
	meta, packet []byte
	descriptor   *layouts.Descriptor
	world        *driver.Packet // where a walk finds the descriptor, instead of in meta
}

// hints is the truth: what the sample's descriptor says on such a machine.
func (s sample) hints(order binary.ByteOrder) map[string]uint64 {
	if s.world != nil {
		return s.world.Hints(order)
	}
	return s.descriptor.Decode(s.meta[:min(len(s.meta), s.descriptor.Size)], order)
}

// longest is the most metadata that a sample has. The kernel allows 252 bytes
// (xdp_metalen_invalid in include/net/xdp.h, 6.18); the rest is for shapes that
// move the packet's head into the headroom.
const longest = 160

// samples makes packets that meet each condition of a descriptor and miss it:
// chance alone seldom meets a conjunction.
func samples(rng *rand.Rand, d *layouts.Descriptor) []sample {
	var out []sample
	add := func(meta []byte) {
		packet := randomBytes(rng, 64+rng.IntN(64))
		out = append(out, sample{meta: meta, packet: packet, descriptor: d})
	}
	for _, h := range d.Hints {
		for _, a := range h.Alternatives {
			add(met(rng, d, a))
			missed := met(rng, d, a)
			if len(a.When) > 0 {
				meet(rng, d, missed, opposite(a.When[rng.IntN(len(a.When))]))
			}
			add(missed)
			if a.Map != nil {
				unmapped := met(rng, d, a)
				setField(d, unmapped, a.From, rng.Uint64())
				add(unmapped)
			}
		}
		for _, a := range h.Alternatives { // none of them
			missed := randomRecord(rng, d)
			meetAll(rng, d, missed, d.Ready)
			for _, c := range a.When {
				meet(rng, d, missed, opposite(c))
			}
			add(missed)
		}
	}
	for _, c := range d.Ready {
		missed := met(rng, d, d.Hints[0].Alternatives[0])
		meet(rng, d, missed, opposite(c))
		add(missed)
	}
	any := func() []byte {
		h := d.Hints[rng.IntN(len(d.Hints))]
		return met(rng, d, h.Alternatives[rng.IntN(len(h.Alternatives))])
	}
	for range 3 {
		add(nil)
		add(randomBytes(rng, d.Size))
		add(any()[:rng.IntN(d.Size/4)*4])                                     // too short
		add(append(any(), randomBytes(rng, 4*rng.IntN(8))...))                // longer
		record := any()                                                       // with what a walk finds beside the descriptor
		add(append(record, randomBytes(rng, max(longest-len(record), 0))...)) // as long as may be
		add(append(make([]byte, d.Size), randomBytes(rng, 4)...))             // no descriptor
		add(append(randomBytes(rng, 4), any()[:d.Size-4]...))                 // not where it should be
	}
	return out
}

// met returns a descriptor for which an alternative holds.
func met(rng *rand.Rand, d *layouts.Descriptor, a layouts.Alternative) []byte {
	desc := randomRecord(rng, d)
	if a.Map != nil {
		keys := make([]uint64, 0, len(a.Map.Values))
		for k := range a.Map.Values {
			keys = append(keys, k)
		}
		slices.Sort(keys) // so that a seed repeats
		setField(d, desc, a.From, keys[rng.IntN(len(keys))])
	}
	meetAll(rng, d, desc, d.Ready)
	meetAll(rng, d, desc, a.When)
	return desc
}

func meetAll(rng *rand.Rand, d *layouts.Descriptor, desc []byte, cs []layouts.Condition) {
	for _, c := range cs {
		meet(rng, d, desc, c)
	}
}

// meet changes a descriptor so that a condition holds, unless it already does.
func meet(rng *rand.Rand, d *layouts.Descriptor, desc []byte, c layouts.Condition) {
	for {
		if slices.Contains(c.Values, c.Field.Value(d, desc)) != c.Not {
			return
		}
		v := rng.Uint64()
		if !c.Not {
			v = c.Values[rng.IntN(len(c.Values))]
		}
		setField(d, desc, c.Field, v)
	}
}

func opposite(c layouts.Condition) layouts.Condition {
	c.Not = !c.Not
	return c
}

// setField writes a field, a bit at a time: the opposite of Field.Value, and
// nothing of it shared.
func setField(d *layouts.Descriptor, desc []byte, f *layouts.Field, v uint64) {
	for _, r := range slices.Backward(f.Bits) {
		for bit := r.LSB; bit <= r.MSB; bit++ {
			at := bit / 8
			if d.Word.BigEndian {
				at = d.Word.Bits/8 - 1 - at
			}
			at += r.Word * d.Word.Bits / 8
			if r.Word >= layouts.FirstState {
				at = d.Size + 8*(r.Word-layouts.FirstState) + 7 - bit/8
			}
			mask := byte(1) << (bit % 8)
			desc[at] &^= mask
			if v&1 != 0 {
				desc[at] |= mask
			}
			v >>= 1
		}
	}
}

// randomRecord is a descriptor with what lies beside it, each as wide as it is.
func randomRecord(rng *rand.Rand, d *layouts.Descriptor) []byte {
	record := randomBytes(rng, d.RecordSize())
	for k, s := range d.State {
		at := record[d.Size+8*k:][:8]
		binary.BigEndian.PutUint64(at, binary.BigEndian.Uint64(at)>>(64-s.At.Int.Bits))
	}
	return record
}

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// A test over samples that never have a hint, or always, shows little.
func TestSamplesHitEveryHint(t *testing.T) {
	rng := chance.Rand(t)
	for _, n := range nics(t) {
		present, total := make(map[string]int), 0
		for _, s := range samples(rng, n.descriptor) {
			total++
			for hint := range s.hints(binary.LittleEndian) {
				present[hint]++
			}
		}
		for _, h := range n.descriptor.Hints {
			hits := present[h.Name]
			t.Logf("%s: %s present in %d of %d samples", n, h.Name, hits, total)
			require.NotZero(t, hits, "%s: %s is in no sample", n, h.Name)
			require.Less(t, hits, total, "%s: %s is in every sample", n, h.Name)
		}
	}
}

// What setField writes, Value reads, and no other bit changes.
func TestSetField(t *testing.T) {
	rng := chance.Rand(t)
	for _, n := range nics(t) {
		d := n.descriptor
		for _, f := range d.Fields {
			desc := randomBytes(rng, d.Size)
			others := make(map[string]uint64)
			for _, g := range d.Fields {
				others[g.Name] = g.Value(d, desc)
			}
			want := rng.Uint64() & (1<<f.Width() - 1)
			setField(d, desc, f, want)
			others[f.Name] = want
			for _, g := range d.Fields {
				require.Equal(t, others[g.Name], g.Value(d, desc), "%s: %s after setting %s", n, g.Name, f.Name)
			}
		}
	}
}
