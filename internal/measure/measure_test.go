package measure

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInterleave(t *testing.T) {
	var order string
	turn := 0.0
	contender := func(name string) Contender {
		return Contender{name, func() (float64, error) { order += name; turn++; return turn, nil }}
	}
	got, err := Interleave(2, []Contender{contender("a"), contender("b")})
	require.NoError(t, err)
	require.Equal(t, "ab"+"ba"+"ab", order, "nobody always first")
	require.Equal(t, []Samples{{4, 5}, {3, 6}}, got, "without the first round")

	_, err = Interleave(1, []Contender{{"x", func() (float64, error) { return 0, errors.New("lost") }}})
	require.EqualError(t, err, "x: lost")
}

func TestSamples(t *testing.T) {
	require.Equal(t, Spread{2, 3, 4}, Samples{5, 3, 1, 2, 4}.Spread())
	require.Equal(t, Samples{2, 3}, Samples{4, 9}.Per(Samples{2, 3}))
	require.Equal(t, Samples{2, 6}, Samples{4, 9}.Above(Samples{2, 3}))
}

func TestReplace(t *testing.T) {
	const document = "# Title\n<!-- measured: a -->\nold\n<!-- end of a -->\n<!-- measured: b -->\n<!-- end of b -->\n"
	got, err := replace([]byte(document), "a", "new")
	require.NoError(t, err)
	require.Equal(t, "# Title\n<!-- measured: a -->\n\nnew\n\n<!-- end of a -->\n<!-- measured: b -->\n<!-- end of b -->\n", string(got))

	_, err = replace([]byte(document), "c", "new")
	require.EqualError(t, err, `section c has to be marked with "<!-- measured: c -->" and "<!-- end of c -->"`)
}
