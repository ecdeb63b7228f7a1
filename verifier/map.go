package verifier

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"
)

// Map is a BPF map that programs on a Machine can use; it lives on between runs.
type Map struct {
	Name                           string
	Type                           ebpf.MapType // unspecified: an array
	KeySize, ValueSize, MaxEntries int
	ReadOnly                       bool // to programs (BPF_F_RDONLY_PROG), as constants are

	elements map[string]*element
	queue    [][]byte // in a queue or a stack, oldest first
	clock    uint64   // counts uses
}

type element struct {
	key, value []byte
	inner      *Map   // in a map of maps
	program    string // in a prog array
	used       uint64 // when it was used last
}

// traits are how maps of a type behave.
type traits struct {
	indexed  bool // a key is a number below MaxEntries
	full     bool // all values are there from the start and stay
	inPlace  bool // an update changes the value, else it puts another in its place
	evicts   bool // when it is full, what was not used for longest goes
	prefixes bool // a key is a prefix (struct bpf_lpm_trie_key)
	looks    bool // a program may look up elements
	changes  bool // a program may change them
}

// mapTraits says of each type what its file in kernel/bpf does: arraymap.c,
// hashtab.c, lpm_trie.c, devmap.c, cpumap.c and net/xdp/xskmap.c. Per-CPU maps are
// those with one CPU.
var mapTraits = map[ebpf.MapType]traits{
	ebpf.UnspecifiedMap:          {indexed: true, full: true, inPlace: true, looks: true, changes: true},
	ebpf.Array:                   {indexed: true, full: true, inPlace: true, looks: true, changes: true},
	ebpf.PerCPUArray:             {indexed: true, full: true, inPlace: true, looks: true, changes: true},
	ebpf.Hash:                    {looks: true, changes: true},
	ebpf.PerCPUHash:              {inPlace: true, looks: true, changes: true},
	ebpf.LRUHash:                 {evicts: true, looks: true, changes: true},
	ebpf.LRUCPUHash:              {evicts: true, inPlace: true, looks: true, changes: true},
	ebpf.LPMTrie:                 {prefixes: true, looks: true, changes: true},
	ebpf.ArrayOfMaps:             {indexed: true, looks: true},
	ebpf.HashOfMaps:              {looks: true},
	ebpf.DevMap:                  {indexed: true, looks: true},
	ebpf.DevMapHash:              {looks: true},
	ebpf.CPUMap:                  {indexed: true, looks: true},
	ebpf.XSKMap:                  {indexed: true, looks: true},
	ebpf.ProgramArray:            {indexed: true},
	ebpf.PerfEventArray:          {indexed: true},
	ebpf.RingBuf:                 {},
	ebpf.Queue:                   {},
	ebpf.Stack:                   {},
	ebpf.MapType(bloomFilterMap): {},
}

// bloomFilterMap is BPF_MAP_TYPE_BLOOM_FILTER, which cilium/ebpf has no name for.
const bloomFilterMap = 30

// Value returns the value for a key, nil if there is none. Keys are bytes in
// the program's order. Writing to the value changes the map. An array has the values
// that nobody has asked for yet in no way other than that they are 0.
func (m *Map) Value(key []byte) []byte {
	if e := m.elements[string(key)]; e != nil {
		return e.value
	}
	return nil
}

// Keys returns the keys for which there are values, sorted.
func (m *Map) Keys() [][]byte {
	var keys [][]byte
	for _, key := range slices.Sorted(maps.Keys(m.elements)) {
		keys = append(keys, []byte(key))
	}
	return keys
}

// Queue returns what is in a queue or a stack, oldest first.
func (m *Map) Queue() [][]byte { return m.queue }

// Set stores a copy of value under key.
func (m *Map) Set(key, value []byte) {
	e := m.element(key)
	if e.value == nil {
		e.value = make([]byte, m.ValueSize)
	}
	copy(e.value, value)
	m.use(e)
}

// SetInner puts a map into a map of maps.
func (m *Map) SetInner(key []byte, inner *Map) { m.element(key).inner = inner }

// SetProgram puts a function of the unit into a prog array.
func (m *Map) SetProgram(key []byte, name string) { m.element(key).program = name }

// Delete removes the value for a key.
func (m *Map) Delete(key []byte) { delete(m.elements, string(key)) }

// element returns that of a key, and makes it where there is none.
func (m *Map) element(key []byte) *element {
	if m.elements == nil {
		m.elements = make(map[string]*element)
	}
	e := m.elements[string(key)]
	if e == nil {
		e = &element{key: slices.Clone(key)}
		m.elements[string(key)] = e
	}
	return e
}

