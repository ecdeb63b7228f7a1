package rewrite_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/rlimit"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/bpf"
	"github.com/hintjit/hintjit/rewrite"
)

// spoil changes an instruction after the rewrite, so that the kernel refuses it: the
// first that change takes for its own.
func spoil(t *testing.T, insns asm.Instructions, change func(in *asm.Instruction) bool) (slot int) {
	t.Helper()
	for i := range insns {
		if change(&insns[i]) {
			return slot
		}
		slot += int(insns[i].Width())
	}
	require.Fail(t, "there is no such instruction", "%v", insns)
	return -1
}

// What the kernel says of a collection's program is explained in Go, of the program's
// own instructions and of those that were inserted.
func TestExplain(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("loading programs needs root")
	}
	require.NoError(t, rlimit.RemoveMemlock())
	for _, test := range []struct {
		name     string
		spoil    func(in *asm.Instruction) bool
		says     string
		inserted bool
		text     string // of the source line
	}{
		{"own", func(in *asm.Instruction) bool { // *count += 1
			own := in.OpCode.Class() == asm.LdXClass && in.OpCode.Size() == asm.DWord && in.Src == asm.R0
			if own {
				in.Offset = 4096
			}
			return own
		}, "invalid access to map value", false, "*count += 1;"},
		{"inserted", func(in *asm.Instruction) bool { // the limit of what is read, too low
			limit := in.OpCode.Class() == asm.ALU64Class && in.OpCode.ALUOp() == asm.Add && in.Constant == 16
			if limit {
				in.Constant = 1
			}
			return limit
		}, "invalid access to packet", true, "const struct hintjit_rx *h = hintjit_rx(ctx);"},
	} {
		t.Run(test.name, func(t *testing.T) {
			object, err := bpf.Example("ptype_count", binary.NativeEndian)
			require.NoError(t, err)
			spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
			require.NoError(t, err)
			report, err := rewrite.Collection(spec, rewrite.Options{NIC: "i40e", Reach: rewrite.Meta})
			require.NoError(t, err)
			slot := spoil(t, spec.Programs["ptype_count"].Instructions, test.spoil)
			_, err = ebpf.NewCollection(spec)
			require.Error(t, err, "the kernel takes it")

			err = report.Explain(err)
			var refusal *rewrite.Refusal
			require.ErrorAs(t, err, &refusal)
			var verifier *ebpf.VerifierError
			require.True(t, errors.As(err, &verifier), "the loader's own error is lost")
			require.Equal(t, "ptype_count", refusal.Program)
			require.Contains(t, refusal.Says[0], test.says)
			require.NotEmpty(t, refusal.Means)
			place := refusal.Place
			require.NotNil(t, place)
			require.Equal(t, test.text, place.Text)
			require.Equal(t, test.inserted, place.Inserted)
			require.Regexp(t, `^ptype_count\.c:\d+: the kernel refuses program ptype_count: invalid access`, err.Error())
			if test.inserted {
				// The load is refused, which the limit does not cover any more.
				require.Greater(t, place.Insn, slot)
				require.Equal(t, "reads the descriptor for ptype", place.For)
				require.Contains(t, refusal.Do, "report it")
			} else {
				require.Equal(t, slot, place.Insn)
				require.NotContains(t, refusal.Do, "report it")
			}
			for _, near := range place.Near {
				require.NotEmpty(t, near.Text)
				if near.Insn == place.Insn {
					require.Equal(t, place.Inserted, near.Inserted)
				}
			}
		})
	}
}

// What is no refusal stays as it is.
func TestExplainOther(t *testing.T) {
	report := &rewrite.Report{}
	require.NoError(t, report.Explain(nil))
	err := errors.New("the file is damaged")
	require.Same(t, err, report.Explain(err))
	_, err = report.ExplainLog("nothing of the kind\n")
	require.ErrorContains(t, err, "no refusal in this text")
	_, err = rewrite.Untouched([]byte("no object"))
	var usage *rewrite.UsageError
	require.ErrorAs(t, err, &usage)
}

// The functions of a program stand where loaders put them: cilium/ebpf is asked here,
// libbpf in cmd/hintjit, with the kernel.
func TestImages(t *testing.T) {
	for _, source := range []string{"shapes/chain.c", "shapes/many_programs.c", "calls.c"} {
		object := compile(t, source, runnable[2])
		rewritten, report, err := rewrite.Object(object, rewrite.Options{NIC: "i40e", Reach: rewrite.Meta})
		require.NoError(t, err)
		spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(rewritten))
		require.NoError(t, err)
		for name, program := range spec.Programs {
			var opcodes []byte
			for i := range program.Instructions {
				opcodes = append(opcodes, byte(program.Instructions[i].OpCode))
				if program.Instructions[i].Width() == 2 {
					opcodes = append(opcodes, 0)
				}
			}
			require.Contains(t, rewrite.Images(report)[name], opcodes, name)
		}
	}
}
