package verifier

import (
	"github.com/cilium/ebpf/asm"
)

// Registers are those of one activation of a function, r0 to r10.
type Registers [asm.R10 + 1]uint64

// Frame returns the metadata and the packet as they are while a program runs, to
// be looked at.
func (m *Machine) Frame() (meta, packet []byte) {
	p := m.packet
	return p.data[p.lo:m.data], p.data[m.data:p.hi]
}

// MapOf returns the map whose address a program has, nil when it is none.
func (m *Machine) MapOf(addr uint64) *Map {
	r, _, err := m.at(addr)
	if err != nil {
		return nil
	}
	return r.m
}

// IsAddress tells whether a number is an address of the program's memory, or near
// one.
func (m *Machine) IsAddress(v uint64) bool {
	_, _, err := m.at(v)
	return err == nil
}

// Models tells whether a Machine has a helper of its own.
func Models(fn asm.BuiltinFunc) bool { return helpers[fn] != nil }

// ModelsKernel tells whether a Machine has a function of the kernel of its own.
func ModelsKernel(name string) bool { return externs[name] != nil }
