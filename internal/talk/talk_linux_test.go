package talk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/layouts"
)

const (
	xdpDrop = 1
	xdpPass = 2
	xdpTX   = 3
)

// An experiment is programs that do the same, the one without hints first.
type experiment struct {
	name     string
	programs []string
}

var experiments = []experiment{
	{"count", []string{"count_parse", "count_ptype"}},
	{"balance", []string{"balance_parse", "balance_type1", "balance_type2"}},
	{"track", []string{"track_parse", "track_type1", "track_type2"}},
	{"tunnel", []string{"tunnel_parse", "tunnel_mark"}},
}

// All that a NIC may say of a packet.
var said = []hints{
	{}, {ptype: true}, {hash: true}, {ptype: true, hash: true},
	{mark: true}, {ptype: true, mark: true}, {hash: true, mark: true}, {ptype: true, hash: true, mark: true},
}

// What a program with hints does to a packet is what the one without does, whichever
// of them are there; and that is what it should.
func TestSameAnswers(t *testing.T) {
	eachNIC(t, func(t *testing.T, n nic) {
		coll := load(t, n, object(t, n, "-DATTACHED", "-DSAME_HASH"), nil)
		configure(t, coll)
		for _, p := range packets {
			descriptors := [][]byte{nil, make([]byte, len(n.describe(&p, hints{})))}
			for _, has := range said {
				if p.flow == nil && has.mark { // the rule does not match
					continue
				}
				descriptors = append(descriptors, n.describe(&p, has))
			}
			for _, e := range experiments {
				for _, program := range e.programs {
					for _, d := range descriptors {
						what := fmt.Sprintf("%s: %s, descriptor %x", p.name, program, d)
						expect(t, e.name, &p, run(t, coll, program, d, p.frame), what)
					}
				}
			}
		}
	})
}

// Without a frame to parse, the answer can only come from the descriptor. What no
// hint answers here is parsed.
func TestHintsAnswer(t *testing.T) {
	eachNIC(t, func(t *testing.T, n nic) {
		coll := load(t, n, object(t, n, "-DATTACHED", "-DSAME_HASH"), nil)
		configure(t, coll)
		for _, p := range stacks {
			nothing := make([]byte, len(p.frame))
			hashed := n.describe(&p, hints{ptype: true, hash: true})
			marked := n.describe(&p, hints{ptype: true, mark: true})
			fromOutside := p.outer != nil && !n.innerHash
			for _, program := range []string{"balance_type2", "track_type2"} {
				o := run(t, coll, program, hashed, nothing)
				if fromOutside {
					require.EqualValues(t, xdpPass, o.verdict, "%s: %s", p.name, program)
					continue
				}
				require.EqualValues(t, xdpTX, o.verdict, "%s: %s", p.name, program)
				require.Equal(t, backendOf(&p), o.packet[:6], "%s: %s", p.name, program)
			}
			require.Equal(t, map[uint32]uint64{p.l4: 1}, run(t, coll, "count_ptype", hashed, nothing).counted, p.name)
			require.EqualValues(t, xdpTX, run(t, coll, "tunnel_mark", marked, nothing).verdict, p.name)
		}
	})
}

// The same holds of the programs that are timed, whose parser has a hash of its own:
// with packet type or without, and of a tunnel that the NIC has not looked into.
func TestOwnHash(t *testing.T) {
	eachNIC(t, func(t *testing.T, n nic) {
		coll := load(t, n, object(t, n, "-DATTACHED"), nil)
		configure(t, coll)
		for _, p := range packets {
			d := n.describe(&p, hints{ptype: true, hash: true})
			want := run(t, coll, "balance_parse", d, p.frame)
			programs := []string{"balance_type1", "track_parse", "track_type1"}
			if p.outer != nil && !n.innerHash {
				programs = append(programs, "balance_type2", "track_type2")
			}
			for _, program := range programs {
				require.Equal(t, want, run(t, coll, program, d, p.frame), "%s: %s", p.name, program)
			}
		}
	})
}

// A flow keeps its backend.
func TestConnectionsStay(t *testing.T) {
	eachNIC(t, func(t *testing.T, n nic) {
		compiled := object(t, n, "-DATTACHED", "-DSAME_HASH")
		for _, program := range []string{"track_parse", "track_type1", "track_type2"} {
			coll := load(t, n, compiled, nil)
			configure(t, coll)
			for round := range 2 {
				for _, p := range stacks {
					for _, has := range said[:4] {
						o := run(t, coll, program, n.describe(&p, has), p.frame)
						require.Equal(t, backendOf(&p), o.packet[:6], "%s: %s, round %d", p.name, program, round)
					}
				}
				require.NoError(t, coll.Variables["backend_count"].Set(uint32(1)))
			}
		}
	})
}

