package netdev

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSuitable(t *testing.T) {
	native, generic := XDPFeatures{true, xdpBasic}, XDPFeatures{true, 0}
	for _, test := range []struct {
		dev       Interface
		why, help string // "": suitable
	}{
		{dev: Interface{Driver: "i40e", BusDriver: "i40e", XDP: native}},
		{dev: Interface{Kind: "veth", Driver: "veth", XDP: native}},
		{dev: Interface{Driver: "i40e"}}, // before 6.3
		{dev: Interface{BusDriver: "i40e", XDP: native}},
		{Interface{Driver: "iavf", XDP: generic}, "its driver iavf runs no XDP programs", "newer"},
		{Interface{XDP: native}, "it has no driver", "of a NIC"},
		{Interface{Kind: "bond", Driver: "bonding", XDP: native, Lower: []string{"p0", "p1"}}, "each of its members", "rewritten for its driver: p0, p1"},
		{Interface{Kind: "vlan", Driver: "802.1Q VLAN Support", Lower: []string{"p0"}}, "the device below", "below: p0"},
		{Interface{Kind: "tuntap", Driver: "tun", XDP: native}, "from a process", "of a NIC"},
		{Interface{Driver: "hv_netvsc", XDP: native}, "virtual function", "mlx5_core"},
	} {
		test.dev.Name = "x0"
		err := test.dev.Suitable()
		if test.why == "" {
			require.NoError(t, err)
			continue
		}
		var unsuitable *UnsuitableError
		require.ErrorAs(t, err, &unsuitable, "%+v", test.dev)
		require.Contains(t, err.Error(), "interface x0: ")
		require.Contains(t, err.Error(), test.why)
		require.Contains(t, unsuitable.Help, test.help)
	}
	require.Equal(t, "load it on each port", stacks["team"].help, "a message does not change the table")
}

func TestDrivers(t *testing.T) {
	require.Equal(t, []string{"mlx4_en", "mlx4_core"}, (&Interface{Driver: "mlx4_en", BusDriver: "mlx4_core"}).Drivers())
	require.Equal(t, []string{"i40e"}, (&Interface{Driver: "i40e", BusDriver: "i40e"}).Drivers())
	require.Equal(t, []string{"i40e"}, (&Interface{BusDriver: "i40e"}).Drivers())
	require.Empty(t, (&Interface{}).Drivers())
}

func TestNotFound(t *testing.T) {
	e := &NotFoundError{"x", []string{"lo", "p0"}}
	require.EqualError(t, e, `there is no interface "x" here: there are lo, p0`)
	for i := range maxKnown {
		e.Known = append(e.Known, fmt.Sprintf("v%d", i))
	}
	require.ErrorContains(t, e, ", v13 and 2 more")
}

func TestMissing(t *testing.T) {
	with := func(list ...Capability) (p Process) {
		for _, c := range list {
			p.capabilities |= 1 << c
		}
		return p
	}
	require.Empty(t, with(BPF, NetAdmin).Missing(BPF, NetAdmin))
	require.Equal(t, []Capability{PerfMon}, with(BPF, NetAdmin).Missing(BPF, PerfMon, NetAdmin))
	require.Equal(t, []Capability{BPF, NetAdmin}, with().Missing(BPF, NetAdmin))
	require.Empty(t, with(sysAdmin).Missing(BPF, PerfMon, NetAdmin))
	require.Equal(t, "CAP_BPF CAP_PERFMON CAP_NET_ADMIN", fmt.Sprint(BPF, " ", PerfMon, " ", NetAdmin))
}

func TestLockdown(t *testing.T) {
	require.Equal(t, LockdownNone, parseLockdown("[none] integrity confidentiality\n"))
	require.Equal(t, LockdownIntegrity, parseLockdown("none [integrity] confidentiality\n"))
	require.Equal(t, LockdownConfidentiality, parseLockdown("none integrity [confidentiality]\n"))
	require.Equal(t, LockdownUnknown, parseLockdown(""))
	require.Equal(t, LockdownUnknown, parseLockdown("none [integrity"))
}
