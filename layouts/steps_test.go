package layouts

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Every step of every shipped walk says the same written as it is read.
func TestStepsReadWhatTheyWrite(t *testing.T) {
	steps := 0
	for _, nic := range Names() {
		l, err := Shipped(nic)
		require.NoError(t, err)
		for _, w := range l.Walks {
			known := scope{}
			for name, typ := range starts {
				known[name] = typ
			}
			for _, want := range w.Steps {
				got, err := parseStep(want.String(), known)
				require.NoError(t, err, "%s, walk %s: %v", nic, w.Name, want)
				got.Pos = want.Pos
				require.Equal(t, want, got)
				steps++
			}
		}
	}
	require.Greater(t, steps, 50)
}

func TestStepText(t *testing.T) {
	known := scope{XDP: "xdp_buff", RXQ: "xdp_rxq_info", Dev: "net_device", "ring": "r", "n": ""}
	for _, text := range []string{
		"a = ring.desc", "a = ring.count:u16", "a = ring.tag:be16", "a = ring.tag:le64", "a = ring.on:3", "a = ring.kind:enum", "a = ring.kind:enum2", "a = ring.a.b.c:u8",
		"a = s(ring.next)", "a = &ring.part", "a = &ring.part:u32", "a = &ring.part:struct[]", "a = &ring.a.b:pointer", "a = &ring.part:u64[] + n * 8", "a = sizeof(net_device)", "a = sizeof(net_device, 32)",
		"a = container_of(rxq, s.xdp_rxq)", "a = container_of(rxq, s.part.xdp_rxq)", "a = container_of(ring, s.rings:struct[])", "a = ring.desc + n * 16", "a = ring.desc + 8",
		"a = ring.desc + n", "a = xdp.data - n", "a = ring.next:u16 - 1 wrap ring.count:u16", "a = n == &ring.part",
		"a = ring.next:u32 & ring.mask:u32", "a = xdp.data & 18446744073709547520", "a = ring.flags:u64 >> 63",
		"a = ring.flags:u64 >> enum(flags.STAMPS)", "a = ring.desc + n * sizeof(entry)", "a = ring.desc + n * ring.stride:u8",
		"a = n[0]", "a = ring[4095]:be32", "a = s(n[8])", "require ring.format:u8 == enum(formats.NEW)",
		"require ring.pool == 0", "require ring.mode:u8 != 3", "guard ring.netdev == rxq.dev", "own &ring.xdp_rxq == rxq",
	} {
		k := scope{}
		for name, typ := range known {
			k[name] = typ
		}
		s, err := parseStep(text, k)
		require.NoError(t, err, text)
		require.Equal(t, text, s.String())
	}
}

func TestWhere(t *testing.T) {
	l, err := Shipped("igb")
	require.NoError(t, err)
	d := l.Descriptors[0]
	for field, want := range map[string]string{"dd": "w1[0]", "stripped": "headroom[4]", "link_speed": "adapter.link_speed:u16"} {
		require.Equal(t, want, d.Where(d.field(field)))
	}
}
