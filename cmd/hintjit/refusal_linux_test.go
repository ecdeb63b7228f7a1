package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/rlimit"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/hintjit/hintjit/internal/nstest"
)

// loads is a program in Go that loads an object: this binary under another name.
const loads = "loads"

func init() { programs[loads] = func() { fmt.Print(ciliumSays(os.Args[1])) } }

// ciliumSays is what a program in Go prints that loads an object.
func ciliumSays(object string) string {
	coll, err := ebpf.LoadCollection(object)
	if err == nil {
		coll.Close()
		return ""
	}
	var refused *ebpf.VerifierError
	if errors.As(err, &refused) {
		return fmt.Sprintf("%v\n%+v\n", err, refused)
	}
	return err.Error()
}

// refusals are programs of testdata/refused that kernels do not take, each for a
// reason of its own, and how hintjit explain tells it: NAME.txt beside them.
var refusals = []struct {
	name   string
	source string // "": name
	flags  string // of rewrite, "-": it is not rewritten
	cilium bool   // not to be compared with cilium/ebpf, which says it in other words, or takes long
	whole  bool   // with all that loaders and objects can look like
	cap    bool   // loaded without CAP_PERFMON
}{
	{name: "bounds", flags: "--nic i40e --reach meta", whole: true},
	{name: "null", flags: "--nic i40e --reach meta"},
	{name: "leak", flags: "--nic i40e --reach meta"},
	{name: "stack", flags: "--nic i40e --reach meta"},
	// A million instructions, verified twice.
	{name: "ways", flags: "--nic i40e --reach meta", cilium: true},
	{name: "licence", flags: "--nic i40e --reach meta"},
	{name: "helper", flags: "--nic i40e --reach meta"},
	{name: "member", flags: "--nic i40e --reach meta", cilium: true},
	{name: "kfunc", flags: "--nic i40e --reach meta", cilium: true},
	{name: "map", flags: "--nic i40e --reach meta", cilium: true},
	{name: "not-rewritten", source: "hints", flags: "-", cilium: true, whole: true},
	{name: "no-way", source: "hints", flags: "--nic i40e", cilium: true, whole: true},
	{name: "other-kernel", source: "hints", flags: "--nic veth --btf KERNEL", cilium: true},
	{name: "no-perfmon", source: "hints", flags: "--nic veth", cap: true},
}

func TestRefusals(t *testing.T) {
	for _, tool := range []string{"clang-19", "bpftool"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed: it compiles or loads the programs", tool)
		}
	}
	here, err := os.Getwd()
	require.NoError(t, err)
	for _, c := range refusals {
		if c.source == "" {
			c.source = c.name
		}
		flags := strings.Fields(strings.Replace(c.flags, "KERNEL", filepath.Join(here, "../../internal/kernel/testdata/debian-6.12.117"), 1))
		t.Run(c.name, func(t *testing.T) {
			nstest.Isolate(t)
			require.NoError(t, rlimit.RemoveMemlock())
			source := filepath.Join(here, "testdata/refused", c.source+".c")
			compileRefused(t, source)
			object := c.source + ".o"
			if c.flags == "-" {
				flags = nil
			} else {
				object = "rewritten.o"
				command(t, exitDone, append([]string{"rewrite", c.source + ".o", "-o", object}, flags...)...)
			}
			explain := func(said string) string {
				require.NotEmpty(t, said, "the kernel takes it")
				require.NoError(t, os.WriteFile("log.txt", []byte(said), 0o600))
				return command(t, exitDone, append([]string{"explain", c.source + ".o", "log.txt"}, flags...)...)
			}
			if c.cap {
				compareRefusal(t, filepath.Join(here, "testdata/refused", c.name), source, explain(limited(t, object)))
				require.Empty(t, limited(t, object, unix.CAP_PERFMON), "with what it asks for it is taken")
				return
			}
			told := explain(bpftoolSays(object))
			compareRefusal(t, filepath.Join(here, "testdata/refused", c.name), source, told)
			if c.whole {
				require.Equal(t, withoutState(told), withoutState(explain(bpftoolSays(object, "-d"))), "another log level")
			}
			if !c.cilium {
				// It puts functions behind the program in another order.
				require.Equal(t, withoutNumbers(told), withoutNumbers(explain(ciliumSays(object))))
			}
			if !c.whole {
				return
			}
			// Of the rewritten object alone, all is told but what is inserted.
			require.NoError(t, os.WriteFile("log.txt", []byte(bpftoolSays(object)), 0o600))
			alone := command(t, exitDone, "explain", object, "log.txt")
			require.Equal(t, place.FindString(told), place.FindString(alone))
			require.Equal(t, c.flags != "-", strings.Contains(alone, "\n  note: which instructions hintjit put in is not known"), alone)
		})
	}
}

