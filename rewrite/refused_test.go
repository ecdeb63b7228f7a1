package rewrite_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/rewrite"
)

// refusal is the comment in testdata/refused that marks the line which stands in
// the way, with a word that the message must have. A declaration has no line in
// BTF: there the message names the struct.
var refusal = regexp.MustCompile(`/\* (refused|refused declaration): *(.*?) *\*/`)

// Programs that use the pointer in a way that can not work are refused by both
// entries, with the program's name, the source line and a way out.
func TestRefused(t *testing.T) {
	for _, path := range sources(t, "refused") {
		t.Run(shapeName(path), func(t *testing.T) {
			t.Parallel()
			where, word := refusedPlace(t, path)
			for _, m := range slices.Concat(runnable, foreign) {
				object := compile(t, path, m)
				n := nics(t)[0]
				_, _, err := rewrite.Object(object, n.options())
				requireRefused(t, err, where, word, m)

				spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
				require.NoError(t, err)
				before := instructions(t, spec, m)
				_, err = rewrite.Collection(spec, n.options())
				requireRefused(t, err, where, word, m)
				require.Equal(t, before, instructions(t, spec, m), "the spec of a refused program changed")
			}
		})
	}
}

// refusedPlace finds the mark in a file: what a message says of the place, and
// the word.
func refusedPlace(t *testing.T, path string) (where, word string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", path))
	require.NoError(t, err)
	for i, l := range strings.Split(string(text), "\n") {
		if m := refusal.FindStringSubmatch(l); m != nil {
			require.Empty(t, where, "%s: more than one line is marked", path)
			where, word = fmt.Sprintf("%s:%d: program ", filepath.Base(path), i+1), m[2]
			if m[1] == "refused declaration" {
				where = "struct hintjit_rx"
			}
		}
	}
	require.NotEmpty(t, where, "%s: no line is marked", path)
	return where, word
}

func requireRefused(t *testing.T, err error, where, word string, m machine) {
	t.Helper()
	var refused *rewrite.UnsupportedError
	require.ErrorAs(t, err, &refused, "%s", m)
	require.Contains(t, err.Error(), where, "%s", m)
	require.Contains(t, err.Error(), word, "%s", m)
	require.NotEmpty(t, refused.Help, "%s: no way out of: %v", m, err)
}

// instructions is what all programs of a spec consist of.
func instructions(t *testing.T, spec *ebpf.CollectionSpec, m machine) map[string][]string {
	t.Helper()
	all := make(map[string][]string)
	for name, p := range spec.Programs {
		all[name] = listing(t, p.Instructions, m.order())
	}
	return all
}

// An object without hints comes out byte for byte the same.
func TestNoHints(t *testing.T) {
	for _, m := range slices.Concat(runnable, foreign) {
		object := compile(t, "shapes/no_hints.c", m)
		for _, n := range nics(t) {
			rewritten, report, err := rewrite.Object(object, n.options())
			require.NoError(t, err)
			require.Equal(t, object, rewritten, "%s %s", m, n)
			require.Empty(t, report.Programs)
		}
	}
}

// Programs and functions without hints come out as they are, beside others that
// do not.
func TestProgramsWithoutHints(t *testing.T) {
	for _, m := range slices.Concat(runnable, foreign) {
		object := compile(t, "shapes/many_programs.c", m)
		before, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
		require.NoError(t, err)
		for _, n := range nics(t) {
			rewritten, report, err := rewrite.Object(object, n.options())
			require.NoError(t, err)
			after, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(rewritten))
			require.NoError(t, err)
			require.ElementsMatch(t, slices.Collect(maps.Keys(before.Programs)), slices.Collect(maps.Keys(after.Programs)))
			require.Equal(t, listing(t, before.Programs["many_plain"].Instructions, m.order()),
				listing(t, after.Programs["many_plain"].Instructions, m.order()), "%s %s", m, n)
			for _, p := range report.Programs {
				require.NotContains(t, []string{"many_plain", "without_hints"}, p.Name, "%s %s", m, n)
			}
			require.Equal(t, before.Programs["many_frags"].Flags, after.Programs["many_frags"].Flags)
			require.Equal(t, "replaceable", after.Programs["many_replace"].AttachTo)
		}
	}
}

// A program with hints that replaces another one's function loads in its place.
func TestReplacement(t *testing.T) {
	needKernel(t)
	for _, m := range runnable {
		object := compile(t, "shapes/many_programs.c", m)
		for _, n := range nics(t) {
			rewritten, _, err := rewrite.Object(object, n.options())
			require.NoError(t, err)
			spec, replacing := loadSpec(t, rewritten)
			require.Len(t, replacing, 1)
			replacing[0].AttachTarget = loadKernel(t, spec).Programs["many_third"]
			p, err := ebpf.NewProgram(replacing[0])
			if errors.Is(err, syscall.EPERM) { // the verifier's refusal is EACCES
				t.Skipf("loading a program that replaces a function: %v", err)
			}
			require.NoError(t, err, "%s %s", m, n)
			require.NoError(t, p.Close())
		}
	}
}

// The branch that a field_exists answer makes dead is gone, not only skipped.
func TestDeadBranch(t *testing.T) {
	for _, m := range slices.Concat(runnable, foreign) {
		object := compile(t, "shapes/exists_fallback.c", m)
		for _, n := range nics(t) {
			rewritten, _, err := rewrite.Object(object, n.options())
			require.NoError(t, err)
			spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(rewritten))
			require.NoError(t, err)
			for i, ins := range spec.Programs["exists_fallback"].Instructions {
				require.False(t, ins.IsBuiltinCall() && ins.Constant == 99999,
					"%s %s: instruction %d still calls the fallback", m, n, i)
			}
		}
	}
}

// A member that no layout knows is warned of by its name.
func TestUnknownMember(t *testing.T) {
	object := compile(t, "shapes/unknown_member.c", machine{cpu: "v3"})
	for _, n := range nics(t) {
		_, report, err := rewrite.Object(object, n.options())
		require.NoError(t, err)
		require.NotEmpty(t, report.Warnings)
		for _, w := range report.Warnings {
			require.Contains(t, w, "rx_hsah")
		}
	}
}
