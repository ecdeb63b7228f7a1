package live

import (
	"bytes"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/hintjit/hintjit/internal/measure"
	"github.com/hintjit/hintjit/rewrite"
)

const (
	// burst is how many packets a contender gets in a row, and bursts how many times in
	// its turn. The first warms the caches and does not count.
	burst, bursts = 250, 4
	// rounds is how often each has its turn.
	rounds = 41
	// turns is TURNS of testdata/bench.h.
	turns = 16
)

// hintsInOrder is what hints of testdata/asked.c adds up the first n of. For the
// first three there are kfuncs.
var hintsInOrder = []string{"rx_hash", "vlan_tci", "rx_timestamp", "rx_queue", "flow_mark", "csum_status", "pkt_len"}

// A way of getting n hints is a program that asks once, and one that asks in turns.
type way struct {
	name        string
	spec        *ebpf.CollectionSpec
	n           int
	insns, size int
	once, each  measure.Samples // ns of a question, above the empty program
}

// BenchmarkHints measures what hints cost on real packets, with a hash and a tag:
// bursts over one wire, time taken by the kernel (bpf_stats_enabled). BPF_PROG_RUN
// would not do, there is no sk_buff behind its context.
//
// Programs are loaded anew for each turn: where in memory the kernel puts one makes
// a difference of ten nanoseconds and more, which stays as long as the program, and
// looks like a result.
//
//	go test -run '^$' -bench Hints ./internal/live
func BenchmarkHints(b *testing.B) {
	w := newWire(b, setup{queues: 1, push: unix.ETH_P_8021Q, pushTCI: 100})
	kfuncs := w.twinSpec(b)
	l := attach(b, w.rx, w.device[1], loaded(b, object(b, "around"), nil).Programs["drop"], link.XDPDriverMode)
	send := (&flow{network: "udp4"}).open(b, w)
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	require.NoError(b, err)
	defer stats.Close()

	ways := []*way{{name: "none", spec: kfuncs, n: 0}}
	add := func(name string, spec *ebpf.CollectionSpec, counts ...int) {
		for _, n := range counts {
			ways = append(ways, &way{name: name, spec: spec, n: n})
		}
	}
	guarded := func(g rewrite.Guard) *ebpf.CollectionSpec {
		out, _, err := rewrite.Object(object(b, "asked"), rewrite.Options{NIC: "veth", Guard: g, Strict: true})
		require.NoError(b, err)
		return parsed(b, out)
	}
	add("kfuncs", kfuncs, 1, 2, 3)
	add("rewritten", guarded(rewrite.GuardOn), 1, 2, 3, 4, 5, 6, 7)
	bound := guarded(rewrite.GuardBound)
	w.bind(b, bound)
	add("rewritten, `--guard bound`", bound, 1, 2, 3, 4, 5, 6, 7)
	add("rewritten, `--guard strict`", guarded(rewrite.GuardStrict), 1)
	add("by hand", parsed(b, object(b, "byhand")), 1, 2, 3)

	var contenders []measure.Contender
	for _, c := range ways {
		for _, program := range []string{"bench", "turns"} {
			contenders = append(contenders, measure.Contender{Name: c.name, Run: func() (float64, error) {
				p := measured(b, w, c.spec, fmt.Sprint(program, c.n))
				defer p.Close()
				if program == "bench" {
					c.insns, c.size = sizes(b, p)
				}
				return inBursts(b, l, p, send)
			}})
		}
	}
	b.ResetTimer()
	var took []measure.Samples
	for b.Loop() {
		took, err = measure.Interleave(rounds, contenders)
		require.NoError(b, err)
	}
	for i, c := range ways {
		c.once = took[2*i].Above(took[0])
		c.each = took[2*i+1].Above(took[1])
		for k := range c.each {
			c.each[k] /= turns
		}
	}
	b.ReportMetric(0, "ns/op") // of all rounds: says nothing
	measure.Publish(b, "kfuncs", table(ways))
}

func parsed(t testing.TB, object []byte) *ebpf.CollectionSpec {
	t.Helper()
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	require.NoError(t, err)
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
	defer coll.Close()
	return coll.DetachProgram(program)
}

// sizes returns the program's instructions after verification, and bytes of machine
// code.
func sizes(b *testing.B, p *ebpf.Program) (insns, jited int) {
	info, err := p.Info()
	require.NoError(b, err)
	translated, err := info.TranslatedSize()
	require.NoError(b, err)
	size, err := info.JitedSize()
	require.NoError(b, err)
	return translated / 8, int(size)
}

// inBursts returns how long the program runs for a packet: the median of its bursts.
func inBursts(b *testing.B, l link.Link, p *ebpf.Program, send func() uint32) (float64, error) {
	if err := l.Update(p); err != nil {
		return 0, err
	}
	var took measure.Samples
	for i := range bursts {
		ns, err := oneBurst(p, send)
		if err != nil {
			return 0, err
		}
		if i > 0 {
			took = append(took, ns)
		}
	}
	require.Len(b, took, bursts-1)
	return took.Spread().Median, nil
}

// oneBurst sends a burst. A few packets may be lost where the ring is full; they
// were not run for either.
func oneBurst(p *ebpf.Program, send func() uint32) (float64, error) {
	before, err := p.Stats()
	if err != nil {
		return 0, err
	}
	for range burst {
		send()
	}
	last := before.RunCount
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(100 * time.Microsecond) {
		after, err := p.Stats()
		if err != nil {
			return 0, err
		}
		runs := after.RunCount - before.RunCount
		if runs >= burst || runs >= burst/2 && after.RunCount == last {
			return float64(after.Runtime-before.Runtime) / float64(runs), nil
		}
		last = after.RunCount
	}
	return 0, fmt.Errorf("less than half of %d packets arrived within %v", burst, patience)
}

// targets are the ratios to as many kfuncs that are aimed for.
var targets = map[int]float64{1: 1, 2: 0.8, 3: 0.6}

func table(ways []*way) string {
	kfuncs := map[int]*way{}
	var out strings.Builder
	fmt.Fprintf(&out, "Hints in this order: %s. %d rounds; ns above a program that asks nothing.\n\n"+
		"| | hints | ns, once | ns, each of %d | to as many kfuncs | aim | each more | instructions | bytes |\n|---|---|---|---|---|---|---|---|---|\n",
		strings.Join(hintsInOrder, ", "), len(ways[0].once), turns)
	for i, c := range ways[1:] {
		ratio, aim, more := "", "", ""
		switch k := kfuncs[c.n]; {
		case c.name == "kfuncs":
			kfuncs[c.n] = c
		case k != nil:
			ratio, aim = c.each.Per(k.each).Spread().String(), fmt.Sprintf("%.1f", targets[c.n])
		}
		if before := ways[i]; before.name == c.name {
			more = c.each.Above(before.each).Spread().String()
		}
		fmt.Fprintf(&out, "| %s | %d | %v | %v | %s | %s | %s | %d | %d |\n",
			c.name, c.n, c.once.Spread(), c.each.Spread(), ratio, aim, more, c.insns, c.size)
	}
	return out.String()
}
