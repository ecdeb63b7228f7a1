package verifier

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// mapWith returns the map of a call, once it is sure to be of a kind that the helper
// is for. The kernel's verifier sees to that (check_map_func_compatibility in
// kernel/bpf/verifier.c).
func (c *Call) mapWith(allowed func(kind traits) bool) (*Map, error) {
	if err := c.m.check(); err != nil {
		return nil, err
	}
	if !allowed(mapTraits[c.m.Type]) {
		return nil, fmt.Errorf("not of map %s, which is a %v", c.m.Name, c.m.Type)
	}
	return c.m, nil
}

// mapOf is mapWith for a helper that is for maps of these types only.
func (c *Call) mapOf(types ...ebpf.MapType) (*Map, error) {
	return c.mapWith(func(traits) bool { return slices.Contains(types, c.m.Type) })
}

// index is the key of an array.
func (m *Machine) index(i uint64) []byte {
	key := make([]byte, 4)
	m.Unit.Order.PutUint32(key, uint32(i))
	return key
}

func looks(kind traits) bool { return kind.looks }

// changeable is mapWith for a helper that changes elements.
func (c *Call) changeable() (*Map, error) {
	mp, err := c.mapWith(func(kind traits) bool { return kind.changes })
	if err == nil && mp.ReadOnly {
		err = fmt.Errorf("map %s is read-only", mp.Name)
	}
	return mp, err
}

// mapLookup gives for a map of maps the map, for others the value.
func mapLookup(m *Machine, c *Call) (uint64, error) {
	mp, err := c.mapWith(looks)
	if err != nil {
		return 0, err
	}
	e := mp.find(c.mem[1], m.Unit.Order)
	switch {
	case e == nil:
		return 0, nil
	case e.inner != nil:
		return m.mapAddress(e.inner)
	}
	return m.valueAddress(mp, e.value)
}

// mapLookupPerCPU knows one CPU.
func mapLookupPerCPU(m *Machine, c *Call) (uint64, error) {
	if _, err := c.mapOf(ebpf.PerCPUArray, ebpf.PerCPUHash, ebpf.LRUCPUHash); err != nil {
		return 0, err
	}
	if uint32(c.Args[2]) != m.CPU {
		return 0, nil
	}
	return mapLookup(m, c)
}

func mapUpdate(m *Machine, c *Call) (uint64, error) {
	const locked = 4 // BPF_F_LOCK
	mp, err := c.changeable()
	if err != nil {
		return 0, err
	}
	if c.Args[3]&locked != 0 {
		return 0, fmt.Errorf("%w: of map %s with BPF_F_LOCK is not supported", ErrUnsupported, mp.Name)
	}
	return errno(mp.update(c.mem[1], c.mem[2], m.Unit.Order, c.Args[3])), nil
}

func mapDelete(m *Machine, c *Call) (uint64, error) {
	mp, err := c.changeable()
	if err != nil {
		return 0, err
	}
	return errno(mp.remove(c.mem[1], m.Unit.Order)), nil
}

// mapPush is queue_stack_map_push_elem in kernel/bpf/queue_stack_maps.c, and for a
// bloom filter bloom_map_push_elem; ours knows its values and is never mistaken.
func mapPush(_ *Machine, c *Call) (uint64, error) {
	mp, err := c.mapOf(ebpf.Queue, ebpf.Stack, bloomFilterMap)
	if err != nil {
		return 0, err
	}
	value, flags := c.mem[1], c.Args[2]
	full := len(mp.queue) >= mp.MaxEntries
	switch {
	case flags > updateExist || flags == updateNoExist || flags != updateAny && mp.Type == bloomFilterMap:
		return errno(eInval), nil
	case mp.Type == bloomFilterMap && mp.contains(value):
		return 0, nil
	case mp.Type == bloomFilterMap || !full:
	case flags == updateExist && mp.MaxEntries > 0:
		mp.queue = mp.queue[1:]
	default:
		return errno(e2Big), nil
	}
	mp.queue = append(mp.queue, bytes.Clone(value))
	return 0, nil
}

func (m *Map) contains(value []byte) bool {
	return slices.ContainsFunc(m.queue, func(v []byte) bool { return bytes.Equal(v, value) })
}

