package rewrite_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/chance"
	"github.com/hintjit/hintjit/rewrite"
)

// So many files of so many programs are tried in one run of TestRandomPrograms.
const randomFiles, programsPerFile, packetsPerProgram = 12, 20, 40

// Programs that nobody thought of do after rewriting what they do before it,
// where hintjit_rx is a function that returns a struct filled from the truth.
func TestRandomPrograms(t *testing.T) {
	rng := chance.Rand(t)
	all := nics(t)
	machines := slices.Concat(runnable, foreign)
	for i := range randomFiles {
		n, m := all[rng.IntN(len(all))], machines[rng.IntN(len(machines))]
		packets := samples(rng, n.descriptor)
		rng.Shuffle(len(packets), func(i, j int) { packets[i], packets[j] = packets[j], packets[i] })
		packets = packets[:min(len(packets), packetsPerProgram)]
		file := generate(rng, n, packets, programsPerFile)
		t.Run(fmt.Sprintf("%d/%s/%s", i, n, m), func(t *testing.T) {
			t.Parallel()
			object := compileText(t, file.text, m)
			before := newInterpreter(t, compileText(t, file.plain(), m), m.order())
			before.answerRecords(t, n)
			_, _, err := rewrite.Object(object, n.options())
			if mayRefuse(err) {
				t.Skip(err)
			}
			require.NoError(t, err, "%s", file.text)
			after := runnerOf(t, object, n, m, true)
			for name, text := range file.programs {
				for _, s := range packets {
					want, err := before.run(name, s)
					require.NoError(t, err, "program %s, metadata %x\n%s", name, s.meta, text)
					if list := after(name, s).differ(want); list != nil {
						t.Fatalf("%s: %q\nmetadata %x\npacket %x\nhints %v\n%s", name, list, s.meta, s.packet, s.hints(m.order()), text)
					}
				}
			}
		})
	}
}

// The same with the hints at the end of a walk.
func TestRandomProgramsWalked(t *testing.T) {
	rng := chance.Rand(t)
	all := walks(t, rng)
	machines := slices.Concat(runnable, foreign)
	for i := range randomFiles {
		w, m := all[rng.IntN(len(all))], machines[rng.IntN(len(machines))]
		packets := worlds(rng, w.kernel)
		rng.Shuffle(len(packets), func(i, j int) { packets[i], packets[j] = packets[j], packets[i] })
		packets = packets[:min(len(packets), packetsPerProgram)]
		file := generate(rng, w.nic, packets, programsPerFile)
		t.Run(fmt.Sprintf("%d/%s/%s", i, w, m), func(t *testing.T) {
			t.Parallel()
			before := newInterpreter(t, compileText(t, file.plain(), m), m.order())
			before.answerRecords(t, w.nic)
			rewritten, _, err := rewrite.Object(compileText(t, file.text, m),
				rewrite.Options{Layout: w.layout, Descriptor: w.descriptor.Name, Reach: rewrite.Walk, Kernel: w.types})
			if mayRefuse(err) {
				t.Skip(err)
			}
			require.NoError(t, err, "%s", file.text)
			after := newInterpreter(t, rewritten, m.order())
			require.NoError(t, w.kernel.Answer(after.unit))
			for name, text := range file.programs {
				for _, s := range packets {
					want, err := before.run(name, s)
					require.NoError(t, err, "program %s, record %x\n%s", name, s.world.Record, text)
					got, err := after.run(name, s)
					require.NoError(t, err, "program %s, record %x\n%s", name, s.world.Record, text)
					if list := got.differ(want); list != nil {
						t.Fatalf("%s: %q\nrecord %x\nhints %v\n%s", name, list, s.world.Record, s.hints(m.order()), text)
					}
				}
			}
		})
	}
}

// mayRefuse tells of an error that a generated program can not help: frames
// that are too large together, bit-fields and members that clang reads by computed
// addresses, and what looks like a way to the metadata area.
func mayRefuse(err error) bool {
	if err == nil {
		return false
	}
	for _, reason := range []string{"hints kept on the stack", "keeping the hints takes", "it can not be told which bytes hold it", "may have changed its metadata area",
		"uses the hint pointer as a number"} {
		if strings.Contains(err.Error(), reason) {
			return true
		}
	}
	return false
}
