package bpf_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/bpf"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
)

var names = []string{"ptype_count", "l4lb", "af_xdp_meta", "vlan_ts_log"}

// Every example is rewritten for every NIC, and the kernel takes the result.
func TestExamplesLoad(t *testing.T) {
	for _, nic := range layouts.Names() {
		for _, name := range names {
			t.Run(nic+"/"+name, func(t *testing.T) { load(t, name, nic) })
		}
	}
}

func TestExamplesRewriteForBothByteOrders(t *testing.T) {
	for _, nic := range layouts.Names() {
		for _, name := range names {
			for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
				object, err := bpf.Example(name, order)
				require.NoError(t, err)
				out, report, err := rewrite.Object(object, rewrite.Options{NIC: nic, Descriptor: first(t, nic).Name, Reach: reach(t, nic)})
				require.NoError(t, err, "%s %s %s", nic, name, order)
				require.NotEqual(t, object, out)
				require.Empty(t, report.Warnings, "%s %s %s", nic, name, order)
			}
		}
	}
}

// What hintjit selftest attaches asks for all hints at once, and can be made for every
// NIC and loaded.
func TestSelftestLoads(t *testing.T) {
	for _, nic := range layouts.Names() {
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			object, err := bpf.Selftest(order)
			require.NoError(t, err)
			for _, how := range []rewrite.Reach{rewrite.Walk, reach(t, nic)} {
				out, report, err := rewrite.Object(object, rewrite.Options{NIC: nic, Descriptor: first(t, nic).Name, Reach: how, Strict: true})
				require.NoError(t, err, "%s %s %s", nic, order, how)
				require.NotEmpty(t, report.Programs)
				if how == rewrite.Meta && order.Uint16([]byte{1, 0}) == binary.NativeEndian.Uint16([]byte{1, 0}) {
					t.Run(nic, func(t *testing.T) { loadOne(t, out, "plain") })
				}
			}
		}
	}
}

// loadOne loads one program of an object.
func loadOne(t *testing.T, object []byte, name string) {
	t.Helper()
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	require.NoError(t, err)
	maps.DeleteFunc(spec.Programs, func(n string, _ *ebpf.ProgramSpec) bool { return n != name })
	loadSpec(t, spec)
}

// reach is meta wherever a descriptor can lie in the metadata area: so programs
// can be run.
func reach(t *testing.T, nic string) rewrite.Reach {
	t.Helper()
	if len(first(t, nic).Bare().Hints) == 0 {
		return rewrite.Walk
	}
	return rewrite.Meta
}

// first is the NIC's first descriptor.
func first(t *testing.T, nic string) *layouts.Descriptor {
	t.Helper()
	l, err := layouts.Shipped(nic)
	require.NoError(t, err)
	return l.Descriptors[0]
}

// needWalk skips the test unless the running kernel has the NIC's driver, and a walk
// for it.
func needWalk(t *testing.T, object []byte, nic string) {
	t.Helper()
	k, err := rewrite.RunningKernel()
	require.NoError(t, err)
	_, _, err = rewrite.Object(object, rewrite.Options{NIC: nic, Descriptor: first(t, nic).Name, Reach: rewrite.Walk, Kernel: k})
	if unsupported := new(rewrite.UnsupportedError); errors.As(err, &unsupported) {
		t.Skip(err)
	}
}

// load rewrites an example and loads it into the kernel.
func load(t *testing.T, name, nic string) *ebpf.Collection {
	t.Helper()
	object, err := bpf.Example(name, binary.NativeEndian)
	require.NoError(t, err)
	how := reach(t, nic)
	if how == rewrite.Walk {
		needWalk(t, object, nic)
	}
	out, _, err := rewrite.Object(object, rewrite.Options{NIC: nic, Descriptor: first(t, nic).Name, Reach: how})
	require.NoError(t, err)
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(out))
	require.NoError(t, err)
	return loadSpec(t, spec)
}

func loadSpec(t *testing.T, spec *ebpf.CollectionSpec) *ebpf.Collection {
	t.Helper()
	err := rlimit.RemoveMemlock()
	var coll *ebpf.Collection
	if err == nil {
		coll, err = ebpf.NewCollection(spec)
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, ebpf.ErrNotSupported) {
		t.Skipf("loading BPF programs: %v", err)
	}
	if err != nil {
		t.Fatalf("%+v", err)
	}
	t.Cleanup(coll.Close)
	return coll
}

