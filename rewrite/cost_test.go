package rewrite_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/rewrite"
)

// dearer is how many instructions a rewritten program may have more than one in
// which the same bytes are read by hand.
const dearer = 2

// A program whose only hint is the hash costs what it would cost by hand: the
// same flags, the same fallback, the same answers for the same packets.
func TestCost(t *testing.T) {
	rng := chance.Rand(t)
	var table strings.Builder
	fmt.Fprintf(&table, "%-12s %-5s %-10s %8s %10s\n", "nic", "mcpu", "program", "by hand", "rewritten")
	for _, n := range nics(t)[1:] {
		if n.descriptor != n.layout.Descriptors[0] {
			continue // of each NIC, the form that its Linux driver uses
		}
		packets := samples(rng, n.descriptor)
		for _, m := range runnable {
			rewritten, _, err := rewrite.Object(compile(t, "cost/hint.c", m), n.options())
			require.NoError(t, err)
			byHand := compile(t, "cost/"+n.layout.NIC+".c", m)
			got, want := count(t, rewritten), count(t, byHand)
			for _, program := range []string{"value", "value_or"} {
				fmt.Fprintf(&table, "%-12s %-5s %-10s %8d %10d\n", n.layout.NIC, m, program, want[program], got[program])
				assert.LessOrEqual(t, got[program], want[program]+dearer, "%s %s: program %s", n, m, program)
			}
			t.Run(n.layout.NIC+"/"+m.String(), func(t *testing.T) { requireSameAnswers(t, byHand, rewritten, packets) })
		}
	}
	t.Logf("instructions\n%s", &table)
}

// count returns the number of instructions of each program, a wide load being
// two as in every listing.
func count(t *testing.T, object []byte) map[string]int {
	t.Helper()
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	require.NoError(t, err)
	counts := make(map[string]int)
	for name, p := range spec.Programs {
		for _, ins := range p.Instructions {
			counts[name] += int(ins.Size() / 8)
		}
	}
	return counts
}

func requireSameAnswers(t *testing.T, a, b []byte, packets []sample) {
	needKernel(t)
	specA, _ := loadSpec(t, a)
	specB, _ := loadSpec(t, b)
	collA, collB := loadKernel(t, specA), loadKernel(t, specB)
	for program := range collA.Programs {
		for _, s := range packets {
			require.Equal(t, run(t, collA, program, s), run(t, collB, program, s),
				"program %s, metadata %x", program, s.meta)
		}
	}
}
