package vm

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/vm/job"
)

var update = flag.Bool("update", false, "write what the guests' verifiers say into testdata of verifier/kernellog")

// TestRefused runs the programs that kernels refuse, of verifier/kernellog, in the
// guest: every kernel has its own words, and they are to be understood.
func TestRefused(t *testing.T) {
	for _, k := range kernels(t) {
		t.Run(k.series, func(t *testing.T) {
			binary, err := static("test", "-c", "../../verifier/kernellog")
			require.NoError(t, err)
			work := &job.Job{Command: &job.Command{
				Args: []string{"/refused.test", "-test.v=test2json", "-test.short", "-test.run=^TestRefused$"},
				Env:  []string{"HINTJIT_KERNELLOG_PRINT=1"},
			}}
			r := boot(t, k, wire{port: hub.port}, nil, work, initramfs{"/refused.test": binary})
			if *update {
				writeLogs(t, filepath.Join("../../verifier/kernellog/testdata/logs", k.series+".txtar"), string(r.output))
			}
			root := readTests(t, r.output)
			root.replay(t)
			require.NotNil(t, root.child("TestRefused"), "the guest said nothing")
			require.NotNil(t, r.exit, "the guest does not say how the tests ended")
			require.Zero(t, *r.exit, "%s", root.output.String())
		})
	}
}

var printed = regexp.MustCompile(`(?m)^LOG (.*?) (".*")$`)

// writeLogs keeps what a kernel said, where verifier/kernellog reads it again.
func writeLogs(t *testing.T, file, output string) {
	t.Helper()
	var logs txtar.Archive
	for _, m := range printed.FindAllStringSubmatch(output, -1) {
		text, err := strconv.Unquote(m[2])
		require.NoError(t, err)
		logs.Files = append(logs.Files, txtar.File{Name: m[1], Data: []byte(text)})
	}
	require.NotEmpty(t, logs.Files)
	require.NoError(t, os.WriteFile(file, txtar.Format(&logs), 0o600))
}
