package verifier

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf/asm"
)

// Call is one call of a helper, in the order in which they were made.
type Call struct {
	Helper asm.BuiltinFunc
	Args   [5]uint64 // r1 to r5 as they were; 0 for one that held nothing
	Data   [][]byte  // what the helper read of the program's memory
	Result uint64
}

// Helper stands for a function of the kernel. It gets its arguments in c and may
// add to c.Data; an error ends the run.
type Helper func(m *Machine, c *Call) (uint64, error)

// helpers are those that every Machine has; Machine.Helpers adds to them.
var helpers map[asm.BuiltinFunc]Helper

func init() {
	// Not in the declaration: bpf_loop runs instructions, which call helpers.
	helpers = map[asm.BuiltinFunc]Helper{
		asm.FnMapLookupElem: mapLookup,
		asm.FnMapUpdateElem: mapUpdate,
		asm.FnKtimeGetNs:    func(m *Machine, _ *Call) (uint64, error) { return m.Now, nil },
		asm.FnGetPrandomU32: func(m *Machine, _ *Call) (uint64, error) { return uint64(m.random.Uint32()), nil },
		asm.FnRedirect:      redirect,
		asm.FnCsumDiff:      checksumDiff,
		asm.FnXdpAdjustHead: adjuster((*Machine).adjustHead),
		asm.FnXdpAdjustMeta: adjuster((*Machine).adjustMeta),
		asm.FnXdpAdjustTail: adjuster((*Machine).adjustTail),
		asm.FnRingbufOutput: ringbufOutput,
		asm.FnLoop:          loop,
	}
}

// errno is an error number as helpers return it.
func errno(n int) uint64 { return uint64(int64(-n)) }

// input returns n bytes at addr and records them.
func (c *Call) input(m *Machine, addr uint64, n int) ([]byte, error) {
	b, err := m.Bytes(addr, n, false)
	if err == nil {
		c.Data = append(c.Data, append([]byte(nil), b...))
	}
	return b, err
}

// mapAndKey returns the map in r1 and the key at r2, for an array as an index.
func mapAndKey(m *Machine, c *Call) (*Map, []byte, uint32, error) {
	r, off, err := m.at(c.Args[0])
	if err != nil {
		return nil, nil, 0, fmt.Errorf("r1: %w", err)
	}
	if r.m == nil || off != 0 {
		return nil, nil, 0, fmt.Errorf("r1: %s%+d is no map", r.name, off)
	}
	key, err := c.input(m, c.Args[1], r.m.KeySize)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("r2: %w", err)
	}
	if r.m.Hash {
		return r.m, key, 0, nil
	}
	if r.m.KeySize != 4 {
		return nil, nil, 0, fmt.Errorf("array %s has a key of %d bytes, wanted 4", r.m.Name, r.m.KeySize)
	}
	return r.m, key, m.Unit.Order.Uint32(key), nil
}

func mapLookup(m *Machine, c *Call) (uint64, error) {
	mp, key, index, err := mapAndKey(m, c)
	if err != nil {
		return 0, err
	}
	v := mp.find(key, index)
	if v == nil {
		return 0, nil
	}
	return m.valueAddress(mp, v)
}

func mapUpdate(m *Machine, c *Call) (uint64, error) {
	mp, key, index, err := mapAndKey(m, c)
	if err != nil {
		return 0, err
	}
	value, err := c.input(m, c.Args[2], mp.ValueSize)
	if err != nil {
		return 0, fmt.Errorf("r3: %w", err)
	}
	return errno(mp.update(key, value, index, c.Args[3])), nil
}

// redirect is bpf_xdp_redirect in net/core/filter.c.
func redirect(_ *Machine, c *Call) (uint64, error) {
	const aborted, redirected = 0, 4
	if c.Args[1] != 0 {
		return aborted, nil
	}
	return redirected, nil
}

// checksumDiff is bpf_csum_diff in net/core/filter.c as of Linux 6.13: the
// result is folded to 16 bits, and sizes need not be multiples of 4.
func checksumDiff(m *Machine, c *Call) (uint64, error) {
	fromSize, toSize := uint32(c.Args[1]), uint32(c.Args[3])
	from, err := c.sized(m, c.Args[0], fromSize)
	if err != nil {
		return 0, fmt.Errorf("r1: %w", err)
	}
	to, err := c.sized(m, c.Args[2], toSize)
	if err != nil {
		return 0, fmt.Errorf("r3: %w", err)
	}
	sum := uint32(c.Args[4])
	switch {
	case toSize > 0 && fromSize > 0:
		sum = addOnes(m.sumWords(to, sum), ^m.sumWords(from, 0))
	case toSize > 0:
		sum = m.sumWords(to, sum)
	case fromSize > 0:
		sum = ^m.sumWords(from, ^sum)
	}
	folded := sum>>16 + sum&0xffff
	return uint64(folded>>16+folded) & 0xffff, nil
}

// sized is input for a pair of pointer and size, of which the pointer may be
// NULL when the size is 0.
func (c *Call) sized(m *Machine, addr uint64, size uint32) ([]byte, error) {
	if size == 0 {
		return nil, nil
	}
	return c.input(m, addr, int(size))
}

// sumWords adds 32-bit words in ones' complement; the last is filled up with
// zeroes.
func (m *Machine) sumWords(b []byte, sum uint32) uint32 {
	for ; len(b) > 0; b = b[min(4, len(b)):] {
		var word [4]byte
		copy(word[:], b)
		sum = addOnes(sum, m.Unit.Order.Uint32(word[:]))
	}
	return sum
}

func addOnes(a, b uint32) uint32 {
	sum := uint64(a) + uint64(b)
	return uint32(sum>>32 + sum)
}

// adjuster is a helper that moves one end of the packet.
func adjuster(move func(m *Machine, delta int) int) Helper {
	return func(m *Machine, c *Call) (uint64, error) {
		if c.Args[0] != address(contextKind, 0) {
			return 0, errors.New("r1 is not the context")
		}
		return errno(move(m, int(int32(c.Args[1])))), nil
	}
}

// ringbufOutput only records; Call.Data has the record.
func ringbufOutput(m *Machine, c *Call) (uint64, error) {
	r, off, err := m.at(c.Args[0])
	if err != nil || r.m == nil || off != 0 {
		return 0, errors.New("r1 is no map")
	}
	_, err = c.input(m, c.Args[1], int(uint32(c.Args[2])))
	return 0, err
}

// loop is bpf_loop in kernel/bpf/bpf_iter.c.
func loop(m *Machine, c *Call) (uint64, error) {
	const maxLoops = 8 << 20 // BPF_MAX_LOOPS
	n := uint32(c.Args[0])
	if c.Args[3] != 0 {
		return errno(eInval), nil
	}
	if n > maxLoops {
		return errno(e2Big), nil
	}
	r, off, err := m.at(c.Args[1])
	if err != nil || r.f == nil || off != 0 {
		return 0, errors.New("r2 is not the address of a function")
	}
	for i := uint32(0); i < n; i++ {
		stop, ok, err := m.enter(r.f, [5]uint64{uint64(i), c.Args[2]}, arguments(2))
		if err != nil {
			return 0, err
		}
		if !ok {
			return 0, fmt.Errorf("%s returned without a value in r0", r.f.Name)
		}
		if stop != 0 {
			return uint64(i) + 1, nil
		}
	}
	return uint64(n), nil
}
