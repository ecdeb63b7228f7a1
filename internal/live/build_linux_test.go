package live

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/features"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/rewrite"
)

// work is a folder that all tests share, for what is built once.
var work string

func TestMain(m *testing.M) {
	var err error
	if work, err = os.MkdirTemp("", "hintjit-live-"); err != nil {
		fmt.Fprintln(os.Stderr, "live:", err)
		os.Exit(1)
	}
	loadVeth()
	code := m.Run()
	if err := os.RemoveAll(work); err != nil {
		fmt.Fprintln(os.Stderr, "live:", err)
		code = 1
	}
	os.Exit(code)
}

// loadVeth makes a device, which ends with the process that makes it: where veth is a
// module its types come with it, and objects are loaded before a test has devices.
// What does not work here, tests find out.
func loadVeth() {
	ip := exec.Command("ip", "link", "add", "type", "veth")
	ip.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	_ = ip.Run()
}

// types are the running kernel's, which take longer to read than a program to load.
var types = btf.NewCache()

// A subject is a way of getting hints. Its object has the programs of
// testdata/subject.h, and every subject goes through the same tests.
type subject struct {
	name   string
	object func(t testing.TB) []byte
}

var subjects = []subject{
	{name: "by hand", object: func(t testing.TB) []byte { return object(t, "byhand") }},
	{name: "rewritten", object: func(t testing.TB) []byte { // for any kernel
		return rewritten(t, rewrite.Options{NIC: "veth"})
	}},
	{name: "rewritten for this kernel", object: func(t testing.TB) []byte {
		return rewritten(t, rewrite.Options{NIC: "veth", Kernel: thisKernel(t)})
	}},
	{name: "rewritten with guard strict", object: func(t testing.TB) []byte {
		return rewritten(t, rewrite.Options{NIC: "veth", Guard: rewrite.GuardStrict})
	}},
}

// each runs a test for every subject that there is.
func each(t *testing.T, test func(t *testing.T, s *subject)) {
	for _, s := range subjects {
		t.Run(s.name, func(t *testing.T) {
			test(t, &s)
		})
	}
}

var runningKernel = sync.OnceValues(rewrite.RunningKernel)

// thisKernel is the types that the kernel says it has.
func thisKernel(t testing.TB) *rewrite.Kernel {
	t.Helper()
	kernel, err := runningKernel()
	if err != nil {
		t.Skipf("the kernel tells nothing of its types: %v", err)
	}
	return kernel
}

// rewritten is testdata/subject.c after a rewrite.
func rewritten(t testing.TB, opts rewrite.Options) []byte {
	t.Helper()
	opts.Strict = true
	out, _, err := rewrite.Object(object(t, "subject"), opts)
	require.NoError(t, err)
	return out
}

// collection is the subject as loaded. The namespace does not matter.
func (s *subject) collection(t testing.TB, verdict int32) *ebpf.Collection {
	t.Helper()
	return loaded(t, s.object(t), map[string]any{"verdict": verdict})
}

// loaded is an object as loaded, with these of its constants set.
func loaded(t testing.TB, object []byte, constants map[string]any) *ebpf.Collection {
	t.Helper()
	needKernel(t)
	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(object))
	require.NoError(t, err)
	for name, value := range constants {
		require.NoError(t, spec.Variables[name].Set(value))
	}
	coll, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{Cache: types})
	require.NoError(t, err)
	t.Cleanup(coll.Close)
	if jumps := coll.Maps["jumps"]; jumps != nil {
		require.NoError(t, jumps.Put(uint32(0), coll.Programs["tailed"]))
	}
	return coll
}

// objects is where compiled programs are kept: in the folder that
// HINTJIT_LIVE_OBJECTS names if it does, for machines without a compiler.
func objects() string {
	if dir := os.Getenv("HINTJIT_LIVE_OBJECTS"); dir != "" {
		return dir
	}
	return work
}

// Every program can be compiled. With HINTJIT_LIVE_OBJECTS set, they are there for
// another machine then.
func TestObjects(t *testing.T) {
	sources, err := filepath.Glob("testdata/*.c")
	require.NoError(t, err)
	require.NotEmpty(t, sources)
	for _, source := range sources {
		object(t, strings.TrimSuffix(filepath.Base(source), ".c"))
	}
}

// object is testdata/NAME.c compiled, which is done once.
func object(t testing.TB, name string) []byte {
	t.Helper()
	path := filepath.Join(objects(), name+".o")
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		compile(t, "testdata/"+name+".c", path)
	}
	object, err := os.ReadFile(path)
	require.NoError(t, err)
	return object
}

func compile(t testing.TB, source, path string) {
	t.Helper()
	needTool(t, "clang-19", "compiles the programs")
	headers, err := filepath.Glob("/usr/include/*/asm/types.h") // Debian's folder of the machine
	require.NoError(t, err)
	if _, err := os.Stat("/usr/include/bpf/bpf_helpers.h"); err != nil || len(headers) == 0 {
		t.Skip("the kernel's or libbpf's headers are not installed, the programs include them")
	}
	run(t, "clang-19", "-target", "bpfel", "-mcpu=v3", "-O2", "-g", "-Wall", "-Werror",
		"-I", filepath.Dir(filepath.Dir(headers[0])), "-c", source, "-o", path)
}

func needKernel(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("loading programs and making namespaces needs root")
	}
	if err := features.HaveProgramType(ebpf.XDP); err != nil {
		t.Skipf("the kernel loads no XDP programs: %v", err)
	}
}

func needTool(t testing.TB, name, use string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed, it %s", name, use)
	}
}

// run executes a tool, in the namespaces of the goroutine's thread, and returns
// what it printed.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %s\n%s", name, strings.Join(args, " "), out)
	return string(out)
}