// The descriptors say what the tests mean them to.
func TestDescriptors(t *testing.T) {
	eachNIC(t, func(t *testing.T, n nic) {
		l, err := layouts.Shipped(n.name)
		require.NoError(t, err)
		for _, p := range stacks {
			got := l.Descriptors[0].Decode(n.describe(&p, hints{ptype: true, hash: true}), binary.NativeEndian)
			want := p.flow
			if p.outer != nil && !n.innerHash {
				want = p.outer
			}
			require.EqualValues(t, hash(want), got["rx_hash"], p.name)
			require.NotContains(t, got, "flow_mark", p.name)
			l4 := got["ptype"] >> 24
			if p.outer == nil {
				l4 = got["ptype"] >> 8 & 0xf
			}
			require.EqualValues(t, p.l4, l4, "%s: %#x", p.name, got["ptype"])
			got = l.Descriptors[0].Decode(n.describe(&p, hints{ptype: true, mark: true}), binary.NativeEndian)
			require.EqualValues(t, mark, got["flow_mark"], p.name)
		}
	})
}

// The hash is the one that NICs compute: the value is Microsoft's.
func TestHash(t *testing.T) {
	require.EqualValues(t, 0x51ccc178, hash(flow4))
}

func eachNIC(t *testing.T, test func(t *testing.T, n nic)) {
	for _, n := range nics {
		t.Run(n.name, func(t *testing.T) { test(t, n) })
	}
}

// An outcome is all that a run leaves behind.
type outcome struct {
	verdict uint32
	packet  []byte
	counted map[uint32]uint64
}

func run(t *testing.T, coll *ebpf.Collection, program string, descriptor, frame []byte) outcome {
	t.Helper()
	var md mdXDP
	opts := arrival(descriptor, frame)
	opts.DataOut = make([]byte, len(opts.Data)+256)
	opts.ContextOut = &md
	before := counts(t, coll)
	verdict, err := coll.Programs[program].Run(opts)
	require.NoError(t, err)
	o := outcome{verdict, opts.DataOut[md.Data:], map[uint32]uint64{}}
	for l4, n := range counts(t, coll) {
		if n != before[l4] {
			o.counted[uint32(l4)] = n - before[l4]
		}
	}
	return o
}

func counts(t *testing.T, coll *ebpf.Collection) [16]uint64 {
	var sums [16]uint64
	for l4 := range sums {
		var each []uint64
		require.NoError(t, coll.Maps["counts"].Lookup(uint32(l4), &each))
		for _, n := range each {
			sums[l4] += n
		}
	}
	return sums
}

// backendOf is the MAC address that a flow is sent to.
func backendOf(p *packet) []byte {
	slot := uint64(hash(p.flow)) * backends >> 32
	return []byte{2, 0, 0, 0, 0, byte(slot)}
}

// expect holds an outcome against what the experiment is about.
func expect(t *testing.T, experiment string, p *packet, o outcome, what string) {
	t.Helper()
	balanced := p.flow != nil
	switch {
	case experiment == "count":
		require.EqualValues(t, xdpDrop, o.verdict, what)
		require.Equal(t, map[uint32]uint64{p.l4: 1}, o.counted, what)
		require.Equal(t, p.frame, o.packet, what)
		return
	case !balanced:
		require.EqualValues(t, xdpPass, o.verdict, what)
		require.Equal(t, p.frame, o.packet, what)
	case experiment == "tunnel":
		require.EqualValues(t, xdpTX, o.verdict, what)
		head, frame := o.packet[:38], o.packet[38:]
		require.Equal(t, p.frame, frame, what)
		require.Equal(t, []byte{2, 2, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 8, 0}, head[:14], what)
		require.EqualValues(t, len(o.packet)-14, binary.BigEndian.Uint16(head[16:]), what)
		require.EqualValues(t, 0xffff, sum(head[14:34]), what)
		require.Equal(t, []byte{10, 1, 0, tunnelTo, 0, 0, 0x65, 0x58}, head[30:], what)
	default:
		require.EqualValues(t, xdpTX, o.verdict, what)
		require.Equal(t, backendOf(p), o.packet[:6], what)
		require.Equal(t, []byte{2, 1, 0, 0, 0, 0}, o.packet[6:12], what)
		require.True(t, bytes.Equal(p.frame[12:], o.packet[12:]), what)
	}
	require.Empty(t, o.counted, what)
}

// sum is the Internet checksum's: all ones over a header that has a right one.
func sum(header []byte) uint16 {
	var s uint32
	for i := 0; i < len(header); i += 2 {
		s += uint32(binary.BigEndian.Uint16(header[i:]))
	}
	for s>>16 != 0 {
		s = s&0xffff + s>>16
	}
	return uint16(s)
}