// check says why a program can not use keys of the map as they are.
func (m *Map) check() error {
	kind, ok := mapTraits[m.Type]
	switch {
	case !ok:
		return fmt.Errorf("%w: map %s is a %v, which is not supported", ErrUnsupported, m.Name, m.Type)
	case kind.indexed && m.KeySize != 4:
		return fmt.Errorf("map %s is a %v and has a key of %d bytes, wanted 4", m.Name, m.Type, m.KeySize)
	case kind.prefixes && m.KeySize < 5:
		return fmt.Errorf("map %s is a %v and has a key of %d bytes, wanted 5 or more", m.Name, m.Type, m.KeySize)
	}
	return nil
}

// find is a program's lookup.
func (m *Map) find(key []byte, order binary.ByteOrder) *element {
	kind := mapTraits[m.Type]
	if kind.prefixes {
		return m.findPrefix(key, order)
	}
	if kind.indexed && int64(order.Uint32(key)) >= int64(m.MaxEntries) {
		return nil
	}
	if kind.full && m.Value(key) == nil {
		m.Set(key, nil)
	}
	return m.use(m.elements[string(key)])
}

// use notes that an element is used now.
func (m *Map) use(e *element) *element {
	if e != nil {
		m.clock++
		e.used = m.clock
	}
	return e
}

// findPrefix returns the longest prefix of a key (trie_lookup_elem).
func (m *Map) findPrefix(key []byte, order binary.ByteOrder) (longest *element) {
	bits := order.Uint32(key)
	if bits > m.maxPrefix() {
		return nil
	}
	for _, e := range m.elements {
		if len(e.key) != m.KeySize {
			continue
		}
		n := order.Uint32(e.key)
		if n > bits || longest != nil && n <= order.Uint32(longest.key) || !samePrefix(e.key[4:], key[4:], n) {
			continue
		}
		longest = e
	}
	return longest
}

// samePrefix tells whether two numbers in network order have the first n bits in
// common.
func samePrefix(a, b []byte, n uint32) bool {
	whole, rest := n/8, n%8
	return string(a[:whole]) == string(b[:whole]) && (rest == 0 || (a[whole]^b[whole])>>(8-rest) == 0)
}

// maxPrefix is the longest prefix, in bits.
func (m *Map) maxPrefix() uint32 { return uint32(m.KeySize-4) * 8 }

// exact returns what an update or delete of a key is about.
func (m *Map) exact(key []byte, order binary.ByteOrder) *element {
	e := m.find(key, order)
	if e != nil && mapTraits[m.Type].prefixes && order.Uint32(e.key) != order.Uint32(key) {
		return nil
	}
	return e
}

// Errors that helpers return, negated (asm-generic/errno-base.h and errno.h).
const (
	eNoEnt     = 2
	e2Big      = 7
	eAgain     = 11
	eAcces     = 13
	eFault     = 14
	eExist     = 17
	eInval     = 22
	eNoSpc     = 28
	eOpNotSupp = 95
)

// Flags of bpf_map_update_elem (linux/bpf.h).
const (
	updateAny = iota
	updateNoExist
	updateExist
)

// update is bpf_map_update_elem; it returns an error number, 0 when done.
func (m *Map) update(key, value []byte, order binary.ByteOrder, flags uint64) int {
	kind := mapTraits[m.Type]
	if flags > updateExist || kind.prefixes && order.Uint32(key) > m.maxPrefix() {
		return eInval
	}
	e := m.exact(key, order)
	switch {
	case kind.full && e == nil:
		return e2Big
	case e != nil && flags == updateNoExist:
		return eExist
	case e == nil && flags == updateExist:
		return eNoEnt
	case e != nil || len(m.elements) < m.MaxEntries:
	case kind.evicts && m.MaxEntries > 0:
		m.evict()
	case kind.prefixes:
		return eNoSpc
	default:
		return e2Big
	}
	if e != nil && !kind.inPlace { // who has a pointer to the old value keeps that
		m.Delete(e.key)
	}
	m.Set(key, value)
	return 0
}

// evict removes the element that was not used for longest. The kernel's choice is only
// near to that (kernel/bpf/bpf_lru_list.c), a program can not rely on either.
func (m *Map) evict() {
	var oldest *element
	for _, e := range m.elements {
		if oldest == nil || e.used < oldest.used {
			oldest = e
		}
	}
	m.Delete(oldest.key)
}

// remove is bpf_map_delete_elem; it returns an error number, 0 when done.
func (m *Map) remove(key []byte, order binary.ByteOrder) int {
	kind := mapTraits[m.Type]
	if kind.full || kind.prefixes && order.Uint32(key) > m.maxPrefix() {
		return eInval
	}
	e := m.exact(key, order)
	if e == nil {
		return eNoEnt
	}
	m.Delete(e.key)
	return 0
}
