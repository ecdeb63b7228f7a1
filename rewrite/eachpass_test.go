package rewrite_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/rewrite"
	"github.com/hintjit/hintjit/verifier"
)

// unfinished is what may not hold yet after a pass, by invariant: hintjit_rx is
// called until lower, and what lower makes unreachable is taken out by clean. All
// else holds after every pass.
var unfinished = map[string][]string{
	"registers": {"removed extern"},
	"declare":   {"removed extern"},
	"select":    {"removed extern"},
	"relocate":  {"removed extern"},
	"touch":     {"removed extern"},
	"fold":      {"removed extern"},
	"plan":      {"removed extern"},
	"lower":     {"reachable code"},
	"clean":     nil,
	"strip":     nil,
}

// shortOfStack are the invariants that a program may break by itself.
var shortOfStack = []string{verifier.ChainStack, verifier.OldChainStack, verifier.TailCallStack}

// brokenPass says after which pass a unit breaks a rule.
type brokenPass struct {
	pass string
	vs   verifier.Violations
}

func (e *brokenPass) Error() string { return fmt.Sprintf("after pass %s: %v", e.pass, e.vs) }

// checkPasses rewrites and checks after each pass. plant may spoil what it left.
func checkPasses(object []byte, opts rewrite.Options, plant func(pass string, u *code.Unit)) error {
	return rewrite.EachPass(object, opts, func(pass string, u *code.Unit, rules verifier.Options) error {
		if plant != nil {
			plant(pass, u)
		}
		var vs verifier.Violations
		if !errors.As(verifier.Check(u, rules), &vs) {
			return nil
		}
		vs = slices.DeleteFunc(vs, func(v verifier.Violation) bool {
			return slices.Contains(unfinished[pass], v.Invariant) || slices.Contains(shortOfStack, v.Invariant)
		})
		if len(vs) == 0 {
			return nil
		}
		return &brokenPass{pass, vs}
	})
}

// A way is a NIC and how its descriptor is reached.
type way struct {
	name string
	opts rewrite.Options
}

func (w way) String() string { return w.name }

// each rewrites an object each of these ways; and the whole way, for the object's
// check.
func each(t *testing.T, object []byte, ways []way) {
	t.Helper()
	t.Log(ways)
	for _, w := range ways {
		err := checkPasses(object, w.opts, nil)
		var broken *brokenPass
		require.False(t, errors.As(err, &broken), "%v: %v", w, err)
		if err != nil {
			continue // other tests know why
		}
		if _, _, err := rewrite.Object(object, w.opts); err != nil {
			require.NotContains(t, err.Error(), "fault of hintjit")
		}
	}
}

// reaches are all NICs by all reaches, and the ways to walk.
func reaches(t *testing.T) (out []way) {
	for _, n := range nics(t) {
		out = append(out, way{n.String(), n.options()})
	}
	for _, w := range walks(t, chance.Rand(t)) {
		for _, guard := range []rewrite.Guard{rewrite.GuardOn, rewrite.GuardBound, rewrite.GuardOff, rewrite.GuardStrict} {
			out = append(out, way{fmt.Sprintf("%s, guard %s", w, guard),
				rewrite.Options{Layout: w.layout, Descriptor: w.descriptor.Name, Reach: rewrite.Walk, Kernel: w.types, Guard: guard}})
		}
		out = append(out, way{w.String() + ", portable", rewrite.Options{Layout: w.layout, Descriptor: w.descriptor.Name, Reach: rewrite.Walk}})
	}
	return out
}

// So many ways are tried with each shape and each example: with all of them it takes
// minutes.
const (
	waysPerShape   = 3
	waysPerExample = 80
)

// The unit keeps the rules after every pass, whatever the program, the NIC and the
// reach.
func TestEachPass(t *testing.T) {
	rng := chance.Rand(t)
	all := reaches(t)
	for _, path := range sources(t, "shapes") {
		m := slices.Concat(runnable, foreign)[rng.IntN(8)]
		ways := chance.Some(fmt.Sprint(rng.Uint64()), all, waysPerShape) // others in each run
		t.Run(shapeName(path), func(t *testing.T) {
			t.Parallel()
			each(t, compile(t, path, m), ways)
		})
	}
	examples, err := filepath.Glob("../bpf/examples/*.o")
	require.NoError(t, err)
	require.NotEmpty(t, examples)
	for _, path := range examples {
		t.Run(filepath.Base(path), func(t *testing.T) {
			each(t, readFile(t, path), chance.Some(filepath.Base(path), all, waysPerExample))
		})
	}
}

