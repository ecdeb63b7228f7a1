package demo

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/layouts"
)

// eachDescriptor calls test with every descriptor that has hints by itself.
func eachDescriptor(t *testing.T, test func(t *testing.T, d *layouts.Descriptor)) {
	for _, nic := range layouts.Names() {
		layout, err := layouts.Shipped(nic)
		require.NoError(t, err)
		for _, d := range layout.Descriptors {
			if d = d.Bare(); len(d.Hints) > 0 {
				t.Run(nic+"/"+d.Name, func(t *testing.T) { test(t, d) })
			}
		}
	}
}

// TestSamples wants the samples to tell what their names say, as far as the
// descriptor has it.
func TestSamples(t *testing.T) {
	eachDescriptor(t, func(t *testing.T, d *layouts.Descriptor) {
		samples := Samples(d)
		hints := make([]map[string]uint64, len(samples))
		for i, s := range samples {
			hints[i] = d.Decode(s.Descriptor, binary.NativeEndian)
		}
		require.Empty(t, hints[0])
		tells := func(i int, hint string, mask, value uint64) {
			if d.Hint(hint) != nil {
				require.Equal(t, value, hints[i][hint]&mask, "%s: %s", samples[i].What, hint)
			}
		}
		for i := range samples[1:] {
			tells(i+1, "pkt_len", ^uint64(0), 54)
		}
		require.NotContains(t, hints[1], "rx_hash")
		tells(2, "rx_hash", ^uint64(0), 0x1badcafe)
		tells(2, "rx_hash_type", hashIPv4|hashTCP, hashIPv4|hashTCP)
		require.NotContains(t, hints[2], "vlan_tci")
		tells(3, "rx_hash", ^uint64(0), 0xdeadbeef)
		tells(3, "vlan_tci", ^uint64(0), 42)
		tells(4, "rx_hash", ^uint64(0), 0x7e57ab1e)
		tells(4, "rx_hash_type", hashIPv4|hashUDP, hashIPv4|hashUDP)
	})
}

// TestSet has every field written and read back through the decoder, among other
// bits that must stay.
func TestSet(t *testing.T) {
	eachDescriptor(t, func(t *testing.T, d *layouts.Descriptor) {
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 0))
		desc := make([]byte, d.Size)
		for i := range desc {
			desc[i] = byte(random.Uint32())
		}
		want := map[*layouts.Field]uint64{}
		for _, f := range d.Fields {
			want[f] = random.Uint64() >> (64 - f.Width())
			set(d, desc, f, want[f])
		}
		for _, f := range d.Fields {
			require.Equal(t, want[f], f.Value(d, desc), "field %s, seed %d", f.Name, seed)
		}
	})
}
