package rewrite_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"text/template"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
)

// hintReader is a C file that reads all hints of a descriptor, vendor members
// among them: together, a few at a time, and from a copy. A program's number of
// a hint is the place of its presence bit and its value in out.
var hintReader = template.Must(template.New("").Parse(`#include "shapes.h"

struct hintjit_rx {
{{- range .Members}}
	{{.Type}} {{.Name}};
{{- end}}
{{- range .Members}}
	__u32 has_{{.Name}} : 1;
{{- end}}
} CORE;
{{range .Programs}}
SEC("xdp") int {{.Name}}(struct xdp_md *ctx)
{
{{- if .Copy}}
	struct hintjit_rx c = *hintjit_rx(ctx), *h = &c;

	ESCAPE(h);
{{- else}}
	const struct hintjit_rx *h = hintjit_rx(ctx);
{{end}}
{{- range $i, $hint := .Hints}}
	out[2 * {{$i}}] = h->has_{{$hint}}, out[2 * {{$i}} + 1] = h->{{$hint}};
{{- end}}
	return XDP_PASS;
}
{{end}}`))

// hintProgram is one program of hintReader.
type hintProgram struct {
	Name  string
	Copy  bool
	Hints []string
}

// hintPrograms divides the hints of a descriptor.
func hintPrograms(d *layouts.Descriptor) []hintProgram {
	var hints []string
	for _, h := range d.Hints {
		hints = append(hints, h.Name)
	}
	var list []hintProgram
	for i, some := range slices.Collect(slices.Chunk(hints, outWords/2)) {
		list = append(list, hintProgram{fmt.Sprintf("all%d", i), false, some},
			hintProgram{fmt.Sprintf("copy%d", i), true, some})
	}
	for i, some := range slices.Collect(slices.Chunk(hints, 4)) {
		list = append(list, hintProgram{fmt.Sprintf("few%d", i), false, some})
	}
	return list
}

// everyHintSource is the C file for a descriptor, its struct in any order.
func everyHintSource(t testing.TB, rng *rand.Rand, d *layouts.Descriptor, programs []hintProgram) string {
	type member struct{ Type, Name string }
	var members []member
	for _, h := range d.Hints {
		members = append(members, member{fmt.Sprintf("__u%d", 8*h.Decl.Bytes), h.Name})
	}
	rng.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	var text strings.Builder
	require.NoError(t, hintReader.Execute(&text, struct {
		Members  []member
		Programs []hintProgram
	}{members, programs}))
	return text.String()
}

// A hint is met and missed at least this often in a test.
const (
	descriptors = 3000
	enough      = 50
)

// manySamples are descriptors that meet and miss conditions, and for every value
// map each number that its field can be.
func manySamples(rng *rand.Rand, d *layouts.Descriptor) []sample {
	var out []sample
	for len(out) < descriptors {
		out = append(out, samples(rng, d)...)
	}
	for _, h := range d.Hints {
		for _, a := range h.Alternatives {
			if a.Map == nil {
				continue
			}
			values := slices.Sorted(maps.Keys(a.Map.Values))
			for v := range uint64(1) << min(a.From.Width(), 11) {
				if _, mapped := a.Map.Values[v]; !mapped {
					values = append(values, v)
				}
			}
			for _, v := range values {
				out = append(out, sample{meta: holding(rng, d, h, a, v), packet: randomBytes(rng, 64), descriptor: d})
			}
		}
	}
	return out
}

// holding makes a descriptor whose alternative a has v in its field: one of which
// no alternative before it holds, if chance gives one soon.
func holding(rng *rand.Rand, d *layouts.Descriptor, h *layouts.Hint, a layouts.Alternative, v uint64) (desc []byte) {
	for range 16 {
		desc = met(rng, d, a)
		setField(d, desc, a.From, v)
		if got, ok := d.Decode(desc, binary.LittleEndian)[h.Name]; !ok || got == a.Map.Values[v] {
			return desc
		}
	}
	return desc
}

