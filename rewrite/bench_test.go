package rewrite_test

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/measure"
	"github.com/hintjit/hintjit/internal/object"
	"github.com/hintjit/hintjit/rewrite"
	"github.com/hintjit/hintjit/verifier"
)

// A bulk is how a program of some size is divided into functions.
type bulk struct {
	name  string
	about string // in a table
	fill  func(b *builder, total int)
}

var bulks = []bulk{
	// Most code of an object has nothing to do with hints.
	{"plain", "one function without hints", func(b *builder, total int) { b.plain("plain", total) }},
	// Functions of 10,000 instructions, every fiftieth of which reads a hint.
	{"reads", "functions of 10,000, a hint every 50", func(b *builder, total int) {
		const each = 10_000
		for i := 0; total > 0; i, total = i+1, total-each {
			b.reads(fmt.Sprintf("reads%02d", i), min(total, each))
		}
	}},
	// All in one function.
	{"one", "one function, a hint every 50", func(b *builder, total int) { b.reads("reads00", total) }},
}

// BenchmarkObject is what the command does: from the bytes of an object to those
// of another.
func BenchmarkObject(b *testing.B) {
	eachSize(b, func(b *testing.B, object []byte) {
		for b.Loop() {
			_, report, err := rewrite.Object(object, rewrite.Options{NIC: "i40e", Reach: rewrite.Meta})
			if err != nil || len(report.Programs) == 0 {
				b.Fatalf("nothing was rewritten: %v", err)
			}
		}
	})
}

// BenchmarkRewriting compares with what loading the same programs takes: the
// kernel's verifier and its JIT.
func BenchmarkRewriting(b *testing.B) {
	var table strings.Builder
	fmt.Fprintln(&table, "| program | instructions | rewriting, ms | million instructions a second | on one CPU | allocated, MB | loading, ms | rewriting per loading |")
	fmt.Fprintln(&table, "|---|---|---|---|---|---|---|---|")
	for _, bulk := range bulks {
		for _, size := range []int{1_000, 10_000, 100_000, 1_000_000} {
			compareWithLoading(b, &table, bulk, size)
		}
	}
	measure.Publish(b, "rewriting", table.String())
}

