package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/netdev"
	"github.com/hintjit/hintjit/internal/nstest"
)

// shippedVeth is the layout of veth, from the folder that tests start in.
var shippedVeth, _ = filepath.Abs("../../layouts/veth.yaml")

// traffic lets packets in at hj0 until the test ends: UDP of a few flows, some with a
// mark and some with a VLAN tag beside them, and frames without IP.
func traffic(t *testing.T) {
	t.Helper()
	const marked, tagged = 0x1234, 0x4321 // SO_MARK; hj1 tags what has the second
	dev, err := net.InterfaceByName(nstest.Device)
	require.NoError(t, err)
	nstest.IP(t, "addr", "add", "10.77.0.1/24", "dev", nstest.Peer)
	nstest.IP(t, "neigh", "add", "10.77.0.2", "lladdr", dev.HardwareAddr.String(), "dev", nstest.Peer, "nud", "permanent")
	pushTag(t, tagged)
	var sockets []int
	for flow, mark := range []int{0, 0, 0, marked, tagged} {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		require.NoError(t, syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_MARK, mark))
		require.NoError(t, syscall.Connect(fd, &syscall.SockaddrInet4{Addr: [4]byte{10, 77, 0, 2}, Port: 7000 + flow}))
		sockets = append(sockets, fd)
	}
	peer, err := net.InterfaceByName(nstest.Peer)
	require.NoError(t, err)
	raw, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	require.NoError(t, syscall.Bind(raw, &syscall.SockaddrLinklayer{Ifindex: peer.Index}))
	frame := make([]byte, 60)
	frame[0], frame[6], frame[12] = 2, 2, 0x88
	payload := []byte("to be looked at")

	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(time.Millisecond); ; {
			select {
			case <-stop:
				return
			case <-tick.C:
				for _, fd := range sockets {
					_, _ = syscall.Write(fd, payload) // the ring may be full
				}
				_, _ = syscall.Write(raw, frame)
			}
		}
	}()
	t.Cleanup(func() {
		close(stop)
		<-done
		for _, fd := range append(sockets, raw) {
			require.NoError(t, syscall.Close(fd))
		}
	})
}

// pushTag has hj1 put a VLAN tag beside what has a mark, as a NIC does that takes it
// out of the frame.
func pushTag(t *testing.T, mark int32) {
	t.Helper()
	peer, err := net.InterfaceByName(nstest.Peer)
	require.NoError(t, err)
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, AttachType: ebpf.AttachTCXEgress, License: "GPL",
		Instructions: asm.Instructions{
			asm.LoadMem(asm.R2, asm.R1, 8, asm.Word), // __sk_buff.mark
			asm.JNE.Imm(asm.R2, mark, "out"),
			asm.Mov.Imm(asm.R2, 0x0081), // 802.1Q in network order
			asm.Mov.Imm(asm.R3, 3<<13|100),
			asm.FnSkbVlanPush.Call(),
			asm.Mov.Imm(asm.R0, -1).WithSymbol("out"), // TCX_NEXT
			asm.Return(),
		}})
	require.NoError(t, err)
	l, err := link.AttachTCX(link.TCXOptions{Interface: peer.Index, Program: program, Attach: ebpf.AttachTCXEgress})
	if err != nil {
		t.Skipf("this kernel attaches no program to tc by a link (6.6 and later do): %v", err)
	}
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		require.NoError(t, program.Close())
	})
}

// counts are those of a line of the table.
func counts(t *testing.T, out, hint, reference string) (agreed, differed string) {
	t.Helper()
	current := ""
	for line := range strings.Lines(out) {
		if name := regexp.MustCompile(`^[a-z]\w+`).FindString(line); name != "" {
			current = name
		}
		m := regexp.MustCompile(regexp.QuoteMeta(reference) + ` +(\d+) +(\d+) +(\d+)\n$`).FindStringSubmatch(line)
		if current == hint && m != nil {
			return m[1], m[2]
		}
	}
	require.Fail(t, "no such comparison", "%s, %s\n%s", hint, reference, out)
	return "", ""
}

// All that veth gives is compared with all that tells of it, and agrees.
func TestSelftest(t *testing.T) {
	isolated(t)
	traffic(t)
	out := command(t, exitDone, "selftest", "--dev", "hj0", "--packets", "300", "--duration", "1m")
	require.Regexp(t, `^hj0: veth, descriptor skb, reach walk by skb\n300 packets, 300 of them with the driver's sk_buff\n`, out)
	for _, c := range [][2]string{
		{"rx_hash", "kfunc rx_hash"}, {"rx_hash", "the driver's skb->hash"},
		{"rx_hash_type", "kfunc rx_hash"}, {"rx_hash_type", "the frame's headers"},
		{"vlan_tci", "kfunc rx_vlan_tag"}, {"vlan_tci", "the driver's skb->vlan_tci"},
		{"vlan_proto", "kfunc rx_vlan_tag"}, {"vlan_proto", "the driver's skb->vlan_proto"},
		{"csum_status", "the driver's skb->ip_summed"}, {"csum_status", "the frame's checksums"},
		{"flow_mark", "the driver's skb->mark"},
	} {
		agreed, differed := counts(t, out, c[0], c[1])
		require.NotEqual(t, "0", agreed, "%v\n%s", c, out)
		require.Equal(t, "0", differed, "%v\n%s", c, out)
	}
	for _, hint := range [][2]string{{"pkt_len", "the frame's length"}, {"rx_queue", "the XDP context, the skb"}} {
		agreed, _ := counts(t, out, hint[0], hint[1])
		require.Equal(t, "300", agreed)
	}
	require.Contains(t, out, "  not seen: rx_timestamp: would come with packets that the NIC stamps, after hwstamp_ctl -i hj0 ")
	require.Contains(t, out, "  never: inner_vlan_tci: an sk_buff has one tag")
	dev, err := netdev.ByName("hj0")
	require.NoError(t, err)
	require.Nil(t, dev.Attached)
}