// Every hint of every descriptor, the vendors' own too: what a rewritten program
// reads in the kernel is what the layout's decoder says.
func TestEveryHint(t *testing.T) {
	rng := chance.Rand(t)
	for _, n := range nics(t) {
		many := manySamples(rng, n.descriptor)
		programs := hintPrograms(n.descriptor)
		source := everyHintSource(t, rng, n.descriptor, programs)
		machines := slices.Concat(chance.Some(n.String(), []machine{runnable[0], runnable[2]}, 1),
			chance.Some(n.String(), []machine{foreign[0], foreign[2]}, 1))
		t.Run(n.String(), func(t *testing.T) {
			requireHits(t, n, many)
			for _, m := range machines {
				t.Run(m.String(), func(t *testing.T) {
					run, samples := runner(t, compileText(t, source, m), n, m), many
					if m.big {
						samples = many[:len(many)/10] // the interpreter is no CPU
					}
					for _, p := range programs {
						for _, s := range samples {
							w := expect(s, n, m.order())
							w.out(w.both(p.Hints...)...)
							compare(t, p.Name, s, w, run(p.Name, s))
						}
					}
				})
			}
		})
	}
}

// runner rewrites an object and returns what runs its programs: the kernel, or
// the interpreter for a machine that is not here.
func runner(t *testing.T, object []byte, n nic, m machine) func(program string, s sample) outcome {
	t.Helper()
	return runnerOf(t, object, n, m, false)
}

// runnerOf is runner for programs that, being random, may be more than the
// kernel wants to verify; those are interpreted.
func runnerOf(t *testing.T, object []byte, n nic, m machine, large bool) func(program string, s sample) outcome {
	t.Helper()
	rewritten, _, err := rewrite.Object(object, n.options())
	require.NoError(t, err)
	interpreted := func() func(string, sample) outcome {
		in := newInterpreter(t, rewritten, m.order())
		return func(program string, s sample) outcome {
			o, err := in.run(program, s)
			require.NoError(t, err, "program %s, metadata %x", program, s.meta)
			return o
		}
	}
	if m.big {
		return interpreted()
	}
	needKernel(t)
	spec, _ := loadSpec(t, rewritten)
	coll, err := ebpf.NewCollection(spec)
	if large && errors.Is(err, syscall.E2BIG) {
		t.Log("more than a million instructions to verify: interpreted") // random programs have loops in loops
		return interpreted()
	}
	if coll == nil {
		coll = loadKernel(t, spec) // which tells why not
	}
	t.Cleanup(coll.Close)
	return func(program string, s sample) outcome { return run(t, coll, program, s) }
}

// requireHits counts how often each hint is there, and how many values it has.
func requireHits(t *testing.T, n nic, many []sample) {
	t.Helper()
	present := make(map[string]int)
	values := make(map[string]map[uint64]bool)
	for _, s := range many {
		for name, v := range s.hints(binary.LittleEndian) {
			present[name]++
			if values[name] == nil {
				values[name] = make(map[uint64]bool)
			}
			values[name][v] = true
		}
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%-16s %8s %8s %8s\n", n, "present", "absent", "values")
	for _, h := range n.descriptor.Hints {
		fmt.Fprintf(&table, "%-16s %8d %8d %8d\n", h.Name, present[h.Name], len(many)-present[h.Name], len(values[h.Name]))
		require.GreaterOrEqual(t, present[h.Name], enough, "%s: %s present", n, h.Name)
		require.GreaterOrEqual(t, len(many)-present[h.Name], enough, "%s: %s absent", n, h.Name)
		for _, a := range h.Alternatives {
			if a.Map != nil && len(a.Convert) == 0 {
				for _, v := range slices.Sorted(maps.Values(a.Map.Values)) {
					require.Contains(t, values[h.Name], v, "%s: %s never has a value of map %s", n, h.Name, a.Map.Name)
				}
			}
		}
	}
	t.Logf("hits in %d descriptors\n%s", len(many), &table)
}
