package rewrite

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/layouts"
)

// A flat hint says of every descriptor what its alternatives say.
func TestFlatten(t *testing.T) {
	r := chance.Rand(t)
	flat := map[string]int{}
	for _, nic := range layouts.Names() {
		l, err := layouts.Shipped(nic)
		require.NoError(t, err)
		for _, d := range l.Descriptors {
			f := (&target{order: binary.LittleEndian}).flatten(d)
			for i, h := range f.Hints {
				if len(h.Alternatives) < len(d.Hints[i].Alternatives) {
					require.Len(t, h.Alternatives, 1)
					flat[nic+" "+h.Name] = h.Alternatives[0].From.Width()
				}
			}
			for range 20_000 {
				desc := make([]byte, d.RecordSize())
				for k := range desc {
					desc[k] = byte(r.Uint32())
				}
				require.Equal(t, d.Decode(desc, binary.LittleEndian), f.Decode(desc, binary.LittleEndian), "%s %s %x", nic, d.Name, desc)
			}
		}
	}
	require.Equal(t, 9, flat["ixgbe ptype"], "bits of the index")
	require.Equal(t, 5, flat["vmxnet3 ptype"], "bits of the index")
}