// Each fact of veth's layout, when it is wrong by a bit or a member, is found wrong.
func TestSelftestFindsFaults(t *testing.T) {
	isolated(t)
	traffic(t)
	shipped, err := os.ReadFile(shippedVeth)
	require.NoError(t, err)
	for _, test := range []struct{ hint, right, wrong string }{ // no subtests: those have threads of their own
		{"rx_hash", "at: skb.hash:u32", "at: skb.hash:u32[31:1]"},
		{"rx_hash_type", "at: skb.l4_hash:1", "at: skb.sw_hash:1"},
		{"vlan_tci", "at: skb.vlan_tci:u16", "at: skb.vlan_tci:u16[15:1]"},
		{"vlan_proto", "at: skb.vlan_proto:be16", "at: skb.vlan_proto:u16"},
		{"csum_status", "at: skb.ip_summed:2", "at: skb.pkt_type:3"},
		{"flow_mark", "at: skb.mark:u32", "at: skb.mark:u32[31:1]"},
		{"pkt_len", "at: skb.len:u32", "at: skb.len:u32[31:1]"},
		{"rx_queue", "at: rxq.queue_index:u32[15:0]", "at: rxq.reg_state:u32[15:0]"},
	} {
		require.Contains(t, string(shipped), test.right+"\n")
		wrong := strings.Replace(string(shipped), test.right+"\n", test.wrong+"\n", 1)
		require.NoError(t, os.WriteFile("wrong.yaml", []byte(wrong), 0o666))
		out := command(t, exitFails, "selftest", "--dev", "hj0", "--layout", "wrong.yaml", "--packets", "60", "--duration", "1m")
		require.Regexp(t, `(?m)^hintjit: interface hj0: hints differ from what else tells of the packets: .*`+test.hint, out)
		require.Regexp(t, fmt.Sprintf(`(?m)^%s differs from .*\n  it is `, test.hint), out)
		require.Regexp(t, `(?m)^  .+, want .+, in a frame of \d+ bytes:\n    [0-9a-f]+\n`, out)
	}
}

// At a large MTU the driver wants a program for frames in several buffers, and gets it.
func TestSelftestJumbo(t *testing.T) {
	isolated(t)
	for _, name := range []string{nstest.Device, nstest.Peer} {
		nstest.IP(t, "link", "set", "dev", name, "mtu", "9000")
	}
	traffic(t)
	out := command(t, exitDone, "selftest", "--dev", "hj0", "--packets", "20", "--duration", "1m")
	agreed, _ := counts(t, out, "pkt_len", "the frame's length")
	require.Equal(t, "20", agreed)
}

// Without packets nothing was tested, and that is said. Ctrl-C ends it early.
func TestSelftestNoPackets(t *testing.T) {
	isolated(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out strings.Builder
	f := selftestFlags{dev: "hj0", packets: 10, duration: time.Hour, target: target{reach: "auto", guard: "on"}}
	err := f.run(ctx, &out)
	require.EqualError(t, err, "interface hj0: no packet came")
	require.Equal(t, exitFails, exitCode(err))
	require.Contains(t, hintFor(err), "ping")
	require.Contains(t, out.String(), "\n0 packets, ")
	dev, err := netdev.ByName("hj0")
	require.NoError(t, err)
	require.Nil(t, dev.Attached)
}

// Frames that have no hint to compare do not pass for a test.
func TestSelftestNothingCompared(t *testing.T) {
	isolated(t)
	traffic(t)
	out := command(t, exitFails, "selftest", "--dev", "hj0", "--layout", "veth.yaml", "--packets", "10", "--duration", "1m")
	require.Contains(t, out, "reach meta")
	require.Contains(t, out, "hintjit: interface hj0: of 10 packets none had a hint that something else tells of\n")
}

func TestSelftestRefused(t *testing.T) {
	isolated(t)
	for _, test := range []struct {
		code       int
		args, want string
	}{
		{exitUsage, "", "--dev is missing"},
		{exitUsage, "--dev none0", `there is no interface "none0" here`},
		{exitUsage, "--dev hj0 --packets 0", "--packets 0: want at least 1"},
		{exitUsage, "--dev hj0 --duration 0s", "--duration 0s: want some time"},
		{exitUsage, "--dev hj0 --guard perhaps", "perhaps"},
		{exitUsage, "--dev hj0 --guard bound", "selftest keeps its program on the interface anyway"},
		{exitFails, "--dev lo", "interface lo: it has no driver"},
	} {
		out := command(t, test.code, append([]string{"selftest"}, strings.Fields(test.args)...)...)
		require.Contains(t, out, test.want, test.args)
	}
	command(t, exitDone, "load", "prog.o", "--dev", "hj0", "--layout", "veth.yaml")
	out := command(t, exitFails, "selftest", "--dev", "hj0")
	require.Contains(t, out, "hintjit: interface hj0: has an XDP program already (native mode, id ")
}
