package rewrite_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/internal/kernel"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
	"github.com/hintjit/hintjit/verifier/driver"
)

// A walked is a NIC on a kernel where one of its layout's walks is the way.
type walked struct {
	nic
	kernel *driver.Kernel
	types  *rewrite.Kernel
}

func (w walked) String() string { return w.layout.NIC + "." + w.kernel.Walk.Name }

// walks are all of them, each on a kernel of its own.
func walks(t testing.TB, rng *rand.Rand) []walked {
	t.Helper()
	invented, err := layouts.LoadFile(filepath.Join("testdata", "walked.yaml"))
	require.NoError(t, err)
	all := []*layouts.Layout{invented}
	for _, name := range layouts.Names() {
		all = append(all, shipped(t, name))
	}
	var out []walked
	for _, l := range all {
		for _, w := range l.Walks {
			if w.Refuse != "" {
				continue
			}
			k := driver.Random(rng, l.LeadsTo(w), w)
			types, err := rewrite.OpenKernel(typesOf(t, k, false))
			require.NoError(t, err)
			carrier, err := types.Carrier()
			require.NoError(t, err)
			k.Carriers[carrier.Type] = int64(carrier.ID)
			out = append(out, walked{nic{l, k.Descriptor}, k, types})
		}
	}
	require.NotEmpty(t, out)
	return out
}

// eachShape compiles every shape for some machines and runs a test of it over
// some walks, with the packets to try it on.
func eachShape(t *testing.T, machines []machine, test func(t *testing.T, object []byte, m machine, w walked, packets []sample)) {
	rng := chance.Rand(t)
	all := walks(t, rng)
	packets := make(map[string][]sample)
	for _, w := range all {
		packets[w.String()] = worlds(rng, w.kernel)
	}
	for _, path := range sources(t, "shapes") {
		seed := rng.Uint64()
		t.Run(shapeName(path), func(t *testing.T) {
			if why := uninterpreted[shapeName(path)]; why != "" {
				t.Skip(why)
			}
			t.Parallel()
			shuffle := rand.New(rand.NewPCG(seed, 0))
			for _, m := range machines {
				object := compile(t, path, m)
				for _, w := range few(shapeOn(path, m), all, walksPerShape) {
					tried := some(shuffle, packets[w.String()], shapeName(path))
					t.Run(m.String()+"/"+w.String(), func(t *testing.T) { test(t, object, m, w, tried) })
				}
			}
		})
	}
}

// Every shape over some walks, in both byte orders, in a driver's memory of
// chance's own making: hints are what the record says, and none is there when a
// check of the walk does not hold.
func TestShapesWalked(t *testing.T) {
	eachShape(t, []machine{runnable[2], foreign[2]}, func(t *testing.T, object []byte, m machine, w walked, packets []sample) {
		rewritten, report, err := rewrite.Object(object, rewrite.Options{Layout: w.layout, Descriptor: w.descriptor.Name, Reach: rewrite.Walk, Kernel: w.types})
		require.NoError(t, err)
		if len(report.Programs) > 0 {
			require.Equal(t, []string{w.kernel.Walk.Name}, report.Walks)
		}
		in := newInterpreter(t, rewritten, m.order())
		require.NoError(t, w.kernel.Answer(in.unit))
		interpretAll(t, in, w.nic, packets)
	})
}

// The same by portable objects, whose records are answered as a loader does: on
// each kernel they find the one way that it has. Real loaders answer them in the
// other byte order (internal/live, internal/vm).
func TestShapesPortable(t *testing.T) {
	eachShape(t, []machine{foreign[2]}, func(t *testing.T, object []byte, m machine, w walked, packets []sample) {
		rewritten, report, err := rewrite.Object(object, rewrite.Options{Layout: w.layout, Descriptor: w.descriptor.Name, Reach: rewrite.Walk})
		require.NoError(t, err)
		in := newInterpreter(t, rewritten, m.order())
		require.NoError(t, w.kernel.Answer(in.unit))
		n := w.nic
		n.descriptor = portableHints(n.descriptor, report)
		interpretAll(t, in, n, packets)
	})
}