func mapPop(m *Machine, c *Call) (uint64, error) {
	mp, err := c.mapOf(ebpf.Queue, ebpf.Stack)
	if err != nil {
		return 0, err
	}
	ret, err := mapPeek(m, c)
	switch {
	case err != nil || ret != 0:
	case mp.Type == ebpf.Queue:
		mp.queue = mp.queue[1:]
	default:
		mp.queue = mp.queue[:len(mp.queue)-1]
	}
	return ret, err
}

// mapPeek is __queue_map_get and __stack_map_get: where there is nothing, it leaves
// zeros. A bloom filter is asked for the value that the memory has.
func mapPeek(_ *Machine, c *Call) (uint64, error) {
	mp, err := c.mapOf(ebpf.Queue, ebpf.Stack, bloomFilterMap)
	if err != nil {
		return 0, err
	}
	last := len(mp.queue) - 1
	switch {
	case mp.Type == bloomFilterMap && mp.contains(c.mem[1]):
		return 0, nil
	case mp.Type == bloomFilterMap:
		return errno(eNoEnt), nil
	case last < 0:
		clear(c.mem[1])
		return errno(eNoEnt), nil
	case mp.Type == ebpf.Queue:
		last = 0
	}
	copy(c.mem[1], mp.queue[last])
	return 0, nil
}

// forEach is bpf_for_each_array_elem in kernel/bpf/arraymap.c and
// bpf_for_each_hash_elem in kernel/bpf/hashtab.c, which goes through a hash in an
// order that nobody can rely on.
func forEach(m *Machine, c *Call) (uint64, error) {
	mp, err := c.mapOf(ebpf.UnspecifiedMap, ebpf.Array, ebpf.PerCPUArray, ebpf.Hash, ebpf.PerCPUHash, ebpf.LRUHash, ebpf.LRUCPUHash)
	if err != nil {
		return 0, err
	}
	if c.Args[3] != 0 {
		return errno(eInval), nil
	}
	keys := mp.Keys()
	if mapTraits[mp.Type].full {
		keys = nil
		for i := range mp.MaxEntries {
			keys = append(keys, m.index(uint64(i)))
		}
	}
	seen := uint64(0)
	for _, key := range keys {
		e := mp.find(key, m.Unit.Order)
		if e == nil {
			continue // the callback has removed it
		}
		seen++
		if stop, err := m.visit(c, key, e.value); stop || err != nil {
			return seen, err
		}
	}
	return seen, nil
}

// visit calls back for one element.
func (m *Machine) visit(c *Call, key, value []byte) (stop bool, err error) {
	keyAddr, err := m.add(keyKind, region{name: "key of " + c.m.Name, data: key, hi: len(key)})
	if err != nil {
		return false, err
	}
	valueAddr, err := m.valueAddress(c.m, value)
	if err != nil {
		return false, err
	}
	return m.callBack(c.f, c.Args[0], keyAddr, valueAddr, c.Args[2])
}

// tailCall is bpf_tail_call: without a program there it does nothing, and the caller
// goes on (___bpf_prog_run in kernel/bpf/core.c).
func tailCall(m *Machine, c *Call) (uint64, error) {
	mp, err := c.mapOf(ebpf.ProgramArray)
	if err != nil {
		return 0, err
	}
	key := m.index(c.Args[2])
	e := mp.find(key, m.Unit.Order)
	if e == nil || e.program == "" || m.tails == maxTailCalls {
		return errno(eNoEnt), nil
	}
	m.tails++
	if m.tail = m.function(e.program); m.tail == nil {
		return 0, fmt.Errorf("map %s names %s, which is not in the unit", mp.Name, e.program)
	}
	return 0, nil
}

// redirectMap is __bpf_xdp_redirect_map in linux/filter.h.
func redirectMap(m *Machine, c *Call) (uint64, error) {
	const aborted, redirected = 0, 4
	const onMiss, broadcast, excludeIngress = 3, 8, 16
	mp, err := c.mapOf(ebpf.DevMap, ebpf.DevMapHash, ebpf.CPUMap, ebpf.XSKMap)
	if err != nil {
		return 0, err
	}
	flags, known := c.Args[2], uint64(onMiss)
	if mp.Type == ebpf.DevMap || mp.Type == ebpf.DevMapHash {
		known |= broadcast | excludeIngress
	}
	if flags&^known != 0 {
		return aborted, nil
	}
	key := m.index(c.Args[1])
	if mp.find(key, m.Unit.Order) == nil && flags&broadcast == 0 {
		return flags & onMiss, nil
	}
	return redirected, nil
}