// The tuple, key and hash are those of Microsoft's "Verifying the RSS hash
// calculation", the case of IPv4 with ports.
var (
	rssKey = [16]byte{0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0}
	frame  = []byte{
		2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00, // Ethernet
		0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 66, 9, 149, 187, 161, 142, 100, 80, // IPv4
		0x0a, 0xea, 0x06, 0xe6, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x10, 0, 0, 0, 0, 0, 0, // TCP 2794 -> 1766
	}
)

const rssHash = 0x51ccc178

// Bits of an i40e descriptor's second word (i40e_type.h in Linux 6.12:
// enum i40e_rx_desc_status_bits, I40E_RXD_QW1_PTYPE_SHIFT).
const (
	dd       = 1 << 0
	eof      = 1 << 1
	l2tag1p  = 1 << 2
	rss      = 3 << 12
	ipv4TCP  = 26 << 30
	ipv4Frag = 22 << 30
)

// descriptor is a write-back descriptor of i40e with 16 bytes.
func descriptor(bits uint64, hash uint32, tag uint16) []byte {
	d := make([]byte, 16)
	binary.LittleEndian.PutUint16(d[2:], tag)
	binary.LittleEndian.PutUint32(d[4:], hash)
	binary.LittleEndian.PutUint64(d[8:], bits|dd|eof)
	return d
}

// run gives the packet to a program, meta before it, and returns the program's
// verdict and what then is in the metadata area and the packet.
func run(t *testing.T, coll *ebpf.Collection, program string, meta []byte) (verdict uint32, out []byte) {
	t.Helper()
	type xdpMD struct{ Data, DataEnd, DataMeta, IngressIfindex, RxQueueIndex, EgressIfindex uint32 }
	data := append(bytes.Clone(meta), frame...)
	opts := ebpf.RunOptions{
		Data:    data,
		DataOut: make([]byte, len(data)+256),
		Context: xdpMD{Data: uint32(len(meta)), DataEnd: uint32(len(data))},
	}
	verdict, err := coll.Programs[program].Run(&opts)
	require.NoError(t, err)
	return verdict, opts.DataOut
}

const (
	xdpDrop = 1
	xdpPass = 2
	xdpTX   = 3
)

func TestBalancerTakesTheSameBackendWithAndWithoutTheNIC(t *testing.T) {
	coll := load(t, "l4lb", "i40e")
	for n := range uint32(256) {
		require.NoError(t, coll.Maps["backends"].Put(n, [6]byte{0: 2, 5: byte(n)}))
	}
	config := struct {
		Key      [16]byte
		Backends uint32
	}{rssKey, 256}
	require.NoError(t, coll.Maps["config"].Put(uint32(0), config))

	for what, c := range map[string]struct {
		meta    []byte
		backend byte
	}{
		"hash of the NIC":               {descriptor(rss|ipv4TCP, rssHash, 0), rssHash >> 24},
		"another hash of the NIC":       {descriptor(rss|ipv4TCP, 0xab<<24, 0), 0xab},
		"no hash":                       {descriptor(ipv4TCP, 0xab<<24, 0), rssHash >> 24},
		"hash of the addresses only":    {descriptor(rss|ipv4Frag, 0xab<<24, 0), rssHash >> 24},
		"no descriptor":                 {nil, rssHash >> 24},
		"a descriptor not written back": {make([]byte, 16), rssHash >> 24},
	} {
		verdict, out := run(t, coll, "l4lb", c.meta)
		require.EqualValues(t, xdpTX, verdict, what)
		packet := out[len(c.meta):]
		require.Equal(t, []byte{2, 0, 0, 0, 0, c.backend}, packet[:6], what)
		require.Equal(t, frame[:6], packet[6:12], what)
		require.Equal(t, frame[12:], packet[12:], what)
	}
}