// The same for programs that nobody thought of.
func TestEachPassRandomly(t *testing.T) {
	rng := chance.Rand(t)
	all := reaches(t)
	descriptors := nics(t)
	for range 3 {
		n := descriptors[rng.IntN(len(descriptors))]
		file := generate(rng, n, samples(rng, n.descriptor), programsPerFile)
		m := slices.Concat(runnable, foreign)[rng.IntN(8)]
		object := compileText(t, file.text, m)
		for _, w := range append(chance.Some(n.String(), all, 4), way{n.String(), n.options()}) {
			err := checkPasses(object, w.opts, nil)
			var broken *brokenPass
			require.False(t, errors.As(err, &broken), "%s: %v\n%s", w, err, file.text)
		}
	}
}

// A fault is found after the pass that made it.
func TestEachPassFindsFaults(t *testing.T) {
	object := readFile(t, "../bpf/examples/l4lb.el.o")
	opts := rewrite.Options{NIC: "i40e", Reach: rewrite.Meta}
	require.NoError(t, checkPasses(object, opts, nil))
	plants := map[string]struct {
		spoil func(u *code.Unit)
		want  string
	}{
		"touch": {func(u *code.Unit) { program(u).Insns[2].Dst ^= 1 }, "kept instruction"},
		"fold":  {func(u *code.Unit) { drop(program(u), isExit) }, "function end"},
		"lower": {func(u *code.Unit) { fetched(program(u)).Offset += 64 }, "descriptor load"},
		"clean": {func(u *code.Unit) { drop(program(u), isTest) }, "descriptor load"},
		"strip": {func(u *code.Unit) { clobber(program(u)) }, "preserved register"},
	}
	for pass, p := range plants {
		t.Run(pass, func(t *testing.T) {
			err := checkPasses(object, opts, func(now string, u *code.Unit) {
				if now == pass {
					p.spoil(u)
				}
			})
			var broken *brokenPass
			require.ErrorAs(t, err, &broken)
			require.Equal(t, pass, broken.pass)
			require.True(t, slices.ContainsFunc(broken.vs, func(v verifier.Violation) bool { return v.Invariant == p.want }), "%v", err)
		})
	}
}

// program is the first function that inserted code is in, or the first.
func program(u *code.Unit) *code.Func {
	for _, f := range u.Funcs {
		if slices.ContainsFunc(f.Insns, func(in code.Insn) bool { return in.Origin < 0 }) {
			return f
		}
	}
	return u.Funcs[0]
}

func isExit(in *code.Insn) bool { return in.IsExit() }

// isTest tells of the comparison of the descriptor's end with the packet's start.
func isTest(in *code.Insn) bool {
	return in.Origin < 0 && in.IsBranch() && in.OpCode == asm.JGT.Op(asm.RegSource)
}

// fetched is the first load of the descriptor.
func fetched(f *code.Func) *code.Insn {
	at := slices.IndexFunc(f.Insns, func(in code.Insn) bool { return isTest(&in) })
	for f.Insns[at].OpCode.Class() != asm.LdXClass {
		at++
	}
	return &f.Insns[at]
}

// clobber overwrites what the program keeps across calls, where the descriptor is
// fetched.
func clobber(f *code.Func) {
	e := code.NewEdit(f)
	at := slices.IndexFunc(f.Insns, func(in code.Insn) bool { return isTest(&in) })
	for r := asm.R6; r <= asm.R9; r++ {
		e.Insert(at, code.New(asm.Mov.Imm(r, 12345)))
	}
	e.Apply()
}

// drop takes out all such instructions.
func drop(f *code.Func, is func(*code.Insn) bool) {
	e := code.NewEdit(f)
	for i := range f.Insns {
		if is(&f.Insns[i]) {
			e.Replace(i)
		}
	}
	e.Apply()
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	return raw
}
