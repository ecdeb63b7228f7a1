package kernellog

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
)

// logsOf is what a kernel of that series said to the refusals, each under its name.
func logsOf(series string) string { return filepath.Join("testdata/logs", series+".txtar") }

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
	kernels, err := filepath.Glob(logsOf("*"))
	require.NoError(t, err)
	require.Greater(t, len(kernels), 3)
	byName := map[string]*refusal{}
	for i := range refusals {
		byName[refusals[i].name] = &refusals[i]
	}
	for _, kernel := range kernels {
		said, err := txtar.ParseFile(kernel)
		require.NoError(t, err)
		require.Greater(t, len(said.Files), 30, "%s", kernel)
		for _, log := range said.Files {
			t.Run(strings.TrimSuffix(filepath.Base(kernel), ".txtar")+"/"+log.Name, func(t *testing.T) {
				require.Contains(t, byName, log.Name)
				byName[log.Name].check(t, string(log.Data))
			})
		}
	}
}
