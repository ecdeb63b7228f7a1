package prove

import (
	"github.com/hintjit/hintjit/internal/bdd"
	"github.com/hintjit/hintjit/verifier"
)

// value is what a register or an aligned stack slot holds.
type value struct {
	kind   kind
	region *region  // of a pointer
	word   bdd.Word // the number, or the pointer's offset
}

type kind uint8

const (
	nothing kind = iota // nothing that may be read
	number
	pointer
)

func constant(n uint64) value { return value{kind: number, word: bdd.Number(n)} }

func numeric(w bdd.Word) value { return value{kind: number, word: w} }

// region is memory that a pointer can point into. There is one for each, so that
// regions can be compared with ==.
type region struct {
	kind  regionKind
	name  string // no two have the same
	index int    // depth of a stack frame; epoch of a packet
	size  int    // of a map's value, where it counts
	image *image // what is in it, for hints and tables
	maps  *verifier.Subject
}

type regionKind uint8

const (
	stackRegion   regionKind = iota
	contextRegion            // struct xdp_md
	packetRegion             // metadata and packet; offsets count from the frame's start
	imageRegion              // contents that do not change: struct hintjit_rx, tables
	mapRegion                // what helpers take, nothing to read there
	valueRegion              // of a map, or a ring buffer's record
	functionRegion
)

// image is memory whose bits are known, eight a byte, the least significant
// first.
type image struct{ bytes []octet }

// octet is a byte of memory.
type octet [8]bdd.Ref

// word puts bytes that lie in memory together, as a machine of that byte order
// loads them.
func word(bytes []octet, big bool) (w bdd.Word) {
	for j, b := range bytes {
		if big {
			j = len(bytes) - 1 - j
		}
		copy(w[8*j:], b[:])
	}
	return w
}

// octets is what a store of size bytes writes.
func octets(w *bdd.Word, size int, big bool) []octet {
	out := make([]octet, size)
	for j := range out {
		from := j
		if big {
			from = size - 1 - j
		}
		copy(out[j][:], w[8*from:])
	}
	return out
}
