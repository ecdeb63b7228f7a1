package equivalence

import (
	"bytes"
	"slices"
)

// Input is all that one run of a program depends on.
type Input struct {
	Record []byte // on a walk: the descriptor and what lies beside it
	// Breaks is the step of the walk that does not hold, -1: none. Generic and Foreign
	// are as in driver.Packet.
	Breaks           int
	Generic, Foreign bool

	Meta, Packet           []byte
	Ifindex, Queue, Egress uint32
	Entries                []Entry // of maps, besides what the object puts there itself
	Seed                   uint64  // of random numbers, the clock, and what is left to chance
}

// Entry is a value of a map.
type Entry struct {
	Map        string
	Key, Value []byte
}

func (in *Input) clone() *Input {
	out := *in
	out.Record, out.Meta, out.Packet = bytes.Clone(in.Record), bytes.Clone(in.Meta), bytes.Clone(in.Packet)
	out.Entries = slices.Clone(in.Entries)
	for i := range out.Entries {
		out.Entries[i].Value = bytes.Clone(in.Entries[i].Value)
	}
	return &out
}

// set gives a map's key a value, in the place of the one it had.
func (in *Input) set(e Entry) {
	for i := range in.Entries {
		if in.Entries[i].Map == e.Map && bytes.Equal(in.Entries[i].Key, e.Key) {
			in.Entries[i] = e
			return
		}
	}
	in.Entries = append(in.Entries, e)
}
