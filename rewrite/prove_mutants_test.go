package rewrite_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/internal/code"
	"github.com/hintjit/hintjit/rewrite"
	"github.com/hintjit/hintjit/verifier"
	"github.com/hintjit/hintjit/verifier/prove"
)

// mutate changes an instruction the way a mistake would and says how, "" when
// there is nothing to change.
func mutate(rng *rand.Rand, in *code.Insn) string {
	class := in.OpCode.Class()
	switch {
	case in.IsCall() || in.IsExit() || in.IsGoto() || in.OpCode.IsDWordLoad():
		return ""
	case class.IsJump():
		if rng.IntN(2) == 0 && in.OpCode.Source() == asm.ImmSource {
			in.Constant ^= 1 << rng.IntN(8)
			return "another constant compared"
		}
		opposite := map[asm.JumpOp]asm.JumpOp{asm.JEq: asm.JNE, asm.JNE: asm.JEq, asm.JGT: asm.JGE, asm.JGE: asm.JGT,
			asm.JLT: asm.JLE, asm.JLE: asm.JLT, asm.JSet: asm.JEq}
		op, ok := opposite[in.OpCode.JumpOp()]
		if !ok {
			return ""
		}
		in.OpCode = in.OpCode.SetJumpOp(op)
		return "another comparison"
	case class == asm.LdXClass:
		in.Offset += int16(1 - 2*rng.IntN(2))
		return "another offset"
	case class.IsALU() && in.OpCode.ALUOp() == asm.Swap:
		in.Instruction = asm.Mov.Reg(in.Dst, in.Dst)
		return "no byte swap"
	case class.IsALU() && in.OpCode.Source() == asm.ImmSource:
		if rng.IntN(3) == 0 {
			in.Instruction = asm.Mov.Reg(in.Dst, in.Dst)
			return "left out"
		}
		in.Constant ^= 1 << rng.IntN(5)
		return "another constant"
	case class.IsALU() && in.OpCode.ALUOp() == asm.Mov && in.Dst != in.Src:
		in.Src = in.Dst
		return "left out"
	}
	return ""
}

// Faults in rewritten code: what the prover calls right does nothing else on any
// packet that is tried, and where it gives a counterexample, running both programs
// on it shows the difference.
func TestProverOnMutants(t *testing.T) {
	rng := chance.Rand(t)
	const each = 8
	var found, proved, undecided int
	for _, n := range chance.Some(fmt.Sprint(rng.Uint64()), nics(t), 8) { // others in each run
		source := everyHintSource(t, rng, n.descriptor, hintPrograms(n.descriptor))
		packets := samples(rng, n.descriptor)
		for _, m := range []machine{runnable[2], foreign[2]} {
			object := compileText(t, source, m)
			rewritten, _, err := rewrite.Object(object, n.options())
			require.NoError(t, err)
			before, err := verifier.ReadObject(object)
			require.NoError(t, err)
			original := newInterpreter(t, object, m.order())
			original.answerRecords(t, n)
			for range each {
				after, err := verifier.ReadObject(rewritten)
				require.NoError(t, err)
				changed := newInterpreter(t, rewritten, m.order())
				f := rng.IntN(len(after.Unit.Funcs))
				fn := after.Unit.Funcs[f]
				i := rng.IntN(len(fn.Insns))
				how := mutate(rng, &fn.Insns[i])
				if how == "" {
					continue
				}
				changed.unit.Funcs[f].Insns[i].Instruction = fn.Insns[i].Instruction
				r, err := prove.Program(before, after, fn.Name, prove.Meaning{Descriptor: n.descriptor}, prove.Limits{})
				require.NoError(t, err)
				what := fmt.Sprintf("%s %s: %s, instruction %d %v: %s\n%v\n%+v", n, m, fn.Name, i, fn.Insns[i].Instruction, how, r, r.Counterexample)
				switch {
				case r.Proved:
					proved++
					for _, s := range packets {
						require.Empty(t, differs(t, original, changed, fn.Name, s), "%s\nmetadata %x", what, s.meta)
					}
				case r.Counterexample != nil && r.Counterexample.Certain:
					found++
					s := sample{meta: r.Counterexample.Meta, packet: r.Counterexample.Packet, descriptor: n.descriptor}
					require.NotEmpty(t, differs(t, original, changed, fn.Name, s), "%s\nmetadata %x", what, s.meta)
				default:
					t.Log(what)
					undecided++
				}
			}
		}
	}
	t.Logf("%d mutants have a counterexample, %d do the same, %d are undecided", found, proved, undecided)
	require.Greater(t, found, proved+undecided)
}

// differs says how two programs differ on a packet; that one of them can not go on
// is a difference.
func differs(t *testing.T, original, changed *interpreter, program string, s sample) []string {
	t.Helper()
	want, err := original.run(program, s)
	require.NoError(t, err, "the original")
	got, err := changed.run(program, s)
	if err != nil {
		return []string{err.Error()}
	}
	return got.differ(want)
}

// The same in the code of walks: what the prover calls right reads what the record
// says, in a driver's memory laid out by chance. All else it refuses.
func TestProverOnWalkMutants(t *testing.T) {
	rng := chance.Rand(t)
	const each = 6
	var refused, proved int
	for i, w := range chance.Some(fmt.Sprint(rng.Uint64()), walks(t, rng), 20) {
		m := []machine{runnable[2], foreign[2]}[i%2]
		programs := hintPrograms(w.descriptor)
		p := hintProgram{"two", false, programs[0].Hints[:min(2, len(programs[0].Hints))]}
		object := compileText(t, everyHintSource(t, rng, w.descriptor, []hintProgram{p}), m)
		rewritten, _, err := rewrite.Object(object, rewrite.Options{Layout: w.layout, Descriptor: w.descriptor.Name, Reach: rewrite.Walk, Kernel: w.types})
		require.NoError(t, err)
		packets := worlds(rng, w.kernel)
		before, err := verifier.ReadObject(object)
		require.NoError(t, err)
		for range each {
			after, err := verifier.ReadObject(rewritten)
			require.NoError(t, err)
			require.NoError(t, w.kernel.Answer(after.Unit))
			fn := after.Unit.Funcs[0]
			i := rng.IntN(len(fn.Insns))
			how := mutate(rng, &fn.Insns[i])
			if how == "" {
				continue
			}
			r, err := prove.Program(before, after, fn.Name, prove.Meaning{Descriptor: w.descriptor, Kernel: w.kernel, Guarded: true}, prove.Limits{})
			require.NoError(t, err)
			if !r.Proved {
				refused++
				continue
			}
			proved++
			in := newInterpreter(t, rewritten, m.order())
			require.NoError(t, w.kernel.Answer(in.unit))
			in.unit.Funcs[0].Insns[i].Instruction = fn.Insns[i].Instruction
			for _, s := range packets {
				want := expect(s, w.nic, m.order())
				want.out(want.both(p.Hints...)...)
				got, err := in.run(p.Name, s)
				require.NoError(t, err, "%s %s: instruction %d: %s", w, m, i, how)
				require.Empty(t, got.differ(want.outcome), "%s %s: instruction %d %v: %s", w, m, i, fn.Insns[i].Instruction, how)
			}
		}
	}
	t.Logf("%d mutants are not proved, %d do the same", refused, proved)
	require.Greater(t, refused, proved)
}
