package paragraph

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWrite(t *testing.T) {
	short, long := strings.Repeat("a", 40), strings.Repeat("b", 120)
	for name, c := range map[string]struct{ prefix, text, want string }{
		"no words":     {"bits: ", " \n", "bits:\n"},
		"one line":     {"bits: ", "some\n  words", "bits: some words\n"},
		"to the brim":  {"12345678 ", short + " 2 " + short + " 2345678", "12345678 " + short + " 2 " + short + " 2345678\n"},
		"one too many": {"12345678 ", short + " 2 " + short + " 23456789", "12345678 " + short + " 2 " + short + "\n    23456789\n"},
		"too long":     {"bits: ", long + " " + short, "bits: " + long + "\n    " + short + "\n"},
	} {
		var b strings.Builder
		Write(&b, c.prefix, 4, c.text)
		require.Equal(t, c.want, b.String(), name)
	}
}
