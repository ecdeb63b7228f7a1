package rewrite_test

import (
	"fmt"
	"time"
	"testing"

	"github.com/stretchr/testify/require"

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
	rng := random(t)
	for _, n := range nics(t) {
		source := everyHintSource(t, rng, n.descriptor, hintPrograms(n.descriptor))
		t.Run(n.String(), func(t *testing.T) {
			for _, m := range []machine{runnable[0], runnable[2], foreign[0], foreign[2]} {
				t.Run(m.String(), func(t *testing.T) {
					for _, r := range proveObject(t, compileText(t, source, m), n) {
						require.True(t, r.Proved, "%v\n%+v", r, r.Counterexample)
					}
				})
			}
		})
	}
}

// The shapes, for a NIC with little-endian words and one with big-endian ones: what
// is proved, and what stands in the way of the others. -update rewrites the list.
func TestShapesProved(t *testing.T) {
	for _, path := range sources(t, "shapes") {
		for _, n := range nics(t) {
			if n.String() != "i40e.wb16" {
				continue
			}
			start := time.Now()
			for _, r := range proveObject(t, compile(t, path, runnable[2]), n) {
				fmt.Println(time.Since(start).Round(time.Millisecond), r)
			}
		}
	}
}

// Every hint over every walk, on a kernel whose members lie anywhere, for all that
// can be in a driver's memory.
func TestEveryHintWalkedProved(t *testing.T) {
	rng := random(t)
	for _, w := range walks(t, rng) {
		source := everyHintSource(t, rng, w.descriptor, hintPrograms(w.descriptor))
		t.Run(w.String(), func(t *testing.T) {
			for _, m := range []machine{runnable[2], foreign[2]} {
				for _, guard := range []rewrite.Guard{rewrite.GuardOn, rewrite.GuardOff} {
					t.Run(fmt.Sprint(m, "/", guard), func(t *testing.T) {
						object := compileText(t, source, m)
						rewritten, _, err := rewrite.Object(object, rewrite.Options{Layout: w.layout, Reach: rewrite.Walk, Kernel: w.types, Guard: guard})
						if w.layout.NIC == "walked" && err != nil {
							t.Skip(err) // it has more states than a program can keep at once
						}
						require.NoError(t, err)
						for _, r := range proveWalk(t, object, rewritten, w, guard) {
							require.True(t, r.Proved, "%v\n%+v", r, r.Counterexample)
						}
					})
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
	results, err := prove.Rewrite(before, after, prove.Meaning{Descriptor: w.descriptor, Kernel: w.kernel, Guarded: guard != rewrite.GuardOff}, prove.Limits{})
	require.NoError(t, err)
	return results
}
