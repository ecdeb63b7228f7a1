package layouts

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestGuide wants what docs/new-nic.md shows of a layout to stand in it, in that
// order.
func TestGuide(t *testing.T) {
	guide, err := os.ReadFile("../docs/new-nic.md")
	require.NoError(t, err)
	layout, err := os.ReadFile("vif.yaml")
	require.NoError(t, err)
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(guide), -1)
	require.Len(t, blocks, 3)
	for _, block := range blocks {
		rest := string(layout)
		for line := range strings.Lines(block[1]) {
			_, after, found := strings.Cut(rest, "\n"+line)
			require.True(t, found, "vif.yaml has no line %q there", line)
			rest = "\n" + after
		}
	}
}
