package rewrite_test

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/nstest"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
)

func TestForInterface(t *testing.T) {
	nstest.Isolate(t)
	_, err := rewrite.ForInterface("none0")
	var usage *rewrite.UsageError
	require.ErrorAs(t, err, &usage)
	require.ErrorContains(t, err, `there is no interface "none0" here`)

	nstest.IP(t, "link", "add", "br0", "type", "bridge")
	_, err = rewrite.ForInterface("br0")
	var unsupported *rewrite.UnsupportedError
	require.ErrorAs(t, err, &unsupported)
	require.ErrorContains(t, err, "interface br0: a bridge takes packets from its ports")
	require.Equal(t, "load it on the ports", unsupported.Help)

	_, err = rewrite.Collection(&ebpf.CollectionSpec{}, rewrite.Options{NIC: "tun"})
	require.ErrorAs(t, err, &unsupported)
	require.ErrorContains(t, err, "tun can not be supported: ")
	_, err = rewrite.ForDriver("eth9", []string{"genet", "bcmgenet"})
	require.ErrorAs(t, err, &unsupported)
	require.ErrorContains(t, err, "interface eth9: bcmgenet can not be supported: ")
	_, err = rewrite.ForDriver("eth9", []string{"genet", "virtio_net"})
	require.NotErrorAs(t, err, &unsupported)

	opts, err := rewrite.ForInterface(nstest.Device)
	if _, unknown := layouts.Shipped("veth"); unknown != nil {
		require.ErrorAs(t, err, &unsupported)
		require.ErrorContains(t, err, "interface hj0: its driver is veth, and the layouts are for ")
		return
	}
	require.NoError(t, err)
	require.Equal(t, "veth", opts.NIC)
}