// place is the source line that an explanation names.
var place = regexp.MustCompile(`(?m)^  \w+\.c:(\d+): .*$`)

func compileRefused(t *testing.T, source string) {
	t.Helper()
	header, err := filepath.Abs("../../bpf")
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	include, err := filepath.Glob("/usr/include/*-linux-gnu")
	require.NoError(t, err)
	args := []string{"-target", "bpf", "-O2", "-g", "-mcpu=v3", "-I" + header, "-c", source}
	for _, folder := range include {
		args = append(args, "-I"+folder)
	}
	out, err := exec.Command("clang-19", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// bpftoolSays is what bpftool prints when it loads an object, which it is to fail.
func bpftoolSays(object string, flags ...string) string {
	out, err := exec.Command("bpftool", append(flags, "prog", "load", object, filepath.Join(nstest.BPFFS, "refused"))...).CombinedOutput()
	if err == nil {
		return ""
	}
	return string(out)
}

// limited is what cilium/ebpf says in a process with CAP_BPF, CAP_NET_ADMIN and those
// that are named, alone.
func limited(t *testing.T, object string, more ...uintptr) string {
	t.Helper()
	binary, err := os.Executable()
	require.NoError(t, err)
	var files []*os.File // that user may not look where they are
	for _, path := range []string{binary, object} {
		file, err := os.Open(path)
		require.NoError(t, err)
		defer file.Close()
		files = append(files, file)
	}
	cmd := exec.Command("/proc/self/fd/3")
	cmd.ExtraFiles = files
	cmd.Args = []string{loads, "/proc/self/fd/4"}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential:  &syscall.Credential{Uid: 65534, Gid: 65534},
		AmbientCaps: append(more, unix.CAP_BPF, unix.CAP_NET_ADMIN),
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// compareRefusal holds an explanation against the golden file, and what it names
// against the line that is marked in the source.
func compareRefusal(t *testing.T, golden, source, told string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(golden+".txt", []byte(withoutState(told)), 0o600))
	}
	want, err := os.ReadFile(golden + ".txt")
	require.NoError(t, err)
	have := withoutState(told)
	if !sameWords(t) {
		want, have = withoutWords(want), string(withoutWords([]byte(have)))
	}
	require.Equal(t, string(want), have, "go test ./cmd/hintjit -run TestRefusals -update writes it anew")

	text, err := os.ReadFile(source)
	require.NoError(t, err)
	marked := ""
	if before, _, found := bytes.Cut(text, []byte("/* at fault */")); found {
		marked = fmt.Sprint(bytes.Count(before, []byte("\n")) + 1)
	}
	named := ""
	if m := place.FindStringSubmatch(told); m != nil {
		named = m[1]
	}
	if named != "" || !strings.HasSuffix(golden, "not-rewritten") {
		require.Equal(t, marked, named, told)
	}
}

var (
	state   = regexp.MustCompile(`(?m) +; (frame\d+: ?)?R\d.*$`)
	numbers = regexp.MustCompile(`(?m)^(  [> ] [+ ]) +\d+:|goto \d+`)
	words   = regexp.MustCompile(`(?m)^  kernel: .*\n(?: {10}.*\n)*`)
)

// withoutState drops what the verifier knew: kernels write it in many ways.
func withoutState(told string) string { return state.ReplaceAllString(told, "") }

func withoutNumbers(told string) string {
	return numbers.ReplaceAllString(withoutState(told), "$1 N")
}

func withoutWords(told []byte) []byte { return words.ReplaceAll(told, nil) }

// sameWords tells whether this kernel speaks as the one that the golden files are of.
func sameWords(t *testing.T) bool {
	t.Helper()
	var name unix.Utsname
	require.NoError(t, unix.Uname(&name))
	return strings.HasPrefix(unix.ByteSliceToString(name.Release[:]), "6.18.")
}
