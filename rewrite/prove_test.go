package rewrite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/rewrite"
	"github.com/hintjit/hintjit/verifier"
	"github.com/hintjit/hintjit/verifier/prove"
)

// proveObject rewrites an object and proves each of its programs.
func proveObject(t *testing.T, object []byte, n nic) []prove.Result {
	t.Helper()
	rewritten, _, err := rewrite.Object(object, n.options())
	require.NoError(t, err)
	before, err := verifier.ReadObject(object)
	require.NoError(t, err)
	after, err := verifier.ReadObject(rewritten)
	require.NoError(t, err)
	results, err := prove.Rewrite(before, after, prove.Meaning{Descriptor: n.descriptor}, prove.Limits{})
	require.NoError(t, err)
	return results
}

// Every hint of every descriptor, for all descriptors that there can be.
func TestEveryHintProved(t *testing.T) {
	rng := chance.Rand(t)
	for _, n := range nics(t) {
		source := everyHintSource(t, rng, n.descriptor, hintPrograms(n.descriptor))
		t.Run(n.String(), func(t *testing.T) {
			for _, m := range []machine{runnable[2], foreign[0]} {
				t.Run(m.String(), func(t *testing.T) {
					for _, r := range proveObject(t, compileText(t, source, m), n) {
						require.True(t, r.Proved, "%v\n%+v", r, r.Counterexample)
					}
				})
			}
		})
	}
}

// Every hint over every walk, on a kernel whose members lie anywhere, for all that
// can be in a driver's memory.
func TestEveryHintWalkedProved(t *testing.T) {
	rng := chance.Rand(t)
	for i, w := range walks(t, rng) {
		source := everyHintSource(t, rng, w.descriptor, hintPrograms(w.descriptor))
		t.Run(w.String(), func(t *testing.T) {
			// One order of bytes with guards and the other without, by turns.
			for k, guard := range []rewrite.Guard{rewrite.GuardOn, rewrite.GuardOff} {
				m := []machine{runnable[2], foreign[2]}[(i+k)%2]
				object := compileText(t, source, m)
				rewritten, _, err := rewrite.Object(object, rewrite.Options{Layout: w.layout, Reach: rewrite.Walk, Kernel: w.types, Guard: guard})
				if w.layout.NIC == "walked" && err != nil {
					t.Skip(err) // it has more states than a program can keep at once
				}
				require.NoError(t, err)
				for _, r := range proveWalk(t, object, rewritten, w, guard) {
					require.True(t, r.Proved, "%s, guard %s: %v\n%+v", m, guard, r, r.Counterexample)
				}
			}
		})
	}
}

// proveWalk proves each program of an object that was rewritten for a walk.
func proveWalk(t *testing.T, object, rewritten []byte, w walked, guard rewrite.Guard) []prove.Result {
	t.Helper()
	before, err := verifier.ReadObject(object)
	require.NoError(t, err)
	after, err := verifier.ReadObject(rewritten)
	require.NoError(t, err)
	require.NoError(t, w.kernel.Answer(after.Unit))
	results, err := prove.Rewrite(before, after,
		prove.Meaning{Descriptor: w.descriptor, Kernel: w.kernel, Guarded: guard != rewrite.GuardOff}, prove.Limits{})
	require.NoError(t, err)
	return results
}

// whereabouts matches where in a program something is: compilers move it.
var whereabouts = regexp.MustCompile(`\w+: instruction \d+( \([^)]*\))?: `)

// The examples for every NIC and every shape for one of them: which programs are
// proved, and what stands in the way of the others. testdata/proved.txt has the
// list; -update rewrites it.
func TestProved(t *testing.T) {
	all := nics(t)
	var list strings.Builder
	prove := func(object []byte, n nic) {
		for _, r := range proveObject(t, object, n) {
			says := "proved"
			if !r.Proved {
				says = whereabouts.ReplaceAllString(r.Reason, "")
			}
			fmt.Fprintf(&list, "%s %s: %s\n", r.Program, n, says)
		}
	}
	examples, err := filepath.Glob("../bpf/examples/*.el.o")
	require.NoError(t, err)
	require.NotEmpty(t, examples)
	for _, path := range examples {
		object, err := os.ReadFile(path)
		require.NoError(t, err)
		for _, n := range all {
			prove(object, n)
		}
	}
	for i, path := range sources(t, "shapes") {
		prove(compile(t, path, runnable[2]), all[i%len(all)])
	}
	golden := filepath.Join("testdata", "proved.txt")
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(list.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), list.String(), "run with -update and look at the difference")
}
