package equivalence

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cilium/ebpf"

	"github.com/hintjit/hintjit/verifier"
)

// numbered are the types of maps whose keys are numbers below the map's size; others
// in which an input can put values are in hashed.
var (
	numbered = []ebpf.MapType{ebpf.Array, ebpf.PerCPUArray, ebpf.DevMap, ebpf.CPUMap, ebpf.XSKMap}
	hashed   = []ebpf.MapType{ebpf.Hash, ebpf.PerCPUHash, ebpf.LRUHash, ebpf.LRUCPUHash, ebpf.LPMTrie, ebpf.DevMapHash}
	nested   = []ebpf.MapType{ebpf.ArrayOfMaps, ebpf.HashOfMaps}
	others   = []ebpf.MapType{ebpf.RingBuf, ebpf.PerfEventArray, ebpf.ProgramArray, ebpf.Queue, ebpf.Stack}
)

// modelled tells whether programs may use a map of this type here.
func modelled(m *ebpf.MapSpec) bool {
	return slices.Contains(slices.Concat(numbered, hashed, nested, others), m.Type)
}

// full tells whether all values of a map are there from the start: 0 is then no
// other than none.
func full(t ebpf.MapType) bool { return t == ebpf.Array || t == ebpf.PerCPUArray }

// short tells whether a map of this type may have no room for what a program wants
// to put in.
func short(t ebpf.MapType) bool {
	return t == ebpf.RingBuf || t == ebpf.Queue || t == ebpf.Stack || slices.Contains(hashed, t)
}

// constant tells whether a map is a section that nobody writes to.
func constant(name string) bool { return strings.HasPrefix(name, ".rodata") }

func newMap(name string, spec *ebpf.MapSpec) *verifier.Map {
	return &verifier.Map{Name: name, Type: spec.Type, ReadOnly: constant(name),
		KeySize: int(spec.KeySize), ValueSize: int(spec.ValueSize), MaxEntries: int(spec.MaxEntries)}
}

// makeMaps makes a subject's maps as they are when a program is loaded, with an
// input's entries. Maps in a map have names of their own: "outer/0".
func makeMaps(s *verifier.Subject, in *Input) map[string]*verifier.Map {
	out := make(map[string]*verifier.Map, len(s.Maps))
	for name, spec := range s.Maps {
		m := newMap(name, spec)
		if short(spec.Type) && in.Seed>>20&7 == 0 { // nothing more goes in
			m.MaxEntries = 1
		}
		for _, kv := range spec.Contents {
			key, value := encoded(s, kv.Key, spec.KeySize), encoded(s, kv.Value, spec.ValueSize)
			if key != nil && value != nil {
				m.Set(key, value)
			}
		}
		out[name] = m
		const inner = 2
		for k := range uint64(inner) {
			if spec.InnerMap == nil || in.Seed>>k&1 == 0 {
				continue
			}
			within := fmt.Sprintf("%s/%d", name, k)
			out[within] = newMap(within, spec.InnerMap)
			m.SetInner(numberBytes(s.Unit.Order, k, int(spec.KeySize)), out[within])
		}
	}
	for _, e := range in.Entries {
		if m := out[e.Map]; m != nil {
			m.Set(e.Key, e.Value)
		}
	}
	return out
}

// encoded is a key or value of an object's own contents: sections are bytes under
// a number. What is neither (a program in an array) has no value here.
func encoded(s *verifier.Subject, v any, size uint32) []byte {
	switch v := v.(type) {
	case []byte:
		return v
	case uint32:
		if size == 4 {
			return numberBytes(s.Unit.Order, uint64(v), 4)
		}
	}
	return nil
}

// content is what a map holds, by key.
func content(m *verifier.Map) map[string][]byte {
	out := map[string][]byte{}
	for _, key := range m.Keys() {
		if value := m.Value(key); value != nil && (!full(m.Type) || !zero(value)) {
			out[string(key)] = value
		}
	}
	for i, value := range m.Queue() {
		out[fmt.Sprintf("entry %d", i)] = value
	}
	return out
}

// fits tells whether an input may have this entry of a map: programs' own constants
// stay, and an array has so many values.
func fits(s *verifier.Subject, e Entry) bool {
	spec := s.Maps[e.Map]
	if spec == nil || len(e.Key) != int(spec.KeySize) || len(e.Value) != int(spec.ValueSize) || constant(e.Map) {
		return false
	}
	if slices.Contains(numbered, spec.Type) {
		return len(e.Key) == 4 && s.Unit.Order.Uint32(e.Key) < spec.MaxEntries
	}
	return slices.Contains(hashed, spec.Type)
}

func sortedMaps(s *verifier.Subject) []string { return slices.Sorted(maps.Keys(s.Maps)) }
