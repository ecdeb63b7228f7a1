package live

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A contender is a program whose cost is measured.
type contender struct {
	name    string
	program *ebpf.Program
	ns      []float64 // a run, one value a round
}

// burst is how many packets a contender gets in a round: few, so that its round is
// as quiet or as noisy as that of the others.
const burst = 500

// BenchmarkHints measures what hints cost on real packets: bursts over one wire,
// the program replaced between them, time taken by the kernel (bpf_stats_enabled).
// BPF_PROG_RUN would not do, there is no sk_buff behind its context. An iteration
// is a round with all contenders, so that what disturbs one disturbs all:
//
//	go test -run '^$' -bench Hints -benchtime 500x ./internal/live
func BenchmarkHints(b *testing.B) {
	w := newWire(b, setup{})
	contenders := contenders(b, w)
	l := attach(b, w.rx, w.device[1], contenders[0].program, link.XDPDriverMode)
	send := (&flow{network: "udp4"}).open(b, w)
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	require.NoError(b, err)
	defer stats.Close()

	for round := 0; b.Loop(); round++ {
		for i := range contenders {
			c := &contenders[(i+round)%len(contenders)] // nobody always comes first
			require.NoError(b, l.Update(c.program))
			c.ns = append(c.ns, c.measure(b, send))
		}
	}
	report(b, contenders)
}

// contenders are an empty program, the kfuncs and the subjects, in this order.
func contenders(b *testing.B, w *wire) []contender {
	around, twin := loaded(b, object(b, "around"), nil), w.twin(b)
	list := []contender{
		{name: "empty", program: around.Programs["drop"]},
		{name: "kfunc 1", program: twin.Programs["bench1"]},
		{name: "kfunc 2", program: twin.Programs["bench2"]},
		{name: "kfunc 3", program: twin.Programs["bench3"]},
	}
	for _, s := range subjects {
		if s.missing != "" {
			b.Logf("%s: %s", s.name, s.missing)
			continue
		}
		coll := s.collection(b, xdpPass)
		for _, hints := range []string{"0", "1", "5"} { // 0: finding out whether there is a descriptor
			if program := coll.Programs["bench"+hints]; program != nil {
				list = append(list, contender{name: s.name + " " + hints, program: program})
			}
		}
	}
	return list
}

// measure sends a burst and returns how long the program ran for a packet. A few
// packets may be lost where the ring is full; they were not run for either.
func (c *contender) measure(b *testing.B, send func() uint32) float64 {
	before, err := c.program.Stats()
	require.NoError(b, err)
	for range burst {
		send()
	}
	last := before.RunCount
	for deadline := time.Now().Add(patience); ; {
		time.Sleep(200 * time.Microsecond)
		after, err := c.program.Stats()
		require.NoError(b, err)
		runs := after.RunCount - before.RunCount
		if runs >= burst || runs >= burst/2 && after.RunCount == last {
			return float64(after.Runtime-before.Runtime) / float64(runs)
		}
		last = after.RunCount
		require.True(b, time.Now().Before(deadline), "%s: %d packets of %d", c.name, runs, burst)
	}
}

// report prints medians with their quartiles. What is taken off is the empty
// program of the same round, and with it the cost of measuring.
func report(b *testing.B, contenders []contender) {
	b.ReportMetric(0, "ns/op") // of a round: says nothing
	var table strings.Builder
	fmt.Fprintf(&table, "\n%d rounds of %d packets\n%-14s %8s %22s %22s %6s %6s\n", len(contenders[0].ns), burst,
		"", "ns", "ns above empty", "of kfunc 1", "insns", "bytes")
	empty, kfunc := contenders[0].ns, above(contenders[1].ns, contenders[0].ns)
	for _, c := range contenders {
		info, err := c.program.Info()
		require.NoError(b, err)
		size, err := info.TranslatedSize()
		require.NoError(b, err)
		jited, err := info.JitedSize()
		require.NoError(b, err)
		net := above(c.ns, empty)
		ratio := make([]float64, len(net))
		for i := range net {
			ratio[i] = net[i] / kfunc[i]
		}
		fmt.Fprintf(&table, "%-14s %8.1f %22s %22s %6d %6d\n", c.name, quartiles(c.ns)[1],
			spread(net), spread(ratio), size/8, jited)
		b.ReportMetric(quartiles(net)[1], strings.ReplaceAll(c.name, " ", "-")+"-ns")
	}
	fmt.Print(table.String()) // b.Log cuts it off
}

func above(ns, empty []float64) []float64 {
	net := make([]float64, len(ns))
	for i := range ns {
		net[i] = ns[i] - empty[i]
	}
	return net
}

func quartiles(values []float64) (q [3]float64) {
	sorted := slices.Sorted(slices.Values(values))
	for i := range q {
		q[i] = sorted[(len(sorted)-1)*(i+1)/4]
	}
	return q
}

func spread(values []float64) string {
	q := quartiles(values)
	return fmt.Sprintf("%.2f [%.2f %.2f]", q[1], q[0], q[2])
}
