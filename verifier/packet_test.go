package verifier

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
)

// xdpContext is struct xdp_md (linux/bpf.h) as BPF_PROG_RUN takes it: offsets in
// the data, of which the first are the metadata.
type xdpContext struct {
	Data, DataEnd, DataMeta, Ifindex, Queue, Egress uint32
}

// adjustments writes a program that moves the ends of the packet and leaves at
// its start a number made of all the helpers' results.
func adjustments(helpers, deltas []int) string {
	var b strings.Builder
	b.WriteString("r6 = r1\nr7 = 0\n")
	for i, helper := range helpers {
		fmt.Fprintf(&b, "r1 = r6\nr2 = %d\ncall %d\nr7 *= 31\nr7 += r0\n", deltas[i], helper)
	}
	b.WriteString(`
r1 = *(u32 *)(r6 + 0)
r2 = *(u32 *)(r6 + 4)
r3 = r1
r3 += 8
r0 = 0
if r3 > r2 goto out
*(u64 *)(r1 + 0) = r7
r0 = 2
out:
exit
`)
	return b.String()
}

// What the three helpers accept, return and do to the bytes is what the kernel
// does.
func TestAdjustAsKernel(t *testing.T) {
	needKernel(t)
	r := chance.Rand(t)
	accepted := 0
	for range 600 {
		n := 1 + r.IntN(5)
		kinds, deltas := make([]int, n), make([]int, n)
		for i := range kinds {
			kinds[i] = pick(r, 44, 54, 65)
			deltas[i] = pick(r, r.IntN(81)-40, 4*(r.IntN(21)-10), r.IntN(601)-300, r.IntN(8001)-4000)
		}
		packet := make([]byte, 14+r.IntN(200))
		meta := make([]byte, 4*r.IntN(10))
		for i := range packet {
			packet[i] = byte(r.Uint32())
		}
		for i := range meta {
			meta[i] = byte(r.Uint32())
		}

		u := assemble(t, binary.LittleEndian, adjustments(kinds, deltas))
		prog := loadKernel(t, u)
		var out xdpContext
		opts := &ebpf.RunOptions{
			Data:       append(append([]byte(nil), meta...), packet...),
			DataOut:    make([]byte, 8192),
			Context:    xdpContext{Data: uint32(len(meta)), DataEnd: uint32(len(meta) + len(packet))},
			ContextOut: &out,
		}
		want, err := prog.Run(opts)
		require.NoError(t, err)
		require.NoError(t, prog.Close())

		m := &Machine{Unit: u, Packet: packet, Meta: meta}
		got, err := m.Run("main")
		require.NoError(t, err)
		what := fmt.Sprintf("packet of %d, metadata of %d: helpers %v by %v", len(packet), len(meta), kinds, deltas)
		require.Equal(t, want, got, what)
		require.Equal(t, opts.DataOut[:out.Data], append([]byte{}, m.Meta...), what)
		require.Equal(t, opts.DataOut[out.Data:], m.Packet, what)
		for _, c := range m.Calls {
			if c.Result == 0 {
				accepted++
			}
		}
	}
	require.Greater(t, accepted, 300, "too few adjustments were accepted to say anything")
}

func TestContext(t *testing.T) {
	m := &Machine{
		Unit: assemble(t, binary.BigEndian, `
r0 = *(u32 *)(r1 + 12)
r2 = *(u32 *)(r1 + 16)
r0 <<= 8
r0 |= r2
r2 = *(u32 *)(r1 + 20)
r0 <<= 8
r0 |= r2
r3 = *(u32 *)(r1 + 8)
r4 = *(u32 *)(r1 + 0)
r4 -= r3
r0 <<= 8
r0 |= r4
exit`),
		Meta: make([]byte, 12), Ifindex: 1, Queue: 2, Egress: 3,
	}
	ret, err := m.Run("main")
	require.NoError(t, err)
	require.Equal(t, uint32(0x0102030c), ret)
}

func TestContextRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"r0 = *(u64 *)(r1 + 0)\nexit":                                 "8 bytes at ctx+0, wanted 4",
		"r0 = *(u32 *)(r1 + 24)\nexit":                                "struct xdp_md has no member at 24",
		"*(u32 *)(r1 + 16) = 1\nexit":                                 "ctx is read-only",
		"r2 = *(u32 *)(r1 + 8)\nr0 = *(u8 *)(r2 - 1)\nexit":           "1 bytes at packet+251 are outside [252, 270)",
		"r2 = 8\nr1 += 4\ncall 44\nexit":                              "FnXdpAdjustHead: r1: 0x20000080000004 is not the context",
		"r2 = *(u32 *)(r1 + 4)\nr2 = *(u32 *)(r2 - 3)\nr0 = r2\nexit": "4 bytes at packet+267 are outside [252, 270)",
		"r2 = &main\nr0 = *(u8 *)(r2 + 0)\nexit":                      "outside [0, 0)",
		"r2 = 4\ncall 44\nr0 = *(u8 *)(r10 - 1)\nr1 = 0xfff0000000000000 ll\nr0 = *(u8 *)(r1 + 0)\nexit": "is no address",
	} {
		m := &Machine{Unit: assemble(t, binary.LittleEndian, ".program main\n"+text), Packet: make([]byte, 14), Meta: make([]byte, 4)}
		_, err := m.Run("main")
		require.ErrorContains(t, err, want, text)
	}
}

func TestTooMuchMetadata(t *testing.T) {
	m := &Machine{Unit: assemble(t, binary.LittleEndian, "r0 = 2\nexit"), Meta: make([]byte, 220)}
	_, err := m.Run("main")
	require.EqualError(t, err, "220 bytes of metadata do not fit into 216 bytes of headroom")
}