// Without guards, and with the strictest: what the record says where the driver
// handed the packet over, and with strict nothing for a packet of another length.
func TestGuards(t *testing.T) {
	rng := chance.Rand(t)
	original := compile(t, "shapes/header.c", runnable[2])
	for _, w := range walks(t, rng) {
		for _, guard := range []rewrite.Guard{rewrite.GuardOff, rewrite.GuardBound, rewrite.GuardStrict} {
			t.Run(fmt.Sprintf("%s/%s", w, guard), func(t *testing.T) {
				rewritten, _, err := rewrite.Object(original,
					rewrite.Options{Layout: w.layout, Descriptor: w.descriptor.Name, Reach: rewrite.Walk, Kernel: w.types, Guard: guard})
				require.NoError(t, err)
				in := newInterpreter(t, rewritten, runnable[2].order())
				require.NoError(t, w.kernel.Answer(in.unit))
				told, lengths := 0, 0
				for _, s := range worlds(rng, w.kernel) {
					switch length, ok := s.hints(in.unit.Order)["pkt_len"]; {
					case guard != rewrite.GuardStrict && s.world.Unguarded():
						continue // wrong is what one gets
					case guard == rewrite.GuardStrict && ok && tellsLength(w.descriptor):
						s.world.Length, s.world.Sized = length, true
						if told++; told%2 == 1 {
							s.world.Length, s.world.Foreign = length^1<<rng.IntN(10), true
							lengths++
						}
					}
					interpretAll(t, in, w.nic, []sample{s})
				}
				require.Equal(t, guard == rewrite.GuardStrict && tellsLength(w.descriptor), lengths > 0)
			})
		}
	}
}

// tellsLength says whether a descriptor has the length of a packet in one way, and
// asks nothing beside the descriptor about it.
func tellsLength(d *layouts.Descriptor) bool {
	h := d.Hint("pkt_len")
	return h != nil && len(h.Alternatives) == 1 && !slices.ContainsFunc(h.Alternatives[0].When, func(c layouts.Condition) bool {
		return d.StateOf(c.Field.Bits[0].Word) != nil
	})
}

// An object that was made for one kernel calls, on another, a function that no
// kernel has.
func TestOtherKernel(t *testing.T) {
	rng := chance.Rand(t)
	for _, w := range walks(t, rng) {
		rewritten, _, err := rewrite.Object(compile(t, "shapes/header.c", runnable[2]),
			rewrite.Options{Layout: w.layout, Descriptor: w.descriptor.Name, Reach: rewrite.Walk, Kernel: w.types})
		require.NoError(t, err)
		in := newInterpreter(t, rewritten, runnable[2].order())
		w.kernel.Carriers[kernel.Endless]++
		require.NoError(t, w.kernel.Answer(in.unit))
		_, err = in.run("header", worlds(rng, w.kernel)[0])
		require.ErrorContains(t, err, "hintjit_rewritten_for_another_kernel", "%s", w)
	}
}

// portableHints leaves of a descriptor what a portable object says it gives.
func portableHints(d *layouts.Descriptor, r *rewrite.Report) *layouts.Descriptor {
	out := *d
	out.Hints = nil
	for _, name := range r.Gives {
		if h := d.Hint(name); h != nil {
			out.Hints = append(out.Hints, h)
		}
	}
	return &out
}

// The verifier here takes every shape, for the NICs whose drivers this kernel has,
// by records and bound.
func TestShapesVerified(t *testing.T) {
	needKernel(t)
	running, err := rewrite.RunningKernel()
	if err != nil {
		t.Skipf("the kernel tells nothing of its types: %v", err)
	}
	var here []*layouts.Layout
	for _, name := range layouts.Names() {
		l := shipped(t, name)
		if _, _, err := rewrite.Object(reader(t, "xdp", "GPL"), rewrite.Options{Layout: l, Descriptor: l.Descriptors[0].Name, Reach: rewrite.Walk, Kernel: running}); err == nil {
			here = append(here, l)
		}
	}
	if len(here) == 0 {
		t.Skip("the kernel has no driver that a layout walks through")
	}
	for _, path := range sources(t, "shapes") {
		t.Run(shapeName(path), func(t *testing.T) {
			t.Parallel()
			object := compile(t, path, runnable[2])
			for _, l := range here {
				for name, kernel := range map[string]*rewrite.Kernel{"portable": nil, "bound": running} {
					t.Run(l.NIC+"/"+name, func(t *testing.T) {
						rewritten, _, err := rewrite.Object(object, rewrite.Options{Layout: l, Descriptor: l.Descriptors[0].Name, Reach: rewrite.Walk, Kernel: kernel})
						require.NoError(t, err)
						spec, _ := loadSpec(t, rewritten)
						loadKernel(t, spec)
					})
				}
			}
		})
	}
}
