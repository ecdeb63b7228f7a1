package layouts

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestUnsupported sees that a driver is refused with its reason, and that none
// that has a layout is.
func TestUnsupported(t *testing.T) {
	all, err := Unsupported()
	require.NoError(t, err)
	supported := map[string]bool{}
	for _, nic := range Names() {
		l, err := Shipped(nic)
		require.NoError(t, err)
		for _, name := range append([]string{nic}, l.Aliases...) {
			supported[name] = true
		}
	}
	var names []string
	for _, u := range all {
		names = append(names, u.Names...)
		for _, name := range u.Names {
			require.False(t, supported[name], "%s has a layout: take it out of mainline/unsupported.yaml", name)
			_, err := Shipped(name)
			var refused *UnsupportedNICError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, name, refused.Name)
			require.EqualError(t, err, name+" can not be supported: "+u.Why+" ("+u.Source+")")
		}
	}
	for _, name := range []string{"tun", "tap", "nicvf", "cpsw", "iavf", "e1000e", "ixd", "hns3", "tg3", "r8169"} {
		require.Contains(t, names, name)
	}
}

// TestKfuncs sees that what mainline answers are hints of the header, and that
// both files are read strictly.
func TestKfuncs(t *testing.T) {
	k, err := MainlineKfuncs()
	require.NoError(t, err)
	require.Equal(t, map[string]string{"rx_hash": "6.5", "rx_timestamp": "6.5", "rx_vlan_tag": "6.8"}, k.Drivers["mlx5_core"])
	for _, h := range KfuncHints {
		for _, name := range h.Hints {
			require.NotNil(t, standard(name), name)
		}
	}
	l, err := Shipped("mlx5")
	require.NoError(t, err)
	require.Equal(t, k.Drivers["mlx5_core"], k.Of(l))
	l.NIC, l.Aliases = "other", []string{"virtio_net"}
	require.Equal(t, k.Drivers["virtio_net"], k.Of(l), "by an alias")
	l.Aliases = nil
	require.Nil(t, k.Of(l))
}

func TestMainlineFaults(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"", "f:1:1: the file is empty: want a layout, which starts with nic:"},
		{"a: b", "f:1:1: found a mapping, want a list"},
		{"- {names: [x], why: y}", "f:1:3: source is missing"},
		{"- {names: [x, X], why: y, source: z}", `f:1:15: names: bad name "X": want lower case letters, digits, _ and -, at most 64 characters`},
		{"- {names: [x], why: y, source: z, more: 1}", `f:1:35: unknown key "more": want one of names, why, source`},
		{"- {names: [x], why: y, source: z}\n- {names: [x], why: y, source: z}", "f:2:12: names: x stands already in line 1"},
		{"- {names: [x], why: y, source: *z}", "f:1:32: not YAML: unknown anchor 'z' referenced"},
	} {
		_, err := loadUnsupported("f", []byte(c.file))
		require.EqualError(t, err, c.want, c.file)
	}
	for _, c := range []struct{ file, want string }{
		{"[]", "f:1:1: found a list, want a mapping (key: value)"},
		{"kernels: [a]", "f:1:1: drivers is missing"},
		{"{kernels: [a], drivers: {x: {rx_hash: b}}}", `f:1:39: driver x: unknown kernel "b": want one of a`},
		{"{kernels: [a], drivers: {x: {hash: a}}}", `f:1:30: driver x: unknown key "hash": want one of rx_hash, rx_timestamp, rx_vlan_tag`},
		{"{kernels: [a], drivers: {X: {}}}", `f:1:26: drivers: bad name "X": want lower case letters, digits, _ and -, at most 64 characters`},
	} {
		_, err := loadKfuncs("f", []byte(c.file))
		require.EqualError(t, err, c.want, c.file)
	}
}
