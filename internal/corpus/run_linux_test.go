package corpus

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// behaviour runs the programs of an object over packets, with maps filled, and
// tells what they returned, what they made of the packets, and what is in the maps
// afterwards. A seed gives the same maps and packets.
func behaviour(t *testing.T, l *loaded, seed uint64) []string {
	t.Helper()
	onOneCPU(t)
	rng := rand.New(rand.NewPCG(seed, 0))
	packets := traffic(rng)
	var out []string
	for _, coll := range byName(l.collections) {
		var ran []string
		for _, name := range slices.Sorted(maps.Keys(coll.Programs)) {
			if runnable[coll.Programs[name].Type()] {
				ran = append(ran, name)
			}
		}
		if len(ran) == 0 {
			continue
		}
		fill(coll, packets, rand.New(rand.NewPCG(seed, 1)))
		for _, name := range ran {
			for i, p := range packets {
				to := make([]byte, len(p)+256)
				opts := &ebpf.RunOptions{Data: p, DataOut: to}
				ret, err := coll.Programs[name].Run(opts)
				out = append(out, fmt.Sprintf("run %s on packet %d: %d %v %x", name, i, ret, err, opts.DataOut))
			}
		}
		for _, name := range slices.Sorted(maps.Keys(coll.Maps)) {
			out = append(out, contents(name, coll.Maps[name])...)
		}
	}
	return out
}

// runs counts the programs that a behaviour tells of.
func runs(behaviour []string) int {
	n := 0
	for _, line := range behaviour {
		if strings.HasPrefix(line, "run ") && strings.Contains(line, " on packet 0:") {
			n++
		}
	}
	return n
}

// byName sorts collections of a program each by its name.
func byName(collections []*ebpf.Collection) []*ebpf.Collection {
	first := func(c *ebpf.Collection) string {
		names := slices.Sorted(maps.Keys(c.Programs))
		if len(names) == 0 {
			return ""
		}
		return names[0]
	}
	return slices.SortedFunc(slices.Values(collections), func(a, b *ebpf.Collection) int {
		return strings.Compare(first(a), first(b))
	})
}

// runnable are the types that BPF_PROG_RUN gives a packet.
var runnable = map[ebpf.ProgramType]bool{
	ebpf.XDP: true, ebpf.SchedCLS: true, ebpf.SchedACT: true, ebpf.SocketFilter: true,
}

// onOneCPU keeps the test on one CPU: values of each CPU are compared.
func onOneCPU(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	var old, one unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &old))
	for cpu := 0; one.Count() == 0; cpu++ {
		if old.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	require.NoError(t, unix.SchedSetaffinity(0, &one))
	t.Cleanup(func() { require.NoError(t, unix.SchedSetaffinity(0, &old)) })
}

// traffic is packets of many kinds between few hosts and ports.
func traffic(rng *rand.Rand) [][]byte {
	be16, be32 := binary.BigEndian.AppendUint16, binary.BigEndian.AppendUint32
	host := func() uint32 { return 0x0a000000 | uint32(rng.IntN(3)+1) }
	port := func() uint16 { return []uint16{53, 80, 443, 4242}[rng.IntN(4)] }
	l4 := func(protocol byte) []byte {
		b := be16(be16(nil, port()), port())
		switch protocol {
		case unix.IPPROTO_TCP:
			b = be32(be32(b, rng.Uint32()), rng.Uint32())
			return append(b, 0x50, []byte{0x02, 0x10, 0x11}[rng.IntN(3)], 1, 0, 0, 0, 0, 0)
		case unix.IPPROTO_UDP:
			return be16(be16(b, 8+16), 0)
		}
		return be32([]byte{[]byte{8, 3, 0}[rng.IntN(3)], 0, 0, 0}, rng.Uint32()) // ICMP
	}
	v4 := func(payload []byte, protocol byte) []byte {
		b := be16([]byte{0x45, 0}, uint16(20+len(payload)))
		b = append(b, 0, 1, byte(rng.IntN(8)/7*0x20), 0, 64, protocol, 0, 0)
		return append(be32(be32(b, host()), host()), payload...)
	}
	v6 := func(payload []byte, protocol byte) []byte {
		b := append(be16([]byte{0x60, 0, 0, 0}, uint16(len(payload))), protocol, 64)
		for range 2 {
			b = be32(append(b, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0), host())
		}
		return append(b, payload...)
	}
	var packets [][]byte
	for i := range 48 {
		b := []byte{2, 0, 0, 0, 0, byte(1 + rng.IntN(2)), 2, 0, 0, 0, 0, byte(3 + rng.IntN(2))}
		for range i % 8 / 6 * (1 + rng.IntN(2)) {
			b = be16(be16(b, []uint16{0x8100, 0x88a8}[rng.IntN(2)]), uint16(rng.IntN(3)))
		}
		protocol := []byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_TCP, unix.IPPROTO_ICMP}[rng.IntN(4)]
		payload := append(l4(protocol), make([]byte, 16)...)
		switch {
		case i%12 == 11:
			b = append(be16(b, 0x0806), make([]byte, 28)...)
		case i%3 == 2:
			b = append(be16(b, 0x86dd), v6(payload, protocol)...)
		case protocol == unix.IPPROTO_ICMP: // about a packet of its own
			b = append(be16(b, 0x0800), v4(append(l4(protocol), v4(l4(unix.IPPROTO_TCP), unix.IPPROTO_TCP)...), protocol)...)
		default:
			b = append(be16(b, 0x0800), v4(payload, protocol)...)
		}
		if i%10 == 9 {
			b = b[:14+rng.IntN(len(b)-14)] // cut off
		}
		packets = append(packets, b)
	}
	return packets
}

