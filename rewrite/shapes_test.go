package rewrite_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/rewrite"
)

// Every shape, for some NICs, at every CPU level, run in the kernel over
// descriptors that meet and miss each condition: it does what its model says.
func TestShapes(t *testing.T) {
	needKernel(t)
	rng := chance.Rand(t)
	all := nics(t)
	packets := make(map[string][]sample)
	for _, n := range all {
		packets[n.String()] = samples(rng, n.descriptor)
	}
	for _, path := range sources(t, "shapes") {
		t.Run(shapeName(path), func(t *testing.T) {
			t.Parallel()
			for _, m := range runnable {
				object := compile(t, path, m)
				for _, n := range few(shapeOn(path, m), all, nicsPerShape) {
					t.Run(m.String()+"/"+n.String(), func(t *testing.T) {
						runShape(t, object, n, packets[n.String()])
					})
				}
			}
		})
	}
}

// runShape rewrites an object and runs all of its programs.
func runShape(t *testing.T, object []byte, n nic, packets []sample) {
	rewritten, _, err := rewrite.Object(object, n.options())
	require.NoError(t, err)
	spec, _ := loadSpec(t, rewritten)
	programs := slices.Sorted(maps.Keys(spec.Programs))
	coll := loadKernel(t, spec)
	for _, program := range programs {
		model := models[program]
		require.NotNil(t, model, "program %s has no model", program)
		for _, s := range packets {
			w := expect(s, n, binary.LittleEndian)
			model(w)
			compare(t, program, s, w, run(t, coll, program, s))
		}
	}
}

// expect is what a program that does nothing leaves behind.
func expect(s sample, n nic, order binary.ByteOrder) *want {
	given := make(map[string]bool)
	for _, h := range n.descriptor.Hints {
		given[h.Name] = true
	}
	return &want{
		outcome: outcome{Ret: xdpPass, Meta: bytes.Clone(s.meta), Packet: bytes.Clone(s.packet)},
		order:   order,
		hints:   s.hints(order),
		given:   given,
	}
}

// compare ends a test at the first packet with which a program did not do what
// its model says.
func compare(t *testing.T, program string, s sample, w *want, got outcome) {
	t.Helper()
	if differences := got.differ(w.outcome); differences != nil {
		t.Fatalf("program %s:\n  %s\nmetadata %x\npacket %x\nhints %v", program,
			strings.Join(differences, "\n  "), s.meta, s.packet, w.hints)
	}
}

// differ says what is not as wanted. A map that the model does not name may hold
// anything.
func (o outcome) differ(want outcome) []string {
	var list []string
	add := func(what string, got, want any) {
		if !reflect.DeepEqual(got, want) {
			list = append(list, fmt.Sprintf("%s is %#x, want %#x", what, got, want))
		}
	}
	add("return code", o.Ret, want.Ret)
	for i := range max(len(o.Out), len(want.Out)) {
		add(fmt.Sprintf("out[%d]", i), word(o.Out, i), word(want.Out, i))
	}
	add("metadata", string(o.Meta), string(want.Meta))
	add("packet", string(o.Packet), string(want.Packet))
	if want.Copies != nil {
		add("map copies", o.Copies, want.Copies)
	}
	add("events", o.Events, want.Events)
	return list
}

func word(words []uint64, i int) uint64 {
	if i < len(words) {
		return words[i]
	}
	return 0
}

func shapeName(path string) string {
	return strings.TrimSuffix(filepath.Base(path), ".c")
}

// The library's way gives the instructions that the command's way gives.
func TestCollectionEqualsObject(t *testing.T) {
	for _, path := range sources(t, "shapes") {
		t.Run(shapeName(path), func(t *testing.T) {
			t.Parallel()
			for _, m := range slices.Concat(runnable, foreign) {
				object := compile(t, path, m)
				picked := few(shapeOn(path, m), nics(t), nicsPerShape/2)
				t.Log(m, picked)
				for _, n := range picked {
					rewritten, _, err := rewrite.Object(object, n.options())
					require.NoError(t, err, "%s %s", m, n)
					fromObject, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(rewritten))
					require.NoError(t, err, "%s %s", m, n)

					fromLibrary, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
					require.NoError(t, err, "%s %s", m, n)
					_, err = rewrite.Collection(fromLibrary, n.options())
					require.NoError(t, err, "%s %s", m, n)

					require.ElementsMatch(t, slices.Collect(maps.Keys(fromObject.Programs)),
						slices.Collect(maps.Keys(fromLibrary.Programs)))
					for name, p := range fromObject.Programs {
						want := listing(t, p.Instructions, m.order())
						got := listing(t, fromLibrary.Programs[name].Instructions, m.order())
						require.Equal(t, want, got, "%s %s: program %s", m, n, name)
					}
				}
			}
		})
	}
}

// listing is the bytes of each instruction as a loader would send it, with the
// name of what it refers to. Marshal is what turns symbolic calls and jumps into
// distances.
func listing(t *testing.T, insns asm.Instructions, order binary.ByteOrder) []string {
	t.Helper()
	insns = slices.Clone(insns)
	var buf bytes.Buffer
	require.NoError(t, insns.Marshal(&buf, order))
	var out []string
	for _, ins := range insns {
		raw := buf.Next(int(ins.Size()))
		ref := ""
		if ins.OpCode.IsDWordLoad() {
			ref = ins.Reference()
		}
		out = append(out, strings.TrimSpace(fmt.Sprintf("%v %x %s", ins, raw, ref)))
	}
	return out
}