func TestPacketTypeCounter(t *testing.T) {
	coll := load(t, "ptype_count", "i40e")
	for _, meta := range [][]byte{descriptor(ipv4TCP, 0, 0), descriptor(ipv4TCP, 0, 0), descriptor(ipv4Frag, 0, 0), nil} {
		verdict, _ := run(t, coll, "ptype_count", meta)
		require.EqualValues(t, xdpDrop, verdict)
	}
	for slot, want := range map[uint32]uint64{0: 1, 1: 2, 2: 0, 3: 1} { // TCP is 1, fragments are 3
		var counts []uint64
		require.NoError(t, coll.Maps["packets"].Lookup(slot, &counts))
		var sum uint64
		for _, n := range counts {
			sum += n
		}
		require.Equal(t, want, sum, "slot %d", slot)
	}
}

func TestMetadataForSockets(t *testing.T) {
	coll := load(t, "af_xdp_meta", "i40e")
	type hints struct { // struct hintjit_rx of af_xdp_meta.c
		Has, Hash uint32
		Timestamp uint64
		HashType  uint32
		Ptype     uint32
		VLAN      uint16
		Csum, _   uint8
		Mark      uint32
	}
	for what, c := range map[string]struct {
		meta []byte
		want hints
	}{
		"hash, type and tag": {descriptor(rss|ipv4TCP|l2tag1p, 7, 100),
			hints{Has: 1<<1 | 1<<2 | 1<<3, Hash: 7, HashType: 0x19, Ptype: 0x191, VLAN: 100}},
		"type": {descriptor(ipv4TCP, 7, 100), hints{Has: 1 << 3, Ptype: 0x191}},
		"none": {nil, hints{}},
	} {
		verdict, out := run(t, coll, "af_xdp_meta", c.meta)
		require.EqualValues(t, xdpPass, verdict, "%s: there is no socket", what)
		var got hints
		n, err := binary.Decode(out, binary.NativeEndian, &got)
		require.NoError(t, err)
		got.Has &= 1<<1 | 1<<2 | 1<<3 // what this test is about
		got.Csum, got.Mark = 0, 0
		require.Equal(t, c.want, got, what)
		require.Equal(t, frame, out[n:], what)
	}
}

func TestVLANLogger(t *testing.T) {
	coll := load(t, "vlan_ts_log", "i40e")
	reader, err := ringbuf.NewReader(coll.Maps["records"])
	require.NoError(t, err)
	defer func() { require.NoError(t, reader.Close()) }()

	for _, meta := range [][]byte{descriptor(0, 0, 1), descriptor(l2tag1p, 0, 0xa064), nil} {
		verdict, out := run(t, coll, "vlan_ts_log", meta)
		require.EqualValues(t, xdpPass, verdict)
		require.Equal(t, frame, out[len(meta):])
	}
	record, err := reader.Read()
	require.NoError(t, err)
	require.Zero(t, record.Remaining, "only one packet has a tag")
	var got struct {
		Time            uint64
		Ifindex, Queue  uint32
		VLAN, Inner     uint16
		Proto           [2]byte
		Priority, Clock uint8
	}
	_, err = binary.Decode(record.RawSample, binary.NativeEndian, &got)
	require.NoError(t, err)
	require.EqualValues(t, 100, got.VLAN)
	require.EqualValues(t, 5, got.Priority)
	require.Equal(t, [2]byte{0x81, 0x00}, got.Proto)
	require.Zero(t, got.Clock, "i40e has no time in its descriptor: the kernel's")
	require.NotZero(t, got.Time)
}

// The README's program is one that can be compiled and rewritten as it is.
func TestReadmeProgram(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	_, program, found := strings.Cut(string(readme), "```c\n")
	require.True(t, found)
	program, _, _ = strings.Cut(program, "```")

	if _, err := exec.LookPath("clang-19"); err != nil {
		t.Skipf("compiling: %v", err)
	}
	object := filepath.Join(t.TempDir(), "prog.o")
	cmd := exec.Command("clang-19", "-target", "bpf", "-O2", "-g", "-Wall", "-Werror",
		"-nostdlibinc", "-isystem", "include", "-I", ".", "-x", "c", "-c", "-", "-o", object)
	cmd.Stdin = strings.NewReader(program)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)

	raw, err := os.ReadFile(object)
	require.NoError(t, err)
	_, report, err := rewrite.Object(raw, rewrite.Options{NIC: "i40e", Reach: rewrite.Meta, Strict: true})
	require.NoError(t, err)
	require.Equal(t, []string{"csum_status"}, report.Programs[0].Hints)
}
