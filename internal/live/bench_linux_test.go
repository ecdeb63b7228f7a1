package live

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/hintjit/hintjit/rewrite"
)

// A contender is a program whose cost is measured.
type contender struct {
	name    string
	program *ebpf.Program // as loaded for this trial
	round   []float64     // ns a run, of this trial
	trial   []float64     // the medians of those
}

const (
	// burst is how many packets a contender gets in a row: few, so that its time is
	// as quiet or as noisy as that of the others.
	burst = 500
	// rounds is how often each gets them in a trial.
	rounds = 9
)

// BenchmarkHints measures what hints cost on real packets: bursts over one wire,
// the program replaced between them, time taken by the kernel (bpf_stats_enabled).
// BPF_PROG_RUN would not do, there is no sk_buff behind its context.
//
// An iteration is a trial. All programs are loaded anew for it: where in memory the
// kernel puts a program makes a difference of ten nanoseconds and more, which stays
// as long as the program, and looks like a result.
//
//	go test -run '^$' -bench Hints -benchtime 50x ./internal/live
func BenchmarkHints(b *testing.B) {
	w := newWire(b, setup{})
	kfuncs := w.twinSpec(b)
	l := attach(b, w.rx, w.device[1], loaded(b, object(b, "around"), nil).Programs["drop"], link.XDPDriverMode)
	send := (&flow{network: "udp4"}).open(b, w)
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	require.NoError(b, err)
	defer stats.Close()

	var contenders []*contender
	load := func(name string, spec *ebpf.CollectionSpec, programs ...string) {
		for _, program := range programs {
			title := strings.Replace(program, "bench", name+" ", 1)
			at := slices.IndexFunc(contenders, func(c *contender) bool { return c.name == title })
			if at < 0 {
				at = len(contenders)
				contenders = append(contenders, &contender{name: title})
			}
			contenders[at].program = measured(b, w, spec, program)
		}
	}
	for b.Loop() {
		load("", parsed(b, object(b, "around")), "drop")
		load("reach", parsed(b, object(b, "byhand")), "bench0") // to the sk_buff, with the guard
		load("kfunc", kfuncs, "bench1", "bench2", "bench3")
		for _, s := range subjects {
			load(s.name, parsed(b, s.object(b)), "bench1", "bench5")
		}
		load("guard off", parsed(b, rewritten(b, rewrite.Options{NIC: "veth", Guard: rewrite.GuardOff})), "bench1", "bench5")
		for round := range rounds {
			for i := range contenders {
				c := contenders[(i+round)%len(contenders)] // nobody always comes first
				require.NoError(b, l.Update(c.program))
				c.round = append(c.round, c.measure(b, send))
			}
		}
		for _, c := range contenders {
			c.trial = append(c.trial, quartiles(c.round)[1])
			c.round = nil
		}
	}
	report(b, contenders)
}

func parsed(b *testing.B, object []byte) *ebpf.CollectionSpec {
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	require.NoError(b, err)
	return spec
}

// measured loads one program. It uses no map but its global data.
func measured(b *testing.B, w *wire, spec *ebpf.CollectionSpec, program string) *ebpf.Program {
	spec = spec.Copy()
	maps.DeleteFunc(spec.Programs, func(name string, _ *ebpf.ProgramSpec) bool { return name != program })
	maps.DeleteFunc(spec.Maps, func(name string, _ *ebpf.MapSpec) bool { return !strings.HasPrefix(name, ".") })
	var coll *ebpf.Collection
	var err error
	w.rx.do(b, func() { coll, err = ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Cache: types}) })
	require.NoError(b, err)
	b.Cleanup(coll.Close)
	return coll.Programs[program]
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

// report prints medians of the trials with their quartiles. What is taken off is
// the empty program, and with it the cost of measuring.
func report(b *testing.B, contenders []*contender) {
	b.ReportMetric(0, "ns/op") // of a trial: says nothing
	empty := contenders[0].trial
	one := contenders[slices.IndexFunc(contenders, func(c *contender) bool { return c.name == "kfunc 1" })]
	var table strings.Builder
	fmt.Fprintf(&table, "\n%d trials, %d times %d packets in each\n%-14s %8s %22s %22s %6s %6s\n", len(empty), rounds, burst,
		"", "ns", "ns above empty", "all of kfunc 1's", "insns", "bytes")
	for _, c := range contenders {
		info, err := c.program.Info()
		require.NoError(b, err)
		size, err := info.TranslatedSize()
		require.NoError(b, err)
		jited, err := info.JitedSize()
		require.NoError(b, err)
		ratio := make([]float64, len(c.trial))
		for i := range ratio {
			ratio[i] = c.trial[i] / one.trial[i]
		}
		net := above(c.trial, empty)
		fmt.Fprintf(&table, "%-14s %8.1f %22s %22s %6d %6d\n", c.name, quartiles(c.trial)[1],
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