func compareWithLoading(b *testing.B, table io.Writer, bulk bulk, size int) {
	object := build(b, bulk, size)
	opts := rewrite.Options{NIC: "i40e", Reach: rewrite.Meta}
	rewritten, _, err := rewrite.Object(object, opts)
	require.NoError(b, err)
	took := func(what func() error) func() (float64, error) {
		return func() (float64, error) {
			runtime.GC() // of what the one before left
			start := time.Now()
			err := what()
			return float64(time.Since(start).Microseconds()) / 1000, err
		}
	}
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(rewritten))
	require.NoError(b, err)
	load := func() error {
		coll, err := ebpf.NewCollection(spec)
		if err == nil {
			coll.Close()
		}
		return err
	}
	rewriting := func() error { _, _, err := rewrite.Object(object, opts); return err }
	contenders := []measure.Contender{
		{Name: "rewriting", Run: took(rewriting)},
		{Name: "on one CPU", Run: func() (float64, error) { // the garbage collector has no other then
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
			return took(rewriting)()
		}},
	}
	if err := load(); err == nil {
		contenders = append(contenders, measure.Contender{Name: "loading", Run: took(load)})
	} else {
		b.Logf("%s/%d: not loaded: %.200v", bulk.name, size, err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err = rewrite.Object(object, opts)
	require.NoError(b, err)
	runtime.ReadMemStats(&after)
	samples, err := measure.Interleave(3, contenders)
	require.NoError(b, err)
	ms := samples[0].Spread()
	loading, ratio := "refused", ""
	if len(samples) > 2 {
		loading, ratio = fmt.Sprintf("%.1f", samples[2].Spread().Median), samples[0].Per(samples[2]).Spread().String()
	}
	fmt.Fprintf(table, "| %s | %d | %.1f (%.1f to %.1f) | %.2f | %.2f | %.1f | %s | %s |\n", bulk.about, size, ms.Median, ms.Low, ms.High,
		float64(size)/1000/ms.Median, float64(size)/1000/samples[1].Spread().Median, float64(after.TotalAlloc-before.TotalAlloc)/1e6, loading, ratio)
}

// BenchmarkCollection is what the library does to a specification that was
// loaded before.
func BenchmarkCollection(b *testing.B) {
	eachSize(b, func(b *testing.B, object []byte) {
		spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
		require.NoError(b, err)
		for b.Loop() {
			b.StopTimer()
			fresh := spec.Copy()
			b.StartTimer()
			if _, err := rewrite.Collection(fresh, rewrite.Options{NIC: "i40e", Reach: rewrite.Meta}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkCheck is what judging a rewrite costs beside it (BenchmarkObject, which
// has both in it): the unit, and the bytes that were made of it.
func BenchmarkCheck(b *testing.B) {
	eachSize(b, func(b *testing.B, object []byte) {
		opts := rewrite.Options{NIC: "i40e", Reach: rewrite.Meta}
		unit, rules := stripped(b, object, opts)
		rewritten, _, err := rewrite.Object(object, opts)
		require.NoError(b, err)
		var check, bytes time.Duration
		for b.Loop() {
			start := time.Now()
			if err := verifier.Check(unit, rules); err != nil {
				b.Fatal(err)
			}
			checked := time.Now()
			if err := verifier.CheckObject(object, rewritten, rules.Gone); err != nil {
				b.Fatal(err)
			}
			check, bytes = check+checked.Sub(start), bytes+time.Since(checked)
		}
		b.ReportMetric(float64(check.Microseconds())/1000/float64(b.N), "ms/Check")
		b.ReportMetric(float64(bytes.Microseconds())/1000/float64(b.N), "ms/CheckObject")
	})
}

func eachSize(b *testing.B, run func(b *testing.B, object []byte)) {
	for _, bulk := range bulks {
		for _, size := range []int{1_000, 10_000, 100_000, 1_000_000} {
			b.Run(fmt.Sprintf("%s/%d", bulk.name, size), func(b *testing.B) {
				object := build(b, bulk, size)
				b.ReportAllocs()
				run(b, object)
				b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "insns/s")
			})
		}
	}
}

// build makes an object of about size instructions.
func build(b *testing.B, bulk bulk, size int) []byte {
	b.Helper()
	file, err := object.Parse(compile(b, "bench/functions.c", machine{cpu: "v3"}))
	require.NoError(b, err)
	maker := &builder{b: b, unit: file.Unit()}
	bulk.fill(maker, size)
	out, err := file.Encode(maker.unit)
	require.NoError(b, err)
	return out
}

type builder struct {
	b    *testing.B
	unit *code.Unit
}

func (m *builder) function(name string) *code.Func {
	for _, f := range m.unit.Funcs {
		if f.Name == name {
			return f
		}
	}
	require.FailNow(m.b, "no function "+name)
	return nil
}

// everyHint is how many instructions there are to one that reads a hint.
const everyHint = 50

// plain makes a function of n instructions without hints.
func (m *builder) plain(name string, n int) {
	f := m.function(name)
	body := []code.Insn{code.New(asm.Mov.Imm(asm.R0, 0))}
	m.finish(f, pad(f, body, n))
}

// reads makes a function of n instructions that reads hints from its start to
// its end, each member that it read as it was compiled in turn.
func (m *builder) reads(name string, n int) {
	f := m.function(name)
	var call code.Insn
	var loads [][]code.Insn
	for i, in := range f.Insns {
		switch {
		case in.Ref.Kind == code.RefExtern:
			call = in
		case in.CORE != nil && in.OpCode.Class() == asm.LdXClass:
			load := []code.Insn{in}
			load[0].Src = asm.R6
			for _, in := range f.Insns[i+1:] { // of a bit-field, shift and mask
				if !in.OpCode.Class().IsALU() || in.OpCode.Source() != asm.ImmSource {
					break
				}
				load = append(load, in)
			}
			for k := range load {
				load[k].Origin, load[k].Dst = -1, asm.R1
			}
			loads = append(loads, load)
		}
	}
	require.GreaterOrEqual(m.b, len(loads), 3, "%s reads hints", name)
	body := []code.Insn{
		code.New(asm.Mov.Reg(asm.R7, asm.R2)),
		call,
		code.New(asm.Mov.Reg(asm.R6, asm.R0)),
		code.New(asm.Mov.Reg(asm.R0, asm.R7)),
	}
	for i := 0; len(body) < n; i++ {
		start := len(body)
		body = append(body, loads[i%len(loads)]...)
		body = append(body, code.New(asm.Add.Reg(asm.R0, asm.R1)))
		body = pad(f, body, min(n, start+everyHint))
	}
	m.finish(f, body)
}

func (m *builder) finish(f *code.Func, body []code.Insn) {
	body[0].Line = f.LineAt(0)
	f.Insns = append(body, code.New(asm.Return()))
}

// pad adds instructions up to n, with branches and source lines as often as
// compiled code has them.
func pad(f *code.Func, body []code.Insn, n int) []code.Insn {
	line := f.LineAt(0)
	for len(body) < n {
		at := int32(len(body))
		first := code.New(asm.Mov.Reg(asm.R3, asm.R0))
		first.Line = line
		body = append(body, first,
			code.New(asm.StoreMem(asm.RFP, -8, asm.R3, asm.DWord)),
			code.New(asm.LSh.Imm(asm.R0, 3)),
			code.IfImm(asm.JGT, asm.R3, 1000, at+6),
			code.New(asm.Add.Imm(asm.R0, 7)),
			code.New(asm.Xor.Reg(asm.R0, asm.R3)),
			code.New(asm.LoadMem(asm.R4, asm.RFP, -8, asm.DWord)),
			code.New(asm.Add.Reg(asm.R0, asm.R4)))
	}
	return body
}
