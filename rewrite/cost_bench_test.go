package rewrite_test

import (
	"cmp"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/measure"
)

const (
	// costRounds is how often each program is loaded and run.
	costRounds = 7
	// bursts is how often it is run then; the fastest counts, that nothing else on
	// the machine got into. So they are many and short.
	bursts = 20
	// calls is how often a burst calls the loop.
	calls = 1000
	// logged is the same where each round may fill a place in the ring buffer, which
	// is read after the burst (vlan_ts_log).
	logged = 100
)

// BenchmarkEmitted runs each pair of programs over one descriptor of a TCP packet,
// hashed and tagged, in BPF_PROG_RUN.
//
// A run takes microseconds, and a repeated one waits twice, for milliseconds, until the
// kernel has changed its dispatcher. So what is run, once, is a loop that has the
// program for its body, and the time is that of the whole call. What the loop takes
// without a program is measured too, for the ratio of what is above it.
//
// A program is loaded anew for each round: where in memory the kernel puts it makes
// a difference of nanoseconds, which stays as long as the program.
func BenchmarkEmitted(b *testing.B) {
	needKernel(b)
	b.ReportMetric(0, "ns/op") // of all of them: says nothing
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var timed []*timing
	for _, p := range pairs(b) {
		t := &timing{pair: p, rewrittenSize: size(b, p.rewritten), byHandSize: size(b, p.byHand)}
		if p.repeats() {
			t.measure(b)
		}
		timed = append(timed, t)
	}
	measure.Publish(b, "emitted", emittedReport(timed))
}

// A timing is what came of a pair.
type timing struct {
	*pair
	rewrittenSize, byHandSize loadedSize
	rewrittenTime, byHandTime measure.Samples // ns a packet
	nothing                   measure.Samples // of the loop without a program
}

func (t *timing) timed() bool            { return t.rewrittenTime != nil }
func (t *timing) ratio() measure.Samples { return t.rewrittenTime.Per(t.byHandTime) }

// own is the ratio of what the programs take by themselves.
func (t *timing) own() measure.Samples {
	return t.rewrittenTime.Above(t.nothing).Per(t.byHandTime.Above(t.nothing))
}
func (t *timing) more() int { return t.rewrittenSize.verified - t.byHandSize.verified }
func (t *timing) bytes() float64 {
	return float64(t.rewrittenSize.machineCode) / float64(t.byHandSize.machineCode)
}

func (t *timing) measure(b *testing.B) {
	n := int32(calls)
	if t.rewritten.Maps["records"] != nil {
		n = logged
	}
	contender := func(name string, spec *ebpf.CollectionSpec) measure.Contender {
		spec = looped(spec, n)
		return measure.Contender{Name: name, Run: func() (float64, error) {
			fastest, err := fastest(b, spec, t.sample())
			return float64(fastest.Nanoseconds()) / float64(n*perCall), err
		}}
	}
	took, err := measure.Interleave(costRounds, []measure.Contender{
		contender("rewritten", t.rewritten), contender("by hand", t.byHand), contender("nothing", doNothing())})
	require.NoError(b, err, "%s", t.pair)
	t.rewrittenTime, t.byHandTime, t.nothing = took[0], took[1], took[2]
}

func doNothing() *ebpf.CollectionSpec {
	return &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"nothing": {
		Type: ebpf.XDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm32(asm.R0, xdpPass).WithSymbol("nothing"), asm.Return()},
	}}}
}

// fastest loads the only program of spec and returns the time of its fastest burst.
func fastest(b *testing.B, spec *ebpf.CollectionSpec, s sample) (time.Duration, error) {
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		return 0, err
	}
	defer coll.Close()
	fastest := time.Duration(math.MaxInt64)
	for _, p := range coll.Programs {
		for range bursts {
			opts := s.input()
			start := time.Now()
			if _, err := p.Run(&opts); err != nil {
				return 0, err
			}
			fastest = min(fastest, time.Since(start))
			if records := coll.Maps["records"]; records != nil {
				drain(b, records)
			}
		}
	}
	return fastest, nil
}

// emittedReport has a line a program, over all NICs, and the ends of the list.
func emittedReport(all []*timing) string {
	timed := slices.DeleteFunc(slices.Clone(all), func(t *timing) bool { return !t.timed() })
	var out strings.Builder
	var ns, own, nothing measure.Samples
	long, slow := 0, 0
	for _, t := range timed {
		ratio := t.ratio().Spread().Median
		ns, own = append(ns, ratio), append(own, t.own().Spread().Median)
		nothing = append(nothing, t.nothing...)
		if ratio > 1.10 {
			slow++
		}
	}
	for _, t := range all {
		if t.more() > 1 {
			long++
		}
	}
	fmt.Fprintf(&out, `Rewritten to by hand, %d pairs of a program and a NIC of which %d were timed, %d rounds:

| | measured | target |
|---|---|---|
| ns a packet, ratio | %s | median at most 1.02 |
| the same above the loop | %s | |
| pairs slower than 1.10 | %d | 0 |
| pairs with more than one instruction more | %d | 0 |

In each time is a round of the loop, which took %.2f ns with no program in it.

`, len(all), len(timed), costRounds, ns.Spread(), own.Spread(), slow, long, nothing.Spread().Median)

	out.WriteString("Each program over all NICs (least, median, most):\n\n" +
		"| program | NICs | instructions more | x86 bytes, ratio | ns a packet, ratio | above the loop |\n|---|---|---|---|---|---|\n")
	for len(all) > 0 {
		n := 0
		var more, bytes, ns, own measure.Samples
		for ; n < len(all) && all[n].program == all[0].program; n++ {
			more, bytes = append(more, float64(all[n].more())), append(bytes, all[n].bytes())
			if all[n].timed() {
				ns, own = append(ns, all[n].ratio().Spread().Median), append(own, all[n].own().Spread().Median)
			}
		}
		fmt.Fprintf(&out, "| `%s` | %d | %s | %s | %s | %s |\n", all[0].program, n,
			ends("%+.0f", more), ends("%.2f", bytes), ends("%.2f", ns), ends("%.2f", own))
		all = all[n:]
	}

	slices.SortStableFunc(timed, func(a, b *timing) int {
		return cmp.Compare(a.ratio().Spread().Median, b.ratio().Spread().Median)
	})
	const shown = 6
	out.WriteString("\nThe best and the worst:\n\n| program | NIC | instructions | x86 bytes | ns a packet | ratio | above the loop |\n|---|---|---|---|---|---|---|\n")
	for i, t := range timed {
		if i >= shown && i < len(timed)-shown {
			continue
		}
		fmt.Fprintf(&out, "| `%s` | %s | %d, by hand %d | %d, by hand %d | %.2f, by hand %.2f | %s | %s |\n", t.program, t.nic,
			t.rewrittenSize.verified, t.byHandSize.verified, t.rewrittenSize.machineCode, t.byHandSize.machineCode,
			t.rewrittenTime.Spread().Median, t.byHandTime.Spread().Median, t.ratio().Spread(), t.own().Spread())
	}
	return out.String()
}

func ends(format string, s measure.Samples) string {
	if len(s) == 0 {
		return "not timed"
	}
	return fmt.Sprintf(format+" "+format+" "+format, slices.Min(s), s.Spread().Median, slices.Max(s))
}
