package verifier

// Map is a BPF map that programs on a Machine can use; it lives on between runs.
type Map struct {
	Name                           string
	Hash                           bool // else an array; a per-CPU array is one with one CPU
	KeySize, ValueSize, MaxEntries int

	values map[string][]byte
}

// Value returns the value for a key, nil if there is none. Keys are bytes in
// the program's order. Writing to the value changes the map.
func (m *Map) Value(key []byte) []byte { return m.values[string(key)] }

// Set stores a copy of value under key.
func (m *Map) Set(key, value []byte) {
	if m.values == nil {
		m.values = make(map[string][]byte)
	}
	if old := m.values[string(key)]; old != nil {
		copy(old, value)
		return
	}
	v := make([]byte, m.ValueSize)
	copy(v, value)
	m.values[string(key)] = v
}

// find is a program's lookup: an array has all its values from the start.
func (m *Map) find(key []byte, index uint32) []byte {
	if v := m.Value(key); v != nil || m.Hash || int64(index) >= int64(m.MaxEntries) {
		return v
	}
	m.Set(key, nil)
	return m.Value(key)
}

// Errors that helpers return, negated (asm-generic/errno-base.h).
const (
	eNoEnt = 2
	e2Big  = 7
	eExist = 17
	eInval = 22
	eAcces = 13
)

// Flags of bpf_map_update_elem (linux/bpf.h).
const (
	updateAny = iota
	updateNoExist
	updateExist
)

// update is bpf_map_update_elem; it returns an error number, 0 when done
// (array_map_update_elem in kernel/bpf/arraymap.c, htab_map_update_elem in
// kernel/bpf/hashtab.c).
func (m *Map) update(key, value []byte, index uint32, flags uint64) int {
	exists := m.find(key, index) != nil
	switch {
	case flags > updateExist:
		return eInval
	case !m.Hash && !exists:
		return e2Big
	case exists && flags == updateNoExist:
		return eExist
	case !exists && flags == updateExist:
		return eNoEnt
	case !exists && len(m.values) >= m.MaxEntries:
		return e2Big
	}
	m.Set(key, value)
	return 0
}
