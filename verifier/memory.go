package verifier

import (
	"fmt"

	"github.com/hintjit/hintjit/internal/code"
)

// An address is kind (12 bits), number (20 bits) and offset (32 bits, counted
// from the middle, so that an offset below 0 is still known to be of its
// region). Addresses of one kind do not depend on what is allocated of another:
// two versions of a program see the same ones.
const (
	kindShift   = 52
	numberShift = 32
	maxNumber   = 1<<(kindShift-numberShift) - 1
	middle      = 1 << 31
)

// kind says what a region is. There is no kind 0, so NULL is no address.
type kind uint8

const (
	stackKind    kind = 1 + iota // by depth of the call
	contextKind                  // struct xdp_md
	packetKind                   // metadata and packet
	tableKind                    // by index in Unit.Tables
	functionKind                 // by index in Unit.Funcs
	mapKind                      // what helpers take, nothing to read there
	valueKind                    // in the order in which a program got to them
	foreignKind                  // Machine.ReadOnly
	kinds
)

// region is memory that a program can have a pointer to.
type region struct {
	name     string
	data     []byte
	base     int // offset of data[0]; a frame ends at offset 0
	lo, hi   int // offsets that may be accessed
	writable bool
	m        *Map
	f        *code.Func
}

func address(k kind, number int) uint64 {
	return uint64(k)<<kindShift | uint64(number)<<numberShift | middle
}

// at returns the region that an address belongs to and the offset in it.
func (m *Machine) at(addr uint64) (*region, int, error) {
	k, number := addr>>kindShift, int(addr>>numberShift)&maxNumber
	if k >= uint64(kinds) || number >= len(m.regions[k]) || m.regions[k][number] == nil {
		return nil, 0, fmt.Errorf("%#x is no address", addr)
	}
	return m.regions[k][number], int(uint32(addr)) - middle, nil
}

// add puts a region at the end of its kind.
func (m *Machine) add(k kind, r region) (uint64, error) {
	number := len(m.regions[k])
	if number > maxNumber {
		return 0, fmt.Errorf("%s: more than %d regions of its kind", r.name, maxNumber)
	}
	m.regions[k] = append(m.regions[k], &r)
	return address(k, number), nil
}

// Bytes returns n bytes of the program's memory, for helpers and externs. They
// can be written to when write is set.
func (m *Machine) Bytes(addr uint64, n int, write bool) ([]byte, error) {
	r, off, err := m.at(addr)
	if err != nil {
		return nil, err
	}
	if write && !r.writable {
		return nil, fmt.Errorf("%s is read-only", r.name)
	}
	if n < 0 || off < r.lo || off > r.hi || n > r.hi-off {
		return nil, fmt.Errorf("%d bytes at %s%+d are outside [%d, %d)", n, r.name, off, r.lo, r.hi)
	}
	at := off - r.base
	return r.data[at : at+n : at+n], nil
}

// ReadOnly makes data readable by the program and returns its address, for an
// extern to hand out. It holds until the next Run.
func (m *Machine) ReadOnly(name string, data []byte) (uint64, error) {
	return m.add(foreignKind, region{name: name, data: data, hi: len(data)})
}

// load reads an unsigned number in the program's byte order.
func (m *Machine) load(addr uint64, size int) (uint64, error) {
	if r, off, err := m.at(addr); err == nil && r == m.context {
		return m.loadContext(off, size)
	}
	b, err := m.Bytes(addr, size, false)
	if err != nil {
		return 0, err
	}
	switch size {
	case 1:
		return uint64(b[0]), nil
	case 2:
		return uint64(m.Unit.Order.Uint16(b)), nil
	case 4:
		return uint64(m.Unit.Order.Uint32(b)), nil
	default:
		return m.Unit.Order.Uint64(b), nil
	}
}

func (m *Machine) store(addr uint64, size int, v uint64) error {
	b, err := m.Bytes(addr, size, true)
	if err != nil {
		return err
	}
	switch size {
	case 1:
		b[0] = byte(v)
	case 2:
		m.Unit.Order.PutUint16(b, uint16(v))
	case 4:
		m.Unit.Order.PutUint32(b, uint32(v))
	default:
		m.Unit.Order.PutUint64(b, v)
	}
	return nil
}
