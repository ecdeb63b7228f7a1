package rewrite

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/layouts"
)

// table is a value map as inserted code reads it: an array of entries of size
// bytes, 0 where there is no translation.
type table struct {
	index   int // in Unit.Tables
	entries int
	size    int
	most    uint64 // the highest value
	bounded bool   // a field may be past the last entry: compare first
	total   bool   // every number has a translation
	bias    uint64 // entries are higher by it, so that no translation is stored as 0
}

// tables makes each value map a table of the unit once.
type tables struct {
	unit *code.Unit
	made map[tableKey]*table
}

type tableKey struct {
	m     *layouts.ValueMap
	width int
}

// smallTable is how many entries a table may have without asking whether the
// field's high values are used at all.
const smallTable = 256

func (ts *tables) of(m *layouts.ValueMap, width int) *table {
	key := tableKey{m, width}
	if t, ok := ts.made[key]; ok {
		return t
	}
	t := &table{index: len(ts.unit.Tables), entries: 1 << width, size: 1}
	t.total = len(m.Values) == t.entries
	highest, stored := uint64(0), map[uint64]bool{}
	for k, v := range m.Values {
		highest, t.most = max(highest, k), max(t.most, v)
		stored[v] = true
	}
	for !t.total && stored[-t.bias] { // 1 where 0 is a translation, and more only if 2^64-1 is one too
		t.bias++
	}
	if t.entries > smallTable && int(highest)+1 < t.entries {
		t.entries, t.bounded = int(highest)+1, true
	}
	for v := range stored {
		for bits.Len64(v+t.bias) > t.size*8 {
			t.size *= 2
		}
	}
	data := make([]byte, t.entries*t.size)
	for k, v := range m.Values {
		put(data[int(k)*t.size:], t.size, v+t.bias, ts.unit.Order)
	}
	ts.unit.Tables = append(ts.unit.Tables, code.Table{Name: ts.name(m, width), Data: data})
	ts.made[key] = t
	return t
}

// name is the table's C identifier: a skeleton of the object has it as a member.
func (ts *tables) name(m *layouts.ValueMap, width int) string {
	for other := range ts.made {
		if other.m == m {
			return fmt.Sprintf("hintjit_%s_of_%d_bits", m.Name, width)
		}
	}
	return "hintjit_" + m.Name
}

func put(to []byte, size int, v uint64, order binary.ByteOrder) {
	switch size {
	case 1:
		to[0] = byte(v)
	case 2:
		order.PutUint16(to, uint16(v))
	case 4:
		order.PutUint32(to, uint32(v))
	default:
		order.PutUint64(to, v)
	}
}
