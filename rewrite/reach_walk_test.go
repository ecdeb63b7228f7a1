package rewrite

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/layouts"
)

// A way reads the packet for the values that lie there, and for no others of the
// same NIC: what is read at a program's entry costs packets that ask for no hints.
func TestReadsPacket(t *testing.T) {
	for _, test := range []struct {
		nic, value string
		reads      bool
	}{
		{"igb", layouts.Desc, false},
		{"igb", layouts.RXQ, false},
		{"igb", "adapter", false},
		{"igb", "headroom", true},
		{"igb", "stamp", true},
		{"virtio_net", layouts.Desc, true},
		{"virtio_net", "hdr_len", false},
		{"vmxnet3", layouts.Desc, false},
	} {
		l, err := layouts.Shipped(test.nic)
		require.NoError(t, err)
		for _, w := range l.Walks {
			got := (&route{Walk: w}).readsPacket(map[string]bool{test.value: true})
			require.Equal(t, test.reads, got, "%s, walk %s: %s", test.nic, w.Name, test.value)
		}
	}
}

// Where every hint needs what lies beside the descriptor there is none in a
// metadata area.
func TestNoMetaReach(t *testing.T) {
	for _, nic := range []string{"veth", "virtio_net"} {
		l, err := layouts.Shipped(nic)
		require.NoError(t, err)
		target := &target{layout: l, whole: l.Descriptors[0]}
		err = target.chooseReach(nil, Options{Reach: Meta})
		require.EqualError(t, err, nic+" has no descriptor that could lie in the metadata area")
	}
}