// perfOutput is bpf_xdp_event_output in net/core/filter.c, with an open event on every
// CPU. Call.Data has what is given out: the data and as much of the packet as the flags
// say.
func perfOutput(m *Machine, c *Call) (uint64, error) {
	const indexMask, currentCPU, lengthMask = 0xffff_ffff, 0xffff_ffff, 0xfffff << 32
	mp, err := c.mapOf(ebpf.PerfEventArray)
	if err != nil {
		return 0, err
	}
	flags := c.Args[2]
	index, length := flags&indexMask, int(flags&lengthMask>>32)
	switch {
	case flags&^(indexMask|lengthMask) != 0:
		return errno(eInval), nil
	case length > m.packetLength():
		return errno(eFault), nil
	case index != currentCPU && index >= uint64(mp.MaxEntries):
		return errno(e2Big), nil
	case index != currentCPU && index != uint64(m.CPU):
		return errno(eOpNotSupp), nil
	}
	c.Data = append(c.Data, bytes.Clone(m.packet.data[m.data:m.data+length]))
	return 0, nil
}

// What is in a ring buffer somebody reads at once: it is never full. Each record has a
// header before it (BPF_RINGBUF_HDR_SZ).
const (
	ringbufHeader  = 8
	ringbufFlags   = 3               // BPF_RB_NO_WAKEUP, BPF_RB_FORCE_WAKEUP
	maxRingbufSize = (1<<32 - 1) / 4 // RINGBUF_MAX_RECORD_SZ
)

// fits tells whether a record is small enough (__bpf_ringbuf_reserve in
// kernel/bpf/ringbuf.c).
func (m *Map) fits(size uint64) bool {
	return size <= maxRingbufSize && (size+ringbufHeader+7)&^7 <= uint64(m.MaxEntries)
}

// ringbufOutput only records; Call.Data has the record.
func ringbufOutput(_ *Machine, c *Call) (uint64, error) {
	mp, err := c.mapOf(ebpf.RingBuf)
	switch {
	case err != nil:
		return 0, err
	case c.Args[3]&^ringbufFlags != 0:
		return errno(eInval), nil
	case !mp.fits(c.Args[2]):
		return errno(eAgain), nil
	}
	return 0, nil
}

func ringbufReserve(m *Machine, c *Call) (uint64, error) {
	mp, err := c.mapOf(ebpf.RingBuf)
	if err != nil {
		return 0, err
	}
	size := c.Args[1]
	if c.Args[2] != 0 || !mp.fits(size) {
		return 0, nil
	}
	data := bytes.Repeat([]byte{poison}, int(size))
	return m.add(recordKind, region{name: "record of " + mp.Name, data: data, hi: len(data), writable: true, record: mp})
}

// ringbufSubmit gives out what was reserved; Call.Data has it.
func ringbufSubmit(m *Machine, c *Call) (uint64, error) {
	c.Data = append(c.Data, c.record.data)
	return ringbufDiscard(m, c)
}

// ringbufDiscard takes the record away: nothing points to it any more.
func ringbufDiscard(m *Machine, c *Call) (uint64, error) {
	m.regions[recordKind][slices.Index(m.regions[recordKind], c.record)] = nil
	return 0, nil
}

// ringbufQuery is bpf_ringbuf_query for a buffer that is read at once. Where reader and
// writer are in it depends on what went through before, so it is not known.
func ringbufQuery(_ *Machine, c *Call) (uint64, error) {
	const availableData, ringSize = 0, 1
	mp, err := c.mapOf(ebpf.RingBuf)
	if err != nil {
		return 0, err
	}
	switch c.Args[1] {
	case availableData:
		return 0, nil
	case ringSize:
		return uint64(mp.MaxEntries), nil
	}
	return 0, fmt.Errorf("%w: %v of anything but what is there and the size is not supported", ErrUnsupported, asm.FnRingbufQuery)
}
