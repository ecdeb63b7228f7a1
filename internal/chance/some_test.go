package chance_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
)

// The same each time, each about as often as the others, and hardly another choice
// when there is one more.
func TestSome(t *testing.T) {
	t.Setenv("HINTJIT_ALL", "")
	var from []string
	for i := range 35 {
		from = append(from, fmt.Sprintf("nic%d", i))
	}
	const things, n = 96, 8
	met, displaced := map[string]int{}, 0
	for i := range things {
		with := fmt.Sprintf("shape%d", i)
		picked := chance.Some(with, from, n)
		require.Len(t, picked, n)
		require.Equal(t, picked, chance.Some(with, from, n))
		require.Equal(t, picked[0], chance.Pick(with, from))
		more := chance.Some(with, append(slices.Clone(from), "another"), n)
		for _, x := range picked {
			met[x]++
			if !slices.Contains(more, x) {
				displaced++
			}
		}
	}
	for _, x := range from {
		require.Greater(t, met[x], things*n/len(from)/3, x)
		require.Less(t, met[x], things*n/len(from)*3, x)
	}
	require.Less(t, displaced, things)
	require.Equal(t, from[:n], chance.Some("shape", from[:n], n))
	t.Setenv("HINTJIT_ALL", "1")
	require.Equal(t, from, chance.Some("shape", from, n))
}
