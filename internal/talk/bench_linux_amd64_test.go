package talk

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/hintjit/hintjit/internal/measure"
)

const (
	buffers    = 4096 // testdata/frame.h, as the two below
	bufferSize = 256
	headroom   = 64

	rounds = 41
	// copies of a program are loaded, and take turns: where the kernel puts a program
	// is worth nanoseconds, and stays as long as the program.
	copies = 5
)

// A condition is how program and frames meet.
type condition struct {
	name   string
	used   int // buffers
	passes int // over them, in one figure
	cold   bool
	inTurn bool // no frame is looked for before the one before it has its verdict
}

var conditions = []condition{
	{name: "warm", used: 64, passes: 256},
	{name: "cold", used: buffers, passes: 1, cold: true},
	{name: "cold, in turn", used: buffers, passes: 1, cold: true, inTurn: true},
}

// A column is a program, with the hints of a NIC or without.
type column struct {
	nic     *nic // nil: it reads no hints
	program string
}

// A table is an experiment as it is published. What the others are held against is
// the first column.
type table struct {
	title   string
	verdict uint32
	marked  bool // the packets have a mark, and no hash where there is room for one only
	columns []string
	hints   []string // each for every NIC
	// target is what the last of hints is to come to, times the first column's rate.
	target func(p *packet, c condition) string
}

var tables = []table{
	{title: "Count and drop", verdict: xdpDrop, columns: []string{"count_parse", "drop"}, hints: []string{"count_ptype"}},
	{title: "L4 balancer without state", verdict: xdpTX, columns: []string{"balance_parse"},
		hints: []string{"balance_type1", "balance_type2"}, target: double},
	{title: "L4 balancer with connections", verdict: xdpTX, columns: []string{"track_parse"},
		hints: []string{"track_type1", "track_type2"}},
	{title: "Into a tunnel", verdict: xdpTX, marked: true, columns: []string{"tunnel_parse"}, hints: []string{"tunnel_mark"}},
}

// names is what the programs are called in a table's head.
var names = map[string]string{
	"count_parse": "parsing", "count_ptype": "packet type", "drop": "drop all",
	"balance_parse": "parsing", "balance_type1": "type 1", "balance_type2": "type 2",
	"track_parse": "parsing", "track_type1": "type 1", "track_type2": "type 2",
	"tunnel_parse": "parsing", "tunnel_mark": "flow mark",
}

// double: of the talk, where the stack is deep or the packet cold.
func double(p *packet, c condition) string {
	if c.cold || p.outer != nil {
		return "2.00"
	}
	return ""
}

func (t *table) all(n []nic) []column {
	var out []column
	for _, program := range t.columns {
		out = append(out, column{program: program})
	}
	for i := range n {
		for _, program := range t.hints {
			out = append(out, column{&n[i], program})
		}
	}
	return out
}

func (c column) String() string {
	if c.nic == nil {
		return names[c.program]
	}
	return c.nic.name + " " + names[c.program]
}

// BenchmarkTalk does not repeat itself: it has rounds.
func BenchmarkTalk(b *testing.B) {
	b.ReportMetric(0, "ns/op")
	benches := map[string]*bench{}
	for _, n := range nics {
		benches[n.name] = newBench(b, n)
	}
	var out strings.Builder
	publishTouch(b, &out, benches[nics[0].name])
	for _, t := range tables {
		columns := t.all(nics)
		fmt.Fprintf(&out, "\n### %s\n\n%s", t.title, head(columns, t.target != nil))
		for i := range stacks {
			for _, c := range conditions {
				samples := t.measure(b, benches, columns, &stacks[i], c)
				fmt.Fprintf(&out, "| %s | %s |%s", stacks[i].name, c.name, cells(samples))
				if t.target != nil {
					fmt.Fprintf(&out, " %s |", t.target(&stacks[i], c))
				}
				fmt.Fprintln(&out)
			}
		}
	}
	for _, s := range benches {
		s.uncounted(b)
	}
	measure.Publish(b, "talk", out.String())
}

// uncounted fails where somebody had the kernel count and time runs meanwhile
// (BPF_ENABLE_STATS): that takes longer than the programs do.
func (s *bench) uncounted(b *testing.B) {
	for _, coll := range s.loaded {
		for name, prog := range coll.Programs {
			stats, err := prog.Stats()
			require.NoError(b, err)
			require.Zero(b, stats.RunCount, "%s: the kernel keeps statistics of programs, for whoever turned that on", name)
		}
	}
}

// publishTouch writes what one load of a frame costs.
func publishTouch(b *testing.B, out *strings.Builder, s *bench) {
	fmt.Fprint(out, "### One load of the frame\n\n| frame | none, ns | one, ns | the load, ns |\n|---|--:|--:|--:|\n")
	p := &stacks[0]
	d := s.nic.describe(p, hints{})
	for _, c := range conditions {
		s.prepare(b, p, c)
		samples, err := measure.Interleave(rounds, []measure.Contender{
			s.contender("drop", xdpDrop, d, p, c), s.contender("touch", xdpDrop, d, p, c)})
		require.NoError(b, err)
		fmt.Fprintf(out, "| %s | %.1f | %.1f | %s |\n", c.name,
			samples[0].Spread().Median, samples[1].Spread().Median, samples[1].Above(samples[0]).Spread())
	}
}

func head(columns []column, target bool) string {
	first, second := "| headers | frame |", "|---|---|"
	for _, c := range columns {
		first, second = first+" "+c.String()+" |", second+"--:|"
	}
	if target {
		first, second = first+" type 2, target |", second+"--:|"
	}
	return first + "\n" + second + "\n"
}

