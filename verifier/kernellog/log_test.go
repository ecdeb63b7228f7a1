package kernellog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func logFile(series, name string) string {
	return filepath.Join("testdata/logs", series, strings.ReplaceAll(name, " ", "-")+".txt")
}

// check holds what is read out of a text against what the refusal is for.
func (r *refusal) check(t *testing.T, text string) {
	t.Helper()
	log, err := Parse(text)
	require.NoError(t, err, text)
	require.NotNil(t, log.Reason, "no reason for %q in\n%s", log.Says, text)
	if log.Reason.Says[0] != r.also {
		require.Equal(t, r.reason, log.Reason.Says[0], text)
	}
	if r.insn != somewhere {
		require.Equal(t, r.insn, log.Insn, text)
	}
	require.NotEmpty(t, log.Says)
	if len(r.code) > 0 {
		require.Equal(t, "p", log.Program, text)
	}
	last := -1
	for _, s := range log.Steps {
		if s.Known && s.Slot < len(r.code) && len(r.maps) == 0 { // with maps there are wide loads
			require.Equal(t, byte(r.code[s.Slot].OpCode), s.Opcode, text)
		}
		last = s.Slot
	}
	if log.Insn >= 0 && last >= 0 && !strings.Contains(log.Reason.Says[0], "insn %d") {
		require.Equal(t, last, log.Insn)
	}
}

// What other kernels said to the same programs, in internal/vm, is read as well.
func TestLogs(t *testing.T) {
	kernels, err := filepath.Glob("testdata/logs/*")
	require.NoError(t, err)
	require.NotEmpty(t, kernels)
	for _, kernel := range kernels {
		for i := range refusals {
			r := &refusals[i]
			text, err := os.ReadFile(logFile(filepath.Base(kernel), r.name))
			if err != nil {
				continue // this kernel has no such function, or takes too long
			}
			t.Run(filepath.Base(kernel)+"/"+r.name, func(t *testing.T) { r.check(t, string(text)) })
		}
	}
}
