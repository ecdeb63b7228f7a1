package rewrite_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/bpf"
	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/internal/object"
	"github.com/hintjit/hintjit/layouts"
	"github.com/hintjit/hintjit/rewrite"
)

// Only the programs that were asked for change, those of a section when one is
// named, by both entries.
func TestOnlySomePrograms(t *testing.T) {
	n := nics(t)[0]
	for _, test := range []struct {
		name     string
		programs []string
		changed  []string
		answered []string // called functions of which only the CO-RE records go
	}{
		{"by name", []string{"many_first"}, []string{"many_first"}, []string{"with_hints"}},
		{"by section", []string{"xdp.frags"}, []string{"many_frags"}, []string{"with_hints"}},
		{"both", []string{"many_replace", "xdp.frags"}, []string{"many_replace", "many_frags"}, []string{"with_hints"}},
		{"with a function it calls", []string{"many_third"}, []string{"many_third", "replaceable"}, []string{"with_hints"}},
		{"without hints", []string{"many_plain"}, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			opts := n.options()
			opts.Programs = test.programs
			for _, m := range slices.Concat(runnable, foreign) {
				original := compile(t, "shapes/many_programs.c", m)
				rewritten, report, err := rewrite.Object(original, opts)
				require.NoError(t, err)
				require.ElementsMatch(t, slices.Concat(test.changed, test.answered), changedFuncs(t, original, rewritten), "%s", m)
				require.ElementsMatch(t, test.changed, reported(report), "%s", m)

				spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(original))
				require.NoError(t, err)
				report, err = rewrite.Collection(spec, opts)
				require.NoError(t, err)
				require.ElementsMatch(t, test.changed, reported(report), "%s", m)
				fromObject, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(rewritten))
				require.NoError(t, err)
				require.Equal(t, instructions(t, fromObject, m), instructions(t, spec, m), "%s", m)
			}
		})
	}
}

// changedFuncs names the functions with other instructions or without their
// records. None of them calls hintjit_rx any more, all others do as before.
func changedFuncs(t *testing.T, before, after []byte) (names []string) {
	t.Helper()
	a, b := functions(t, before), functions(t, after)
	require.ElementsMatch(t, slices.Collect(maps.Keys(a)), slices.Collect(maps.Keys(b)))
	for name, f := range a {
		if !slices.Equal(f, b[name]) {
			names = append(names, name)
			require.NotContains(t, b[name], "hintjit_rx", "function %s", name)
		}
	}
	return names
}

// functions is the code of each function of an object: every instruction, where
// it branches and which extern it calls.
func functions(t *testing.T, raw []byte) map[string][]string {
	t.Helper()
	file, err := object.Parse(raw)
	require.NoError(t, err)
	unit := file.Unit()
	out := make(map[string][]string)
	for _, f := range unit.Funcs {
		for i := range f.Insns {
			in := &f.Insns[i]
			line := fmt.Sprint(in.OpCode, in.Dst, in.Src, in.Offset, in.Constant, in.Target, in.CORE != nil)
			switch in.Ref.Kind {
			case code.RefExtern:
				line = unit.Externs[in.Ref.Index].Name
			case code.RefFunc: // which may stand elsewhere now
				line = unit.Funcs[in.Ref.Index].Name
			}
			out[f.Name] = append(out[f.Name], line)
		}
	}
	return out
}

func reported(r *rewrite.Report) (names []string) {
	for _, p := range r.Programs {
		names = append(names, p.Name)
	}
	return names
}

// What can not be asked for is the fault of the request, and nothing changes.
func TestWrongOptions(t *testing.T) {
	m := machine{cpu: "v3"}
	original := compile(t, "shapes/many_programs.c", m)
	n := nics(t)[0]
	for _, test := range []struct {
		name   string
		change func(*rewrite.Options)
		want   []string // words of the message
	}{
		{"program", func(o *rewrite.Options) { o.Programs = []string{"many_first", "many_frist"} }, []string{`"many_frist"`}},
		{"descriptor", func(o *rewrite.Options) { o.Descriptor = "half" }, []string{`"half"`, "full"}},
		{"nic", func(o *rewrite.Options) { o.Layout, o.NIC = nil, "i04e" }, []string{"i04e", "i40e"}},
		{"no nic", func(o *rewrite.Options) { o.Layout = nil }, []string{"i40e", "ice", "mlx5_core"}},
		{"reach", func(o *rewrite.Options) { o.Reach = "run" }, []string{`"run"`, "meta"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			opts := n.options()
			test.change(&opts)
			spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(original))
			require.NoError(t, err)
			before := instructions(t, spec, m)
			_, _, objectErr := rewrite.Object(original, opts)
			_, collectionErr := rewrite.Collection(spec, opts)
			for _, err := range []error{objectErr, collectionErr} {
				var usage *rewrite.UsageError
				require.ErrorAs(t, err, &usage)
				for _, word := range test.want {
					require.Contains(t, err.Error(), word)
				}
			}
			require.Equal(t, before, instructions(t, spec, m))
		})
	}
}

