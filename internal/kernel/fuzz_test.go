package kernel_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/kernel"
)

// Whatever a kernel's BTF says: an error, or places that are in the struct that
// was asked for. A patch is a file (vmlinux or the module), a place in it, and the
// bytes to be there.
func FuzzTypes(f *testing.F) {
	const dir = "testdata/debian-6.12.117"
	files := map[string][]byte{}
	for _, name := range []string{"vmlinux", "ice"} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(f, err)
		files[name] = raw
	}
	f.Add([]byte{})
	for i := range uint16(40) {
		f.Add([]byte{byte(i % 2), byte(i), byte(16 * i), 2, 0, 0, 0, 0})
	}
	f.Fuzz(func(t *testing.T, patches []byte) {
		dir := t.TempDir()
		changed := map[string][]byte{}
		for name, raw := range files {
			changed[name] = bytes.Clone(raw)
		}
		for ; len(patches) >= 8; patches = patches[8:] {
			raw := changed[[]string{"vmlinux", "ice"}[patches[0]%2]]
			at := int(binary.BigEndian.Uint16(patches[1:])) % len(raw)
			copy(raw[at:min(len(raw), at+1+int(patches[3]%4))], patches[4:8])
		}
		for name, raw := range changed {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), raw, 0o600))
		}
		k, err := kernel.Open(dir)
		if err != nil {
			return
		}
		if c, err := k.Carrier(); err == nil {
			require.NotZero(t, c.ID)
			require.GreaterOrEqual(t, c.Size, 0)
		}
		_ = k.Module("ice")
		for _, path := range [][]string{
			{"xdp_buff", "rxq"}, {"net_device", "_rx"}, {"netdev_rx_queue", "xdp_rxq"}, {"ice_rx_ring", "netdev"},
			{"ice_rx_ring", "xdp_rxq"}, {"ice_xdp_buff", "pkt_ctx", "cached_phctime"}, {"sk_buff", "ip_summed"},
		} {
			p, err := k.Member("ice", path[0], path[1:]...)
			if err != nil {
				continue
			}
			require.GreaterOrEqual(t, p.Offset, 0)
			require.GreaterOrEqual(t, p.Size, 0)
			require.Less(t, p.Bit, 8)
			s, err := k.Struct("ice", path[0])
			require.NoError(t, err)
			_, err = btf.Sizeof(s)
			require.NoError(t, err)
		}
	})
}
