package live

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// packets numbers them all, so that none is mistaken for another.
var packets atomic.Uint32

// A flow sends packets of one kind.
type flow struct {
	name string
	setup
	network  string                // "udp4", "tcp6"; "tagged" is UDP in a frame with a tag in it
	loose    bool                  // the socket is not connected: what it sends has no hash of its own
	mark     int                   // SO_MARK
	priority int                   // SO_PRIORITY
	size     int                   // bytes in a packet, 0: 64
	shows    func(*skbRecord) bool // what the flow is there for is to be seen in tc
}

// flows are the packets whose hints are compared.
var flows = []flow{
	{name: "udp4", network: "udp4", shows: l4Hash},
	{name: "udp6", network: "udp6", shows: l4Hash},
	{name: "tcp4", network: "tcp4", shows: l4Hash},
	{name: "tcp6", network: "tcp6", shows: l4Hash},
	{name: "no hash", network: "udp4", loose: true,
		shows: func(s *skbRecord) bool { return s.Hash == 0 }},
	// With several queues the kernel computes a hash to choose one.
	{name: "hash in software", network: "udp4", loose: true, setup: setup{queues: 4},
		shows: func(s *skbRecord) bool { return s.SwHash != 0 && s.Hash != 0 }},
	{name: "mark scrubbed between namespaces", network: "udp4", mark: 0x1234,
		shows: func(s *skbRecord) bool { return s.Mark == 0 }},
	{name: "mark", network: "udp4", mark: 0xdeadbeef, setup: setup{sameHost: true},
		shows: func(s *skbRecord) bool { return s.Mark == 0xdeadbeef }},
	{name: "mark6", network: "udp6", mark: 1, setup: setup{sameHost: true},
		shows: func(s *skbRecord) bool { return s.Mark == 1 }},
	{name: "tag pushed by tc", network: "udp4", setup: setup{push: unix.ETH_P_8021Q, pushTCI: 5<<13 | 1<<12 | 100},
		shows: func(s *skbRecord) bool { return s.VlanTCI == 5<<13|1<<12|100 }},
	{name: "tag of 802.1ad", network: "udp6", setup: setup{push: unix.ETH_P_8021AD, pushTCI: 4095},
		shows: func(s *skbRecord) bool { return s.VlanTCI == 4095 }},
	{name: "tag of zeros", network: "udp4", setup: setup{push: unix.ETH_P_8021Q},
		shows: func(s *skbRecord) bool { return s.VlanPresent == 1 && s.VlanTCI == 0 }},
	{name: "vlan device udp4", network: "udp4", setup: setup{vlan: true},
		shows: func(s *skbRecord) bool { return s.VlanTCI == vlanID }},
	{name: "vlan device udp6 priority", network: "udp6", priority: 6, setup: setup{vlan: true},
		shows: func(s *skbRecord) bool { return s.VlanTCI == vlanPrio<<13|vlanID }},
	{name: "vlan device tcp4", network: "tcp4", setup: setup{vlan: true},
		shows: func(s *skbRecord) bool { return s.VlanTCI == vlanID }},
	{name: "tag in the frame", network: "tagged",
		shows: func(s *skbRecord) bool { return s.VlanTCI == vlanID }},
	{name: "checksum partial", network: "udp4",
		shows: func(s *skbRecord) bool { return s.IPSummed == checksumPartial }},
	{name: "checksum none", network: "udp4", setup: setup{noTxCsum: true},
		shows: func(s *skbRecord) bool { return s.IPSummed == checksumNone }},
	{name: "checksum none tcp", network: "tcp6", setup: setup{noTxCsum: true},
		shows: func(s *skbRecord) bool { return s.IPSummed == checksumNone }},
	{name: "checksum unnecessary", network: "udp4", setup: setup{noTxCsum: true, verified: 1},
		shows: func(s *skbRecord) bool { return s.IPSummed == checksumUnnecessary && s.CsumLevel == 0 }},
	{name: "checksums unnecessary", network: "udp6", setup: setup{noTxCsum: true, verified: 3},
		shows: func(s *skbRecord) bool { return s.IPSummed == checksumUnnecessary && s.CsumLevel == 2 }},
	{name: "jumbo udp4", network: "udp4", size: 8000, setup: setup{mtu: 9000},
		shows: func(s *skbRecord) bool { return s.Len == 8042 }},
	{name: "jumbo tcp4", network: "tcp4", size: 8000, setup: setup{mtu: 9000},
		shows: func(s *skbRecord) bool { return s.Len > 8000 }},
	// No segments in one: veth turns that off where there is an XDP program, even one
	// for frags (veth_xdp_set in drivers/net/veth.c, 6.18).
	{name: "jumbo tcp6", network: "tcp6", size: 30000, setup: setup{mtu: 9000},
		shows: func(s *skbRecord) bool { return s.Len == 9014 }},
}

