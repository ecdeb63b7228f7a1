package layouts

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestShipped sees that every layout in the package loads, is named after its
// file, and that no two answer to one name.
func TestShipped(t *testing.T) {
	names := Names()
	require.True(t, slices.IsSorted(names))
	for _, name := range []string{"i40e", "ice", "igb", "ixgbe", "mlx5_core", "veth", "virtio_net", "vmxnet3"} {
		require.Contains(t, names, name)
	}
	taken := make(map[string]string)
	for _, name := range names {
		l, err := Shipped(name)
		require.NoError(t, err)
		require.Equal(t, name, l.NIC)
		require.Equal(t, name+".yaml", l.File)
		require.NotEmpty(t, l.Doc, "%s: about", name)
		for _, n := range append([]string{name}, l.Aliases...) {
			require.NotContains(t, taken, n, "a name of %s", name)
			taken[n] = name
			again, err := Shipped(n)
			require.NoError(t, err)
			require.Equal(t, name, again.NIC)
			require.NotSame(t, l, again, "the caller owns its layout")
		}
		for _, std := range StandardHints {
			given := slices.ContainsFunc(l.Descriptors, func(d *Descriptor) bool { return d.Hint(std.Name) != nil })
			_, never := l.Never[std.Name]
			require.True(t, given || never, "%s: %s is neither given nor in never", name, std.Name)
		}
	}
	require.Equal(t, "mlx5_core", taken["mlx5"])
}

func TestUnknownNIC(t *testing.T) {
	for name, near := range map[string]string{"i40": "i40e", "mlx55": "mlx5", "ICE": "ice", "": "", "e1000z": "", "mlx5-core": "mlx5_core"} {
		_, err := Shipped(name)
		var unknown *UnknownNICError
		require.ErrorAs(t, err, &unknown, name)
		require.Equal(t, UnknownNICError{name, near, Names()}, *unknown)
	}
	require.EqualError(t, &UnknownNICError{"i40", "i40e", []string{"i40e", "ice"}},
		`unknown NIC "i40": did you mean i40e?`)
	require.EqualError(t, &UnknownNICError{"x", "", []string{"i40e", "ice"}},
		`unknown NIC "x": known are i40e, ice; another needs a layout file of its own`)
}
