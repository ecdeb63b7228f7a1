package layouts

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Where what lies beside the descriptor is not known, an alternative that needs it
// may hold, and then those after it do not give the hint.
func TestKeep(t *testing.T) {
	l, err := Load("x.yaml", []byte(`
nic: x
descriptors:
  - name: a
    size: 8
    word: le64
    ready: [dd]
    fields:
      dd:    w0[0]
      kind:  w0[2:1]
      first: w0[15:8]
      other: {at: "ring.other:u8?"}
    hints:
      rx_hash:     [{from: other, when: [kind == 1]}, {from: first}]
      flow_mark:   [{from: other, when: [kind == 1]}, {from: first, when: [kind == 2|3]}, {from: first, when: [dd]}]
      csum_status: [{value: 1, when: [other]}, {value: 1, when: [kind == 1]}, {value: 2}]
      rx_error:    [{from: first, when: [other != 0]}, {from: kind}]
      ptype:       [{from: first, when: [kind != 0|1]}, {from: other, when: [kind != 2|3]}, {from: first, when: [kind != 0|2|3]}]
walk:
  - name: w
    steps: ["ring = s(rxq.dev)", "desc = ring.a"]
`))
	require.NoError(t, err)
	left := func(d *Descriptor) map[string][]int {
		out := map[string][]int{}
		for _, h := range l.Descriptors[0].Hints {
			kept := d.Hint(h.Name)
			if kept == nil {
				continue
			}
			for i := range h.Alternatives {
				for k := range kept.Alternatives {
					if kept.Alternatives[k].Pos == h.Alternatives[i].Pos {
						out[h.Name] = append(out[h.Name], i)
					}
				}
			}
		}
		return out
	}
	none := func(*State) bool { return false }
	require.Equal(t, map[string][]int{"flow_mark": {1}, "csum_status": {1}, "ptype": {0}}, left(l.Descriptors[0].Bare()))
	// On a kernel that has no such member it is 0, and who asks for another value asks in vain.
	require.Equal(t, map[string][]int{"flow_mark": {1}, "csum_status": {1, 2}, "rx_error": {1}, "ptype": {0}},
		left(l.Descriptors[0].Restrict(none)))
}
