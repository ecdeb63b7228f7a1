package corpus

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/internal/object"
)

// Damaged, an object is refused, or it is one that can be written again and read
// again: nothing panics, whatever is read.
func TestDamaged(t *testing.T) {
	rng := chance.Rand(t)
	taken, refusedToo := 0, 0
	try := func(t *testing.T, raw []byte) {
		f, err := object.Parse(raw)
		if err != nil {
			refusedToo++
			return
		}
		taken++
		same, err := f.Encode(f.Unit())
		require.NoError(t, err)
		require.True(t, bytes.Equal(raw, same))
		u := forced(t, f)
		if u == nil {
			return
		}
		out, err := f.Encode(u)
		if err != nil {
			return
		}
		_, err = object.Parse(out)
		require.NoError(t, err)
	}
	each(t, func(t *testing.T, s subject) {
		if len(s.raw) > 100_000 {
			return // no other bytes than in smaller ones, and most of them are types
		}
		for range 4 {
			try(t, s.raw[:rng.IntN(len(s.raw))])
		}
		for range 12 {
			raw := bytes.Clone(s.raw)
			for range 1 + rng.IntN(4) {
				raw[rng.IntN(len(raw))] ^= 1 << rng.IntN(8)
			}
			try(t, raw)
		}
	})
	t.Logf("%d damaged objects taken, %d refused", taken, refusedToo)
	require.NotZero(t, taken)
	require.NotZero(t, refusedToo)
}