// cells are ns a packet, and from the second on the packet rate, that of the first
// being 1.
func cells(samples []measure.Samples) string {
	out := fmt.Sprintf(" %.1f ns |", samples[0].Spread().Median)
	for _, s := range samples[1:] {
		out += fmt.Sprintf(" %.1f ns, × %s |", s.Spread().Median, samples[0].Per(s).Spread())
	}
	return out
}

func (t *table) measure(b *testing.B, benches map[string]*bench, columns []column, p *packet, c condition) []measure.Samples {
	for _, s := range benches {
		s.prepare(b, p, c)
	}
	samples, err := measure.Interleave(rounds, t.contenders(benches, columns, p, c))
	require.NoError(b, err, "%s, %s", p.name, c.name)
	return samples
}

func (t *table) contenders(benches map[string]*bench, columns []column, p *packet, c condition) []measure.Contender {
	has := hints{ptype: true, hash: !t.marked, mark: t.marked}
	var out []measure.Contender
	for _, col := range columns {
		n := &nics[0]
		if col.nic != nil {
			n = col.nic
		}
		out = append(out, benches[n.name].contender(col.program, t.verdict, n.describe(p, has), p, c))
	}
	return out
}

// What is timed does what it should, with every condition: each program gives its
// verdict, as often as it is asked for, whether or not anybody measures.
func TestBuffers(t *testing.T) {
	benches := map[string]*bench{}
	for _, n := range nics {
		benches[n.name] = newBench(t, n)
	}
	for _, x := range tables {
		for i := range stacks {
			for _, c := range conditions {
				c.passes = 1
				for _, s := range benches {
					s.prepare(t, &stacks[i], c)
				}
				for _, contender := range x.contenders(benches, x.all(nics), &stacks[i], c) {
					_, err := contender.Run()
					require.NoError(t, err, "%s: %s, %s", contender.Name, stacks[i].name, c.name)
				}
			}
		}
	}
	for _, s := range benches {
		for buffer := range slices.Chunk(s.memory, bufferSize) {
			frame := buffer[headroom:]
			require.Equal(t, stacks[len(stacks)-1].frame[12:], frame[12:len(stacks[len(stacks)-1].frame)])
			require.Equal(t, []byte{10, 1, 0, tunnelTo}, buffer[headroom-8:headroom-4], "the last experiment's tunnel")
		}
	}
}

// A bench is a NIC's programs, loaded several times, and the buffers that they all
// take frames from.
type bench struct {
	nic    nic
	loaded []*ebpf.Collection
	memory []byte
}

func newBench(b testing.TB, n nic) *bench {
	compiled := object(b, n)
	s := &bench{nic: n, loaded: []*ebpf.Collection{load(b, n, compiled, nil)}}
	shared := maps.Clone(s.loaded[0].Maps)
	maps.DeleteFunc(shared, func(name string, _ *ebpf.Map) bool { return strings.HasPrefix(name, ".rodata") })
	for len(s.loaded) < copies {
		s.loaded = append(s.loaded, load(b, n, compiled, shared))
	}
	configure(b, s.loaded[0])
	memory, err := unix.Mmap(shared["buffers"].FD(), 0, buffers*bufferSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, unix.Munmap(memory)) })
	require.Zero(b, uintptr(unsafe.Pointer(&memory[0]))%Line)
	s.memory = memory
	return s
}

// prepare puts the same packet into all buffers: tables and branches are warm then,
// and what differs is where the frame is.
func (s *bench) prepare(b testing.TB, p *packet, c condition) {
	for buffer := range slices.Chunk(s.memory, bufferSize) {
		copy(buffer[headroom:], p.frame)
	}
	inTurn := uint32(0)
	if c.inTurn {
		inTurn = 1
	}
	for name, value := range map[string]uint32{
		"last": uint32(c.used - 1), "length": uint32(len(p.frame)), "in_turn": inTurn, "runs": uint32(c.used * c.passes),
	} {
		require.NoError(b, s.loaded[0].Variables[name].Set(value))
	}
}

var errInterrupted = errors.New("interrupted each time")

// contender times a program; each figure is of the next of its copies.
func (s *bench) contender(program string, verdict uint32, descriptor []byte, p *packet, c condition) measure.Contender {
	turn := 0
	opts := arrival(descriptor, p.frame)
	opts.Repeat = uint32(c.used * c.passes)
	return measure.Contender{Name: s.nic.name + " " + program, Run: func() (float64, error) {
		turn++
		prog := s.loaded[turn%copies].Programs[program]
		for range 10 {
			ns, err := s.time(prog, opts, verdict, c)
			if !errors.Is(err, errInterrupted) {
				return ns, err
			}
		}
		return 0, errInterrupted
	}}
}

// time runs a program over its buffers and returns ns a packet. An interrupted run
// starts again, over frames that are not cold any more; the programs' own count tells.
func (s *bench) time(prog *ebpf.Program, opts *ebpf.RunOptions, verdict uint32, c condition) (float64, error) {
	vars := s.loaded[0].Variables
	if err := vars["turn"].Set(uint32(0)); err != nil {
		return 0, err
	}
	if c.cold {
		Flush(s.memory)
	}
	got, err := prog.Run(opts)
	if err != nil {
		return 0, err
	}
	if got != verdict {
		return 0, fmt.Errorf("verdict %d, not %d", got, verdict)
	}
	var runs uint32
	var started, ended uint64
	if err := errors.Join(vars["turn"].Get(&runs), vars["started"].Get(&started), vars["ended"].Get(&ended)); err != nil {
		return 0, err
	}
	if runs != opts.Repeat {
		return 0, errInterrupted
	}
	return float64(ended-started) / float64(runs), nil
}