func l4Hash(s *skbRecord) bool { return s.L4Hash == 1 && s.Hash != 0 }

// open returns what sends one more packet of the flow and says its number.
func (f *flow) open(t testing.TB, w *wire) (send func() uint32) {
	t.Helper()
	var write func([]byte)
	if f.network == "tagged" {
		write = f.openTagged(t, w)
	} else {
		write = f.openSocket(t, w)
	}
	return func() uint32 {
		id := packets.Add(1)
		payload := make([]byte, max(f.size, 64))
		copy(payload, "hint")
		binary.BigEndian.PutUint32(payload[4:], id)
		write(payload)
		return id
	}
}

// port is where packets go to.
const port = 7777

func (f *flow) openSocket(t testing.TB, w *wire) func([]byte) {
	t.Helper()
	family := f.network[3:]
	from := netip.AddrPortFrom(netip.MustParseAddr(w.address(family, 0)), 0)
	to := netip.AddrPortFrom(netip.MustParseAddr(w.address(family, 1)), port)
	if !w.sameHost && !w.sinks[f.network] {
		w.sinks[f.network] = true
		w.rx.do(t, func() { sink(t, f.network, to) })
	}
	control := func(_, _ string, raw syscall.RawConn) error {
		var err error
		if e := raw.Control(func(fd uintptr) {
			if err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, f.mark); err == nil {
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PRIORITY, f.priority)
			}
		}); e != nil {
			return e
		}
		return err
	}
	var write func([]byte) (int, error)
	w.tx.do(t, func() {
		if f.loose {
			conn, err := (&net.ListenConfig{Control: control}).ListenPacket(t.Context(), f.network, from.String())
			require.NoError(t, err)
			t.Cleanup(func() { _ = conn.Close() })
			write = func(b []byte) (int, error) { return conn.WriteTo(b, net.UDPAddrFromAddrPort(to)) }
			return
		}
		conn, err := (&net.Dialer{Control: control, Timeout: patience}).DialContext(t.Context(), f.network, to.String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		write = conn.Write
	})
	return func(b []byte) {
		_, err := write(b)
		require.NoError(t, err)
	}
}

// sink takes what arrives: without it the kernel answers that nobody is there.
func sink(t testing.TB, network string, at netip.AddrPort) {
	t.Helper()
	if network[:3] == "udp" {
		conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(at))
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		return
	}
	listener, err := net.ListenTCP(network, net.TCPAddrFromAddrPort(at))
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(io.Discard, conn) // ends with the sender
				_ = conn.Close()
			}()
		}
	}()
}

// openTagged sends whole frames, UDP over IPv4 with an 802.1Q tag.
func (f *flow) openTagged(t testing.TB, w *wire) func([]byte) {
	t.Helper()
	var fd int
	w.tx.do(t, func() {
		var err error
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0) // 0: receives nothing
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, unix.Close(fd)) })
		require.NoError(t, unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: index(t, w.device[0])}))
	})
	return func(payload []byte) {
		_, err := unix.Write(fd, taggedFrame(payload))
		require.NoError(t, err)
	}
}

// taggedFrame is UDP over IPv4 between the ends, with a tag of 802.1Q.
func taggedFrame(payload []byte) []byte {
	frame := []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x81, 0x00, 0, vlanID, 0x08, 0x00, 0x45, 0}
	frame = binary.BigEndian.AppendUint16(frame, uint16(28+len(payload)))
	frame = append(frame, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0, 10, 77, 0, 1, 10, 77, 0, 2)
	frame = binary.BigEndian.AppendUint16(frame, port)
	frame = binary.BigEndian.AppendUint16(frame, port)
	frame = binary.BigEndian.AppendUint16(frame, uint16(8+len(payload)))
	return append(append(frame, 0, 0), payload...)
}
