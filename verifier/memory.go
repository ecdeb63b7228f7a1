package verifier

import (
	"fmt"

	"github.com/cilium/ebpf/asm"

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
	keyKind                      // of maps, that a callback gets; in that order
	recordKind                   // of ring buffers, in the order in which they were reserved
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
	record   *Map // the ring buffer that it was reserved in
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

// probeReach is how far from its register a load can be: its offset has 16 bits.
const probeReach = 1 << 15

// Probe makes loads at an address give 0 where nothing lies, until the next Run, and
// returns the address. It is for an extern that stands for bpf_rdonly_cast: loads
// through a pointer that the kernel does not vouch for may fault, and then give 0
// (BPF_PROBE_MEM; ex_handler_bpf in arch/x86/net/bpf_jit_comp.c). All loads as
// near to the address as an instruction can reach are taken for such.
func (m *Machine) Probe(addr uint64) uint64 {
	m.probes = append(m.probes, addr)
	return addr
}

func (m *Machine) mayFault(addr uint64) bool {
	for _, p := range m.probes {
		if addr-p+probeReach < 2*probeReach {
			return true
		}
	}
	return false
}

// load reads an unsigned number in the program's byte order.
func (m *Machine) load(addr uint64, size int) (uint64, error) {
	if r, off, err := m.at(addr); err == nil && r == m.context {
		return m.loadContext(off, size)
	}
	b, err := m.Bytes(addr, size, false)
	if err != nil {
		if m.mayFault(addr) {
			return 0, nil
		}
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

// globalAddress returns the address of global data, in a map's first value. The
// offset there is the constant in an object, its upper half once a map's
// descriptor is to be put into the lower (BPF_PSEUDO_MAP_VALUE).
func (m *Machine) globalAddress(mp *Map, in *code.Insn) (uint64, error) {
	off := in.Constant
	if in.Src == asm.PseudoMapValue {
		off >>= 32
	}
	if err := mp.check(); err != nil {
		return 0, err
	}
	e := mp.find(make([]byte, mp.KeySize), m.Unit.Order)
	if e == nil {
		return 0, fmt.Errorf("map %s has no value there", mp.Name)
	}
	addr, err := m.valueAddress(mp, e.value)
	return addr + uint64(off), err
}

// mapAddress returns the address of a map, at which nothing can be read.
func (m *Machine) mapAddress(mp *Map) (uint64, error) {
	for i, r := range m.regions[mapKind] {
		if r.m == mp {
			return address(mapKind, i), nil
		}
	}
	return m.add(mapKind, region{name: mp.Name, m: mp})
}

// valueAddress returns the address of a value of a map.
func (m *Machine) valueAddress(mp *Map, v []byte) (uint64, error) {
	if len(v) == 0 {
		return 0, fmt.Errorf("map %s has no value there", mp.Name)
	}
	if addr, ok := m.values[&v[0]]; ok {
		return addr, nil
	}
	writable := !mp.ReadOnly && mapTraits[mp.Type].changes
	addr, err := m.add(valueKind, region{name: mp.Name, data: v, hi: len(v), writable: writable})
	m.values[&v[0]] = addr
	return addr, err
}
