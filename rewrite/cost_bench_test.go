package rewrite_test

import (
	"cmp"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/demo"
	"github.com/hintjit/hintjit/internal/measure"
)

const (
	// costRounds is how often each program is loaded and run.
	costRounds = 7
	// bursts is how often it is run then; the fastest counts, that nothing else on
	// the machine got into. So they are many and short.
	bursts = 20
	// perRun is how often a run calls it: one costs as much as several programs.
	perRun = 64
	// runs are those of a burst.
	runs = 100
	// logged is the same where each call may fill a place in the ring buffer, which
	// has to last for all bursts (vlan_ts_log).
	logged = 5
)

// BenchmarkEmitted runs each pair of programs over one descriptor of a TCP packet,
// hashed and tagged, in BPF_PROG_RUN.
//
// A run costs some 40 ns by itself, and what it says of time are whole nanoseconds.
// So what runs calls the program, as a function of BPF, again and again, and the time
// is that of the whole call. What a function costs that does nothing is measured too.
//
// A program is loaded anew for each round: where in memory the kernel puts it makes
// a difference of nanoseconds, which stays as long as the program.
//
// af_xdp_meta is not timed: it replaces the descriptor that it has read, and has
// what it left there for the next packet's.
func BenchmarkEmitted(b *testing.B) {
	needKernel(b)
	b.ReportMetric(0, "ns/op") // of all of them: says nothing
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var timed []*timing
	for _, p := range pairs(b) {
		t := &timing{pair: p, rewrittenSize: size(b, p.rewritten), byHandSize: size(b, p.byHand)}
		if p.program != "af_xdp_meta" {
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
	nothing                   measure.Samples
}

func (t *timing) timed() bool            { return t.rewrittenTime != nil }
func (t *timing) ratio() measure.Samples { return t.rewrittenTime.Per(t.byHandTime) }
func (t *timing) more() int              { return t.rewrittenSize.verified - t.byHandSize.verified }
func (t *timing) bytes() float64 {
	return float64(t.rewrittenSize.machineCode) / float64(t.byHandSize.machineCode)
}

func (t *timing) measure(b *testing.B) {
	s := sample{meta: demo.Samples(t.nic.descriptor)[3].Descriptor, packet: segment()}
	n := runs
	if t.rewritten.Maps["records"] != nil {
		n = logged
	}
	contender := func(name string, spec *ebpf.CollectionSpec) measure.Contender {
		spec = calledOften(spec)
		return measure.Contender{Name: name, Run: func() (float64, error) { return nsPerPacket(spec, s, n) }}
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

// calledOften makes the program a function and calls it perRun times. It comes
// without its debug information, of which there is none for what calls it.
func calledOften(spec *ebpf.CollectionSpec) *ebpf.CollectionSpec {
	spec = spec.Copy()
	for name, p := range spec.Programs {
		insns := asm.Instructions{
			asm.Mov.Reg(asm.R6, asm.R1),
			asm.Mov.Imm(asm.R7, perRun),
			asm.Mov.Reg(asm.R1, asm.R6).WithSymbol("again"),
			asm.Call.Label(name),
			asm.Sub.Imm(asm.R7, 1),
			asm.JNE.Imm(asm.R7, 0, "again"),
			asm.Return(),
		}
		for _, in := range p.Instructions {
			bare := asm.Instruction{OpCode: in.OpCode, Dst: in.Dst, Src: in.Src, Offset: in.Offset, Constant: in.Constant}
			if in.Reference() != "" {
				bare = bare.WithReference(in.Reference())
			}
			insns = append(insns, bare.WithSymbol(in.Symbol()))
		}
		p.Instructions = insns
	}
	return spec
}

// nsPerPacket loads the only program of spec and runs it.
func nsPerPacket(spec *ebpf.CollectionSpec, s sample, runs int) (float64, error) {
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		return 0, err
	}
	defer coll.Close()
	fastest := time.Duration(0)
	for _, p := range coll.Programs {
		for i := range bursts {
			opts := s.input()
			opts.Repeat = uint32(runs)
			start := time.Now()
			if _, err := p.Run(&opts); err != nil {
				return 0, err
			}
			if took := time.Since(start); i == 0 || took < fastest {
				fastest = took
			}
		}
	}
	return float64(fastest.Nanoseconds()) / float64(runs*perRun), nil
}

// emittedReport has a line a program, over all NICs, and the ends of the list.
func emittedReport(all []*timing) string {
	timed := slices.DeleteFunc(slices.Clone(all), func(t *timing) bool { return !t.timed() })
	var out strings.Builder
	var ns, nothing measure.Samples
	long, slow := 0, 0
	for _, t := range timed {
		ratio := t.ratio().Spread().Median
		ns = append(ns, ratio)
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
| pairs slower than 1.10 | %d | 0 |
| pairs with more than one instruction more | %d | 0 |

In each time is what calling a function takes; one that does nothing took %.1f ns.

`, len(all), len(timed), costRounds, ns.Spread(), slow, long, nothing.Spread().Median)

	out.WriteString("Each program over all NICs (least, median, most):\n\n" +
		"| program | NICs | instructions more | x86 bytes, ratio | ns a packet, ratio |\n|---|---|---|---|---|\n")
	for len(all) > 0 {
		n := 0
		var more, bytes, ns measure.Samples
		for ; n < len(all) && all[n].program == all[0].program; n++ {
			more, bytes = append(more, float64(all[n].more())), append(bytes, all[n].bytes())
			if all[n].timed() {
				ns = append(ns, all[n].ratio().Spread().Median)
			}
		}
		fmt.Fprintf(&out, "| `%s` | %d | %s | %s | %s |\n", all[0].program, n, ends("%+.0f", more), ends("%.2f", bytes), ends("%.2f", ns))
		all = all[n:]
	}

	slices.SortStableFunc(timed, func(a, b *timing) int {
		return cmp.Compare(a.ratio().Spread().Median, b.ratio().Spread().Median)
	})
	const shown = 6
	out.WriteString("\nThe best and the worst:\n\n| program | NIC | instructions | x86 bytes | ns a packet | ratio |\n|---|---|---|---|---|---|\n")
	for i, t := range timed {
		if i >= shown && i < len(timed)-shown {
			continue
		}
		fmt.Fprintf(&out, "| `%s` | %s | %d, by hand %d | %d, by hand %d | %.1f, by hand %.1f | %s |\n", t.program, t.nic,
			t.rewrittenSize.verified, t.byHandSize.verified, t.rewrittenSize.machineCode, t.byHandSize.machineCode,
			t.rewrittenTime.Spread().Median, t.byHandTime.Spread().Median, t.ratio().Spread())
	}
	return out.String()
}

func ends(format string, s measure.Samples) string {
	if len(s) == 0 {
		return "not timed"
	}
	return fmt.Sprintf(format+" "+format+" "+format, slices.Min(s), s.Spread().Median, slices.Max(s))
}
