package loaders

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"
)

const (
	xdpDrop = 1
	xdpPass = 2
	xdpTX   = 3
)

var modes = map[string]link.XDPAttachFlags{"generic": link.XDPGenericMode, "driver": link.XDPDriverMode}

// A packet that came over an interface with no descriptor before it: every hint
// is absent, whatever lies in the headroom.
func TestNoDescriptor(t *testing.T) {
	for _, nic := range nics {
		for mode, flag := range modes {
			t.Run(nic+"/"+mode, func(t *testing.T) {
				path := rewritten(t, "many", nic)
				isolate(t)
				attachBoth(t, load(t, path).Programs["mirror"], flag)
				s := dial(t)
				for range 100 {
					frame := testFrame(0x88b5, bytes.Repeat([]byte{0xff}, 60))
					back := s.exchange(t, frame)
					want := bytes.Clone(frame)
					copy(want[16:], []byte{0, 0, 0, 0, 0, 0, 0, 0, 42, 0, 0, 0})
					require.Equal(t, want, back)
				}
			})
		}
	}
}

// ready are descriptors that say no more than that they hold one whole frame:
// i40e DD and EOF, ice the same in flex profile 2, mlx5 a completed receive
// (opcode 2).
var ready = map[string][]byte{
	"i40e": {8: 1<<0 | 1<<1, 15: 0},
	"ice":  {0: 2, 8: 1<<0 | 1<<1, 31: 0},
	"mlx5": {63: 2 << 4},
}

// With a descriptor the same program reports hints: what is absent above is not
// absent for another reason.
func TestDescriptor(t *testing.T) {
	for _, nic := range nics {
		t.Run(nic, func(t *testing.T) {
			path := rewritten(t, "many", nic)
			isolate(t)
			opts := runOptions(ready[nic])
			verdict, err := load(t, path).Programs["mirror"].Run(opts)
			require.NoError(t, err)
			require.EqualValues(t, xdpTX, verdict)
			require.NotZero(t, binary.NativeEndian.Uint32(opts.DataOut[len(ready[nic])+16:]))
		})
	}
}

// The balancer's own hash, in software, is what chooses when there is no
// descriptor. Key, tuple and hash are of Microsoft's "Verifying the RSS Hash
// Calculation".
func TestSoftwareFallback(t *testing.T) {
	key := [16]byte{0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0}
	packet := []byte{
		0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 66, 9, 149, 187, 161, 142, 100, 80, // IPv4
		0x0a, 0xea, 0x06, 0xe6, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x10, 0, 0, 0, 0, 0, 0, // TCP 2794 -> 1766
	}
	const hash = 0x51ccc178
	for _, nic := range nics {
		for mode, flag := range modes {
			t.Run(nic+"/"+mode, func(t *testing.T) {
				path := rewritten(t, "l4lb", nic)
				isolate(t)
				coll := load(t, path)
				config := struct {
					Key      [16]byte
					Backends uint32
				}{key, 256}
				require.NoError(t, coll.Maps["config"].Put(uint32(0), config))
				for n := range uint32(256) {
					require.NoError(t, coll.Maps["backends"].Put(n, [6]byte{2, 0, 0, 0, 1, byte(n)}))
				}
				attachBoth(t, coll.Programs["l4lb"], flag)
				back := dial(t).exchange(t, testFrame(syscall.ETH_P_IP, packet))
				require.Equal(t, []byte{2, 0, 0, 0, 1, hash >> 24}, back[:6])
			})
		}
	}
}

