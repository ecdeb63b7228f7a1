package selftest

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/netdev"
	"github.com/hintjit/hintjit/internal/nstest"
	"github.com/hintjit/hintjit/rewrite"
)

// rewritten is the program for the test's interface, and that.
func rewritten(t *testing.T) (*ebpf.CollectionSpec, *netdev.Interface) {
	t.Helper()
	spec, err := Spec()
	require.NoError(t, err)
	opts, err := rewrite.ForInterface(nstest.Device)
	require.NoError(t, err)
	_, err = rewrite.Collection(spec, opts)
	require.NoError(t, err)
	dev, err := netdev.ByName(nstest.Device)
	require.NoError(t, err)
	return spec, dev
}

// send lets frames in at the interface, of which each is numbered.
func send(t *testing.T, frames int, length int) {
	t.Helper()
	peer, err := net.InterfaceByName(nstest.Peer)
	require.NoError(t, err)
	fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer syscall.Close(fd)
	for n := range frames {
		frame := append(ether(0x88b5, byte(n>>8), byte(n)), make([]byte, length-16)...) // IEEE's for experiments
		require.NoError(t, syscall.Sendto(fd, frame, 0, &syscall.SockaddrLinklayer{Ifindex: peer.Index}))
	}
}

// Every frame is recorded once, in its order, as it was, with what the driver made
// of it.
func TestProbe(t *testing.T) {
	nstest.Isolate(t)
	spec, dev := rewritten(t)
	p, err := Attach(spec, dev)
	require.NoError(t, err)
	if p.NoSKB != nil {
		require.NoError(t, p.Close())
		t.Skipf("the kernel shows no sk_buffs: %v", p.NoSKB)
	}
	const frames, length = 100, 1514
	send(t, frames, length)
	packets, err := p.Record(t.Context(), frames, time.Minute)
	require.NoError(t, err)
	require.Len(t, packets, frames)
	for n, packet := range packets {
		require.EqualValues(t, length, packet.Length)
		require.True(t, packet.whole())
		require.Equal(t, ether(0x88b5, byte(n>>8), byte(n)), packet.captured()[:16])
		require.NotNil(t, packet.SKB, "frame %d", n)
		if p.NoKfuncs == nil {
			require.Zero(t, packet.HashError, "veth's kfunc computes a hash")
		}
	}
	lost, err := p.Lost()
	require.NoError(t, err)
	require.Zero(t, lost)
	require.NoError(t, p.Close())
}

// came is how many frames the program has seen.
func (p *Probe) came(t *testing.T) (all uint64) {
	var counts []struct{ Frames, Awaited, Lost uint64 }
	require.NoError(t, p.maps[cpus].Lookup(uint32(0), &counts))
	for _, c := range counts {
		all += c.Frames + c.Lost
	}
	return all
}

// Frames for which there is no room are counted, and do not get another's sk_buff.
func TestProbeFull(t *testing.T) {
	nstest.Isolate(t)
	spec, dev := rewritten(t)
	spec.Maps[records].MaxEntries = 1 << 14 // of some 1800 bytes each
	p, err := Attach(spec, dev)
	require.NoError(t, err)
	const frames = 50
	send(t, frames, 60)
	require.Eventually(t, func() bool { return p.came(t) == frames }, 5*time.Second, time.Millisecond) // they pass in a softirq
	packets, err := p.Record(t.Context(), frames, settle)
	require.NoError(t, err)
	require.NotEmpty(t, packets)
	require.Less(t, len(packets), frames)
	for n, packet := range packets {
		require.EqualValues(t, n, packet.captured()[15])
	}
	lost, err := p.Lost()
	require.NoError(t, err)
	require.EqualValues(t, frames-len(packets), lost)
	require.NoError(t, p.Close())
}

// Where the kernel has no kfuncs for it, or lets nobody look at sk_buffs, the rest
// is done.
func TestProbeAlone(t *testing.T) {
	nstest.Isolate(t)
	spec, dev := rewritten(t)
	for _, name := range []string{asking, tracers[1]} {
		spec.Programs[name].Instructions = asm.Instructions{asm.Mov.Reg(asm.R0, asm.R9), asm.Return()} // R9 !read_ok
	}
	p, err := Attach(spec, dev)
	require.NoError(t, err)
	require.Error(t, p.NoKfuncs)
	require.Error(t, p.NoSKB)
	send(t, 10, 60)
	packets, err := p.Record(t.Context(), 10, time.Minute)
	require.NoError(t, err)
	require.Len(t, packets, 10)
	for _, packet := range packets {
		length, has := packet.named("pkt_len")
		require.True(t, has)
		require.EqualValues(t, 60, length)
	}
	r := Compare(packets, Surroundings{})
	require.False(t, r.Differed())
	require.Equal(t, 10, found(t, r, "pkt_len", "the frame's length").Agreed)
	require.NoError(t, p.Close())

	// Nothing is left when not even that can be loaded.
	spec.Programs[Plain].Instructions = spec.Programs[asking].Instructions
	_, err = Attach(spec, dev)
	var refused *ebpf.VerifierError
	require.ErrorAs(t, err, &refused)
	dev, err = netdev.ByName(nstest.Device)
	require.NoError(t, err)
	require.Nil(t, dev.Attached)
}
