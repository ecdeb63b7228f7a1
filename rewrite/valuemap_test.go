package rewrite_test

import (
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/layouts"
)

// BenchmarkValueMap compares ways to translate i40e's packet type: the table
// that is emitted, comparisons, and arithmetic. Each is timed in turn with a
// program that does not translate; the metrics are the middle of the
// differences, for one translation, and of the ratios.
func BenchmarkValueMap(b *testing.B) {
	coll := loadPtype(b)
	rng := chance.Rand(b)
	known := slices.Sorted(maps.Keys(ptypes(b)))
	for _, traffic := range []struct {
		name string
		next func() uint64
	}{
		{"Ethernet", func() uint64 { return 1 }},
		{"TCP-over-IPv4", func() uint64 { return 26 }},
		{"TCP-in-a-tunnel", func() uint64 { return 63 }},
		{"TCP-and-UDP", func() uint64 { return []uint64{24, 26, 90, 92}[rng.IntN(4)] }},
		{"all-types", func() uint64 { return known[rng.IntN(len(known))] }},
	} {
		setNumbers(b, coll, 10_000, traffic.next)
		for _, way := range valueMapWays {
			b.Run(traffic.name+"/"+way, func(b *testing.B) {
				var ratio, more []float64
				for b.Loop() {
					with, without := runTime(b, coll, way), runTime(b, coll, "none")
					ratio = append(ratio, with/without)
					more = append(more, (with-without)/(8*10_000))
				}
				slices.Sort(ratio)
				slices.Sort(more)
				b.ReportMetric(more[len(more)/2], "ns-more")
				b.ReportMetric(ratio[len(ratio)/2], "times-none")
			})
		}
	}
}

var valueMapWays = []string{"table", "tree", "arithmetic"}

// The ways give the same value for all numbers, or comparing them says nothing.
func TestValueMapWays(t *testing.T) {
	coll := loadPtype(t)
	values := ptypes(t)
	for n := range uint64(256) {
		setNumbers(t, coll, 1, func() uint64 { return n })
		for _, way := range valueMapWays {
			sum, err := coll.Programs[way].Run(&ebpf.RunOptions{Data: make([]byte, 64)})
			require.NoError(t, err)
			require.EqualValues(t, uint32(8*values[n]), sum, "%s of %d", way, n)
		}
	}
}

func loadPtype(t testing.TB) *ebpf.Collection {
	t.Helper()
	needKernel(t)
	if _, err := exec.LookPath(clang); err != nil {
		t.Skipf("compiling: %v", err)
	}
	var cases, list strings.Builder
	values := ptypes(t)
	for n := range uint64(256) {
		fmt.Fprintf(&list, "%#x, ", values[n])
		if v, ok := values[n]; ok {
			fmt.Fprintf(&cases, "case %d: return %#x; ", n, v)
		}
	}
	object, err := exec.Command(clang, "-target", "bpfel", "-mcpu=v3", "-O2", "-g", "-Wall", "-Werror", "-fno-jump-tables",
		"-Itestdata/shapes", "-DCASES="+cases.String(), "-DVALUES="+list.String(),
		"-c", "testdata/bench/ptype.c", "-o", "-").Output()
	require.NoError(t, err)
	spec, _ := loadSpec(t, object)
	return loadKernel(t, spec)
}

// setNumbers says what the programs translate, and how many times eight of it.
func setNumbers(t testing.TB, coll *ebpf.Collection, rounds uint32, next func() uint64) {
	t.Helper()
	numbers := make([]byte, 1024)
	for i := range numbers {
		numbers[i] = byte(next())
	}
	require.NoError(t, coll.Variables["numbers"].Set(numbers))
	require.NoError(t, coll.Variables["rounds"].Set(rounds))
}

// ptypes is the map as the layout has it.
func ptypes(t testing.TB) map[uint64]uint64 {
	t.Helper()
	l, err := layouts.Shipped("i40e")
	require.NoError(t, err)
	for _, h := range l.Descriptors[0].Hints {
		if h.Name == "ptype" {
			return h.Alternatives[0].Map.Values
		}
	}
	require.FailNow(t, "i40e has no ptype")
	return nil
}

// runTime is how many nanoseconds a program takes.
func runTime(b *testing.B, coll *ebpf.Collection, program string) float64 {
	start := time.Now()
	if _, err := coll.Programs[program].Run(&ebpf.RunOptions{Data: make([]byte, 64)}); err != nil {
		b.Fatal(err)
	}
	return float64(time.Since(start).Nanoseconds())
}
