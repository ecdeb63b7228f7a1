package kernel_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/kernel"
)

func open(t *testing.T, name string) *kernel.Types {
	t.Helper()
	k, err := kernel.Open(filepath.Join("testdata", name))
	require.NoError(t, err)
	return k
}

// Where members lie, as drivers' sources and pahole told before there was any of
// this: on amd64, in bytes.
func TestMember(t *testing.T) {
	for name, modules := range map[string]map[string]map[string]int{
		"debian-6.12.117": {
			"": {"xdp_buff.rxq": 32, "xdp_buff": 0, "xdp_rxq_info.dev": 0, "xdp_rxq_info.queue_index": 8,
				"net_device._rx": 232, "netdev_rx_queue.xdp_rxq": 0},
			"i40e": {"i40e_ring.desc": 8, "i40e_ring.netdev": 24, "i40e_ring.next_to_process": 128, "i40e_ring.xdp_rxq": 320},
			"ice": {"ice_xdp_buff.eop_desc": 56, "ice_xdp_buff.pkt_ctx": 64, "ice_rx_ring.desc": 0, "ice_rx_ring.netdev": 16,
				"ice_rx_ring.q_index": 48, "ice_rx_ring.cached_phctime": 136, "ice_rx_ring.vlan_proto": 144,
				"ice_rx_ring.next_to_clean": 164, "ice_rx_ring.first_desc": 166, "ice_rx_ring.xsk_pool": 216, "ice_rx_ring.xdp_rxq": 256},
			"mlx5_core": {"mlx5e_xdp_buff.cqe": 56, "mlx5e_xdp_buff.rq": 64, "mlx5e_rq.cqd": 704, "mlx5e_rq.cqd.title": 704,
				"mlx5e_rq.tstamp": 896, "mlx5e_rq.ix": 968, "mlx5e_rq.xdp_rxq": 1280, "hwtstamp_config.rx_filter": 8},
			"veth": {"veth_xdp_buff.skb": 56},
		},
		"debian-6.18.15": {
			"":     {"xdp_buff.rxq": 32, "net_device._rx": 232},
			"i40e": {"i40e_ring.xdp_rxq": 320},
			// The module has copies of vmlinux's structs.
			"ice": {"xdp_buff.rxq": 32, "ice_xdp_buff.eop_desc": 56, "ice_rx_ring.first_desc": 166, "ice_rx_ring.xdp_rxq": 256},
			"mlx5_core": {"mlx5e_xdp_buff.cqe": 56, "mlx5e_rq.cqd.title": 704, "mlx5e_rq.tstamp": 896, "mlx5e_rq.ix": 968,
				"mlx5e_rq.xdp_rxq": 1280},
		},
		"debian-7.3.4": {
			"":     {"xdp_buff.rxq": 32, "net_device._rx": 232},
			"i40e": {"i40e_ring.xdp_rxq": 320},
			"ice": {"libeth_xdp_buff.desc": 56, "ice_rx_ring.netdev": 16, "ice_rx_ring.q_index": 296, "ice_rx_ring.cached_phctime": 208,
				"ice_rx_ring.vlan_proto": 216, "ice_rx_ring.next_to_clean": 226, "ice_rx_ring.xdp_rxq": 128},
			"mlx5_core": {"mlx5e_xdp_buff.cqe": 56, "mlx5e_rq.hwtstamp_config": 896, "mlx5e_rq.cqd.title": 704,
				"kernel_hwtstamp_config.rx_filter": 8},
		},
	} {
		k := open(t, name)
		for module, members := range modules {
			require.Equal(t, module != "", k.Module(module) == nil)
			for member, offset := range members {
				path := strings.Split(member, ".")
				p, err := k.Member(module, path[0], path[1:]...)
				require.NoError(t, err, "%s, module %s", name, module)
				require.Equal(t, offset, p.Offset, "%s, module %s: %s", name, module, member)
			}
		}
	}
}