// A program that is to replace another's function is rewritten as well. Where the
// kernel lets nobody do that, it runs as a program of its own.
func TestFreplace(t *testing.T) {
	path := rewritten(t, "many", "i40e")
	isolate(t)
	target := load(t, path).Programs["first"]
	require.EqualValues(t, xdpPass, verdict(t, target, true))

	alone := only(t, path, "decide")
	alone.Programs["decide"].Type = ebpf.XDP
	coll, err := ebpf.NewCollection(alone)
	require.NoError(t, err)
	t.Cleanup(coll.Close)
	require.EqualValues(t, xdpTX, verdict(t, coll.Programs["decide"], true))
	require.EqualValues(t, xdpDrop, verdict(t, coll.Programs["decide"], false))

	spec := only(t, path, "decide")
	spec.Programs["decide"].AttachTarget = target
	replacing, err := ebpf.NewCollection(spec)
	if errors.Is(err, syscall.EPERM) { // the verifier's refusals are EACCES and EINVAL
		t.Skipf("replacing a function of a program, even as root: %v", err)
	}
	require.NoError(t, err)
	t.Cleanup(replacing.Close)
	l, err := link.AttachFreplace(nil, "", replacing.Programs["decide"])
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	require.EqualValues(t, xdpTX, verdict(t, target, true))
	require.EqualValues(t, xdpDrop, verdict(t, target, false))
}

// only is an object with one of its programs.
func only(t *testing.T, path, program string) *ebpf.CollectionSpec {
	t.Helper()
	spec, err := ebpf.LoadCollectionSpec(path)
	require.NoError(t, err)
	for name := range spec.Programs {
		if name != program {
			delete(spec.Programs, name)
		}
	}
	return spec
}

// verdict runs a program on a frame, with or without a descriptor of i40e.
func verdict(t *testing.T, program *ebpf.Program, descriptor bool) uint32 {
	t.Helper()
	var meta []byte
	if descriptor {
		meta = ready["i40e"]
	}
	ret, err := program.Run(runOptions(meta))
	require.NoError(t, err)
	return ret
}

// runOptions are a frame with metadata before it, for BPF_PROG_RUN: data is the
// length of the metadata there, at the head of the input, and data_end that of
// it all (xdp_convert_md_to_buff in net/bpf/test_run.c, 6.12).
func runOptions(meta []byte) *ebpf.RunOptions {
	data := append(bytes.Clone(meta), testFrame(0x88b5, make([]byte, 60))...)
	return &ebpf.RunOptions{
		Data: data, DataOut: make([]byte, len(data)),
		Context: struct{ Data, DataEnd, DataMeta, Ingress, Queue, Egress uint32 }{
			Data: uint32(len(meta)), DataEnd: uint32(len(data))},
	}
}

// attachBoth puts the program on one end and one that lets everything pass on
// the other: a veth driver takes packets from XDP_TX only where there is one
// (veth_xdp_xmit in drivers/net/veth.c, 6.12).
func attachBoth(t *testing.T, program *ebpf.Program, mode link.XDPAttachFlags) {
	t.Helper()
	l := attach(t, device, program, mode)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	if mode != link.XDPDriverMode {
		return
	}
	pass, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, xdpPass), asm.Return()},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pass.Close()) })
	other := attach(t, peer, pass, mode)
	t.Cleanup(func() { require.NoError(t, other.Close()) })
}

// testFrame is an Ethernet frame from the peer's side.
func testFrame(protocol uint16, payload []byte) []byte {
	frame := []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	frame = binary.BigEndian.AppendUint16(frame, protocol)
	return append(frame, payload...)
}

// socket sends and receives whole frames at the peer.
type socket struct {
	fd    int
	index int
}

func dial(t *testing.T) *socket {
	t.Helper()
	protocol := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, syscall.ETH_P_ALL))
	fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, int(protocol))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, syscall.Close(fd)) })
	dev, err := net.InterfaceByName(peer)
	require.NoError(t, err)
	require.NoError(t, syscall.Bind(fd, &syscall.SockaddrLinklayer{Protocol: protocol, Ifindex: dev.Index}))
	require.NoError(t, syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: 10}))
	return &socket{fd, dev.Index}
}

// exchange sends a frame and waits for the next that comes back. Nothing else is
// on this wire.
func (s *socket) exchange(t *testing.T, frame []byte) []byte {
	t.Helper()
	_, err := syscall.Write(s.fd, frame)
	require.NoError(t, err)
	buf := make([]byte, 2048)
	for {
		n, from, err := syscall.Recvfrom(s.fd, buf, 0)
		require.NoError(t, err, "no frame came back")
		if ll, ok := from.(*syscall.SockaddrLinklayer); ok && ll.Pkttype != syscall.PACKET_OUTGOING {
			return buf[:n]
		}
	}
}
