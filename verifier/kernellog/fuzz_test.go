package kernellog

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
)

// FuzzParse: whatever a text is, it is read without a fault, and what comes out can be
// shown.
func FuzzParse(f *testing.F) {
	kernels, err := filepath.Glob(logsOf("*"))
	require.NoError(f, err)
	for _, kernel := range kernels {
		said, err := txtar.ParseFile(kernel)
		require.NoError(f, err)
		for _, log := range said.Files {
			f.Add(string(log.Data))
		}
	}
	for _, c := range framed {
		f.Add(c.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		log, err := Parse(text)
		if err != nil {
			return
		}
		require.NotEmpty(t, log.Says)
		for _, s := range log.Says {
			require.NotContains(t, s, "\n")
		}
		require.GreaterOrEqual(t, log.Insn, -1)
		require.LessOrEqual(t, log.Insn, maxSlot)
		require.Equal(t, log.Reason == nil && log.Report == nil, log.Means()+log.Do() == "" && log.Report == nil)
		require.LessOrEqual(t, len(log.Steps), strings.Count(text, "(")+strings.Count(text, "<"))
	})
}

// framed is how loaders show a refusal.
var framed = []struct {
	name, text    string
	program, says string // the first sentence
	insn          int
	reason        string
}{
	{"the log alone", "0: R1=ctx() R10=fp0\n0: (95) exit\nR0 !read_ok\nprocessed 1 insns (limit 1000000)\n", "", "R0 !read_ok", 0, "R0 !read_ok"},
	{"bpftool, libbpf 1.1", `libbpf: prog 'p': BPF program load failed: Permission denied
libbpf: prog 'p': -- BEGIN PROG LOAD LOG --
; int p(struct xdp_md *ctx) @ p.c:3
0: (95) exit
R0 !read_ok
processed 1 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
-- END PROG LOAD LOG --
libbpf: prog 'p': failed to load: -13
libbpf: failed to load object 'p.o'
Error: failed to load object file
Warning: bpftool is now running in libbpf strict mode
`, "p", "R0 !read_ok", 0, "R0 !read_ok"},
	{"two programs, the second refused", `libbpf: prog 'first': -- BEGIN PROG LOAD LOG --
0: (b7) r0 = 2
1: (95) exit
processed 2 insns (limit 1000000)
-- END PROG LOAD LOG --
libbpf: prog 'second': BPF program load failed: Invalid argument
libbpf: prog 'second': -- BEGIN PROG LOAD LOG --
unreachable insn 7
processed 0 insns (limit 1000000)
-- END PROG LOAD LOG --
`, "second", "unreachable insn 7", 7, "unreachable insn %d"},
	{"cilium/ebpf, on one line", `loading: program p: load program: permission denied: 0: (95) exit: R0 !read_ok (2 line(s) omitted)`,
		"p", "loading: program p: load program: permission denied: 0: (95) exit: R0 !read_ok (2 line(s) omitted)", -1, "R0 !read_ok"},
	{"cilium/ebpf, %+v", "program p: load program: permission denied:\n\t0: R1=ctx() R10=fp0\n\t0: (95) exit\n\tR0 !read_ok\n\tprocessed 1 insns (limit 1000000)\n",
		"p", "R0 !read_ok", 0, "R0 !read_ok"},
	{"a sentence behind a branch", "4: (45) if r0 & 0x1 goto pc+1 BPF program is too large. Processed 1000001 insn\nprocessed 1000001 insns\n",
		"", "BPF program is too large. Processed 1000001 insn", -1, "BPF program is too large. Processed %d insn"},
	{"what is said on the way", "arg#0 reference type('UNKNOWN ') size cannot be determined: -22\n0: R1=ctx() R10=fp0\n0: (95) exit\nR0 !read_ok\n",
		"", "R0 !read_ok", 0, "R0 !read_ok"},
	{"a state behind a branch", "4: (45) if r0 & 0x1 goto pc+1 6: R0=scalar() R10=fp0\n6: (95) exit\nR0 leaks addr as return value\n",
		"", "R0 leaks addr as return value", 6, "'struct %s' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN"},
	{"libbpf's names of errors, 1.6", "libbpf: prog 'p': BPF program load failed: -EPERM\nlibbpf: prog 'p': failed to load: -EPERM\n",
		"p", "libbpf: prog 'p': BPF program load failed: -EPERM", -1, "BPF_PROG_LOAD: EPERM"},
	{"libbpf's map", "libbpf: map 'm': failed to create: Operation not permitted(-1)\nlibbpf: failed to load object 'p.o'\n",
		"", "libbpf: map 'm': failed to create: Operation not permitted(-1)", -1, "BPF_MAP_CREATE: EPERM"},
	{"BTF that libbpf does without", "libbpf: Error loading .BTF into kernel: -22. BTF is optional, ignoring.\nlibbpf: map 'm': failed to create: Argument list too long(-7)\n",
		"", "libbpf: map 'm': failed to create: Argument list too long(-7)", -1, "BPF_MAP_CREATE: E2BIG"},
	{"a sentence that nobody knows", "libbpf: prog 'p': -- BEGIN PROG LOAD LOG --\n3: (95) exit\nthe moon is in the wrong place\nprocessed 1 insns\n",
		"p", "the moon is in the wrong place", 3, ""},
}

func TestFramed(t *testing.T) {
	for _, c := range framed {
		t.Run(c.name, func(t *testing.T) {
			log, err := Parse(c.text)
			require.NoError(t, err)
			require.Equal(t, c.program, log.Program)
			require.Equal(t, c.says, log.Says[0])
			require.Equal(t, c.insn, log.Insn)
			if c.reason == "" {
				require.Nil(t, log.Reason)
				require.Empty(t, log.Means())
				return
			}
			require.NotNil(t, log.Reason)
			require.Equal(t, c.reason, log.Reason.Says[0])
		})
	}
	for _, text := range []string{"", "hello\n", "0: (95) exit\nprocessed 1 insns (limit 1000000)\n", "Error: no such file\n", "\x00\x00"} {
		_, err := Parse(text)
		require.ErrorIs(t, err, ErrNoRefusal, "%q", text)
	}
}

// What kernels from 7.3 on add to a sentence is kept, and stands in for the table
// where it knows no better.
func TestReport(t *testing.T) {
	log, err := Parse(`3: (95) exit
the moon is in the wrong place

Verification failed: Astronomy: Moon

Reason:
  The moon is where it
  should not be.

At:
  insn 2
       | ^-- error: moon

Causal path:
  insn 1

Suggestion:
  Move it.

processed 1 insns
`)
	require.NoError(t, err)
	require.Nil(t, log.Reason)
	require.Equal(t, &Report{Title: "Astronomy: Moon", Reason: "The moon is where it should not be.", Suggestion: "Move it."}, log.Report)
	require.Equal(t, 2, log.Insn)
	require.Equal(t, []string{"the moon is in the wrong place"}, log.Says)
	require.Equal(t, "The moon is where it should not be.", log.Means())
	require.Equal(t, "Move it.", log.Do())
}