// fill puts something into every map that user space may write to and that is not
// the program's data. Keys of hashes are cut out of packets, where programs take
// them from.
func fill(coll *ebpf.Collection, packets [][]byte, rng *rand.Rand) {
	for _, name := range slices.Sorted(maps.Keys(coll.Maps)) {
		m := coll.Maps[name]
		if strings.HasPrefix(name, ".") {
			continue
		}
		for i := range 192 {
			key := make([]byte, m.KeySize())
			switch m.Type() {
			case ebpf.Hash, ebpf.LRUHash, ebpf.PerCPUHash, ebpf.LRUCPUHash:
				p := packets[i%len(packets)]
				copy(key[:rng.IntN(len(key)+1)], p[[]int{0, 6, 26, 30, 34, 36, 22, 38, 23}[rng.IntN(9)]%len(p):])
			case ebpf.LPMTrie:
				binary.NativeEndian.PutUint32(key, uint32(8*(len(key)-4)))
				p := packets[i%len(packets)]
				copy(key[4:], p[[]int{26, 30}[rng.IntN(2)]%len(p):])
			case ebpf.Array, ebpf.PerCPUArray, ebpf.CPUMap, ebpf.DevMap:
				if uint32(i) >= m.MaxEntries() {
					continue
				}
				binary.NativeEndian.PutUint32(key, uint32(i))
			default:
				continue
			}
			value := make([]byte, m.ValueSize())
			for at := 0; at < len(value); at += 4 {
				value[at] = byte(rng.IntN(4))
			}
			_ = put(m, key, value) // what the kernel does not take is not there, for the object and its copies
		}
	}
}

func put(m *ebpf.Map, key, value []byte) error {
	switch m.Type() {
	case ebpf.PerCPUHash, ebpf.PerCPUArray, ebpf.LRUCPUHash:
		values := make([][]byte, ebpf.MustPossibleCPU())
		for i := range values {
			values[i] = value
		}
		return m.Put(key, values)
	case ebpf.CPUMap:
		value = make([]byte, len(value))
		value[0] = 192 // length of the queue
	case ebpf.DevMap:
		value = make([]byte, len(value))
		value[0] = 1 // lo
	}
	return m.Put(key, value)
}

// most is how many entries of a map are looked at.
const most = 2000

// contents are a map's entries in order.
func contents(name string, m *ebpf.Map) []string {
	var out []string
	var key []byte
	switch m.Type() {
	case ebpf.PerCPUHash, ebpf.PerCPUArray, ebpf.LRUCPUHash:
		var values [][]byte
		for it := m.Iterate(); it.Next(&key, &values) && len(out) < most; {
			out = append(out, fmt.Sprintf("map %s: %x: %x", name, key, bytes.Join(values, []byte(","))))
		}
	case ebpf.Hash, ebpf.LRUHash, ebpf.Array, ebpf.LPMTrie:
		var value []byte
		for it := m.Iterate(); it.Next(&key, &value) && len(out) < most; {
			out = append(out, fmt.Sprintf("map %s: %x: %x", name, key, value))
		}
	case ebpf.Queue, ebpf.Stack:
		var value []byte
		for m.LookupAndDelete(nil, &value) == nil {
			out = append(out, fmt.Sprintf("map %s: %x", name, value))
		}
		return out // in their own order
	}
	slices.Sort(out)
	return out
}