func TestMemberForms(t *testing.T) {
	k := open(t, "debian-6.12.117")
	for _, c := range []struct {
		module, typ, path string
		want              kernel.Place
	}{
		{"", "xdp_buff", "", kernel.Place{Size: 56}},
		{"ice", "ice_rx_ring", "q_index", kernel.Place{Offset: 48, Size: 2, Integer: true}},
		{"ice", "ice_rx_ring", "xdp_rxq", kernel.Place{Offset: 256, Size: 64}},
		{"mlx5_core", "mlx5e_rq", "cqd.title", kernel.Place{Offset: 704, Size: 64}},
		// A bit-field, in an anonymous struct in a union.
		{"veth", "sk_buff", "ip_summed", kernel.Place{Offset: 128, Size: 1, Bit: 5, Bits: 2, Integer: true}},
	} {
		var path []string
		if c.path != "" {
			path = strings.Split(c.path, ".")
		}
		p, err := k.Member(c.module, c.typ, path...)
		require.NoError(t, err)
		require.Equal(t, c.want, p, "%s.%s", c.typ, c.path)
	}
}

func TestMemberNotThere(t *testing.T) {
	k := open(t, "debian-7.3.4")
	for _, path := range [][]string{{"ice_xdp_buff"}, {"ice_rx_ring", "first_desc"}, {"ice_rx_ring", "q_index", "x"}, {"ice_rx_ring", "desc", "x"}} {
		_, err := k.Member("ice", path[0], path[1:]...)
		require.ErrorIs(t, err, btf.ErrNotFound, "%q", path)
	}
	require.ErrorIs(t, k.Module("nosuch"), fs.ErrNotExist)
	_, err := k.Struct("nosuch", "ice_rx_ring")
	require.ErrorIs(t, err, btf.ErrNotFound, "another module's struct")
	_, err = k.Struct("nosuch", "net_device")
	require.NoError(t, err, "vmlinux has it")
}

func TestCarrier(t *testing.T) {
	for _, name := range []string{"debian-6.12.117", "debian-6.18.15", "debian-7.3.4"} {
		k := open(t, name)
		c, err := k.Carrier()
		require.NoError(t, err)
		require.Equal(t, kernel.Endless, c.Type)
		require.Zero(t, c.Size)
		require.NotZero(t, c.ID)
		require.NotZero(t, k.Func("bpf_rdonly_cast"))
		require.Zero(t, k.Func("net_device"), "a struct")
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	whole, err := os.ReadFile("testdata/debian-6.12.117/vmlinux")
	require.NoError(t, err)
	ice, err := os.ReadFile("testdata/debian-7.3.4/ice")
	require.NoError(t, err)
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, data, 0o600))
		return path
	}
	vmlinux, other := write("vmlinux", whole), write("vmlinux-2", whole)
	short, elf := write("vmlinux.short", whole[:100]), write("vmlinux.elf", []byte("\x7fELF"))
	module := write("ice", ice[:60])

	for _, c := range []struct {
		paths []string
		want  string
	}{
		{[]string{module}, "no file vmlinux"},
		{[]string{vmlinux, other}, "a second vmlinux"},
		{[]string{short}, "vmlinux.short"},
		{[]string{elf}, "vmlinux.elf"},
		{[]string{filepath.Join(dir, "none")}, "no such file"},
	} {
		_, err := kernel.Open(c.paths...)
		require.ErrorContains(t, err, c.want)
	}

	k, err := kernel.Open(vmlinux, module)
	require.NoError(t, err, "modules are read when they are asked for")
	_, err = k.Struct("ice", "ice_rx_ring")
	require.ErrorContains(t, err, "damaged")
	require.ErrorContains(t, k.Module("ice"), "ice: not of the same kernel as vmlinux")
}

// A few structs that each have the next one eight times, without a name, have
// 8^16 members together: they are not all looked at.
func TestMemberOfEndless(t *testing.T) {
	var inner btf.Type = &btf.Int{Name: "u8", Size: 1}
	for range 17 {
		s := &btf.Struct{Name: "", Size: 8}
		for range 8 {
			s.Members = append(s.Members, btf.Member{Type: inner})
		}
		inner = s
	}
	outer := inner.(*btf.Struct)
	outer.Name = "outer"
	b, err := btf.NewBuilder([]btf.Type{outer}, nil)
	require.NoError(t, err)
	raw, err := b.Marshal(nil, nil)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "vmlinux")
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	k, err := kernel.Open(path)
	require.NoError(t, err)
	_, err = k.Member("", "outer", "nosuch")
	require.ErrorIs(t, err, btf.ErrNotFound)
}