// The descriptor that is asked for is the one that is read: the two of i40e
// differ in where flow_mark is.
func TestDescriptorOption(t *testing.T) {
	m := machine{cpu: "v3"}
	original := compile(t, "shapes/header.c", m)
	objects := make(map[string][]byte)
	for _, n := range nics(t) {
		if n.layout.NIC != "i40e" {
			continue
		}
		opts := rewrite.Options{NIC: "i40e", Reach: rewrite.Meta, Descriptor: n.descriptor.Name}
		rewritten, report, err := rewrite.Object(original, opts)
		require.NoError(t, err)
		require.Equal(t, n.descriptor.Name, report.Descriptor)
		objects[n.descriptor.Name] = rewritten
		if n.descriptor == n.layout.Descriptors[0] {
			opts.Descriptor = ""
			byDefault, report, err := rewrite.Object(original, opts)
			require.NoError(t, err)
			require.Equal(t, n.descriptor.Name, report.Descriptor)
			require.Equal(t, rewritten, byDefault)
		}
	}
	require.Len(t, objects, 2)
	require.NotEqual(t, objects["wb16"], objects["wb32"])
}

// With Strict a warning is an error, whichever it is, and nothing else changes.
func TestStrict(t *testing.T) {
	n := nics(t)[0]
	for path, word := range map[string]string{"shapes/unknown_member.c": "rx_hsah", "shapes/no_hints.c": "nothing to rewrite"} {
		for _, m := range []machine{{cpu: "v3"}, {"v3", true}} {
			original := compile(t, path, m)
			opts := n.options()
			_, report, err := rewrite.Object(original, opts)
			require.NoError(t, err)
			require.NotEmpty(t, report.Warnings)
			require.Contains(t, report.Warnings[0], word)

			opts.Strict = true
			spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(original))
			require.NoError(t, err)
			before := instructions(t, spec, m)
			_, _, objectErr := rewrite.Object(original, opts)
			_, collectionErr := rewrite.Collection(spec, opts)
			for _, err := range []error{objectErr, collectionErr} {
				var unsupported *rewrite.UnsupportedError
				require.ErrorAs(t, err, &unsupported)
				require.Contains(t, err.Error(), word)
			}
			require.Equal(t, before, instructions(t, spec, m))
		}
	}
	opts := n.options()
	original := compile(t, "shapes/header.c", machine{cpu: "v3"})
	relaxed, _, err := rewrite.Object(original, opts)
	require.NoError(t, err)
	opts.Strict = true
	strict, _, err := rewrite.Object(original, opts)
	require.NoError(t, err)
	require.Equal(t, relaxed, strict)
}

// The same object gives the same bytes and the same report, always: no order of
// a Go map shows. Twenty times, for one that shows half of the time.
func TestDeterminism(t *testing.T) {
	for _, path := range sources(t, "shapes") {
		t.Run(shapeName(path), func(t *testing.T) {
			t.Parallel()
			original := compile(t, path, machine{cpu: "v3"})
			kept := bytes.Clone(original)
			for _, n := range nics(t)[:2] {
				first, report, err := rewrite.Object(original, n.options())
				require.NoError(t, err)
				said := diffs(t, report)
				for range 20 {
					again, report, err := rewrite.Object(original, n.options())
					require.NoError(t, err)
					require.True(t, bytes.Equal(first, again), "%s: another object", n)
					require.Equal(t, said, diffs(t, report), "%s", n)
				}
			}
			require.True(t, bytes.Equal(kept, original), "the input changed")
		})
	}
}

// diffs is all that a report says.
func diffs(t *testing.T, r *rewrite.Report) []string {
	t.Helper()
	said := slices.Clone(r.Warnings)
	for _, p := range r.Programs {
		var text bytes.Buffer
		require.NoError(t, p.Diff(&text))
		said = append(said, p.Name, text.String())
		said = append(said, p.Hints...)
		for _, a := range p.Absent {
			said = append(said, a.Hint, a.Why)
		}
	}
	return said
}

// The report tells of every hint that the NIC gives or never gives, also of those
// that no program reads.
func TestReportOfNIC(t *testing.T) {
	object, err := bpf.Example("ptype_count", binary.LittleEndian)
	require.NoError(t, err)
	_, report, err := rewrite.Object(object, rewrite.Options{NIC: "i40e"})
	require.NoError(t, err)
	require.Contains(t, report.Gives, "rx_hash")
	require.Contains(t, report.Gives, "fdir_match")
	require.Contains(t, report.Never, rewrite.Absent{Hint: "csum", Why: "this NIC verifies checksums and reports no sum"})
	told := len(report.Never)
	for _, hint := range report.Gives {
		if slices.ContainsFunc(layouts.StandardHints, func(s layouts.Standard) bool { return s.Name == hint }) {
			told++
		}
	}
	require.Equal(t, len(layouts.StandardHints), told)
}
