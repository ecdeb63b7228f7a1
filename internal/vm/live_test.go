package vm

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/hintjit/hintjit/internal/vm/job"
)

// Where things are in the guest.
const (
	liveBinary  = "/live.test"
	liveObjects = "/objects"
	liveTools   = "/bin"
)

// liveHere is the one test of internal/live that is run here and not in the guest: it
// compiles the objects, and the guest has no compiler.
const liveHere = "TestObjects"

// TestLive runs the tests of internal/live in the guest, all of them and as they are:
// there veth is a module, there are VLAN devices, and root may replace functions of
// programs, as libxdp does. What became of each test there is a subtest here.
func TestLive(t *testing.T) {
	all := kernels(t)
	files, names := liveFiles(t)
	for _, k := range all {
		t.Run(k.series, func(t *testing.T) {
			if !k.walks() {
				t.Skip("no walk is loaded by this kernel; that it refuses them by name is TestWalk's")
			}
			work := &job.Job{Command: &job.Command{
				Args: []string{liveBinary, "-test.v=test2json", "-test.skip=^" + liveHere + "$"},
				Env:  []string{"PATH=" + liveTools, "HINTJIT_LIVE_OBJECTS=" + liveObjects},
			}}
			r := boot(t, k, wire{port: hub.port}, []string{"veth", "8021q"}, work, files.clone())
			require.Contains(t, work.Modules, "/modules/veth.ko", "veth is built in: that is tested without a guest")
			root := readTests(t, r.output)
			root.replay(t)
			for _, name := range names {
				assert.NotNil(t, root.child(name), "the guest said nothing about %s", name)
			}
			require.NotNil(t, r.exit, "the guest does not say how the tests ended")
			if *r.exit != 0 {
				t.Errorf("in the guest, the tests ended with %d: %s", *r.exit, root.output.String())
			}
		})
	}
}

// liveFiles are the guest's, and the names of the tests that it is to run.
func liveFiles(t *testing.T) (initramfs, []string) {
	t.Helper()
	binary, err := static("test", "-c", "../live")
	require.NoError(t, err)
	files := initramfs{liveBinary: binary}
	for _, tool := range []string{"ip", "xdp-loader"} {
		require.NoError(t, files.addTool(filepath.Join(liveTools, tool), tool))
	}
	// libxdp has its folder built in: there it is to be in the guest too.
	found := files.addAll(t, "/usr/lib/*/bpf/xdp-dispatcher.o", "") + files.addAll(t, "/usr/lib*/bpf/xdp-dispatcher.o", "")
	require.NotZero(t, found, "libxdp's dispatcher is not where Debian has it; make deps installs it")

	path, objects := filepath.Join(t.TempDir(), "live.test"), t.TempDir()
	require.NoError(t, os.WriteFile(path, binary, 0o700))
	run := func(arg string) string {
		cmd := exec.Command(path, "-test.v", arg)
		cmd.Dir = "../live"
		cmd.Env = append(os.Environ(), "HINTJIT_LIVE_OBJECTS="+objects)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	said := run("-test.run=^" + liveHere + "$")
	require.NotZero(t, files.addAll(t, filepath.Join(objects, "*.o"), liveObjects), "no program was compiled:\n%s", said)
	names := strings.Fields(run("-test.list=^Test"))
	require.Contains(t, names, liveHere)
	return files, slices.DeleteFunc(names, func(name string) bool { return name == liveHere })
}

// addAll adds files of this machine, to a folder or, without one, where they are
// here. It returns how many.
func (files initramfs) addAll(t *testing.T, pattern, folder string) int {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	require.NoError(t, err)
	for _, path := range paths {
		at := path
		if folder != "" {
			at = filepath.Join(folder, filepath.Base(path))
		}
		files[at], err = os.ReadFile(path)
		require.NoError(t, err)
	}
	return len(paths)
}

// ran is a test that was run elsewhere, with its subtests in their order.
type ran struct {
	name     string
	children []*ran
	action   string // pass, fail or skip; empty when it did not get to its end
	elapsed  float64
	output   strings.Builder // without what testing says of the course of tests
}

func (r *ran) child(name string) *ran {
	for _, c := range r.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// readTests understands what a test binary prints with -test.v=test2json. What it
// returns is above all tests.
func readTests(t *testing.T, output []byte) *ran {
	t.Helper()
	cmd := exec.Command("go", "tool", "test2json", "-t") // with times
	cmd.Stdin = bytes.NewReader(output)
	events, err := cmd.Output()
	require.NoError(t, err)
	root := &ran{}
	for in := json.NewDecoder(bytes.NewReader(events)); in.More(); {
		var event struct {
			Action, Test, Output string
			Elapsed              float64
		}
		require.NoError(t, in.Decode(&event))
		r := root
		for _, name := range strings.FieldsFunc(event.Test, func(c rune) bool { return c == '/' }) {
			if r.child(name) == nil {
				r.children = append(r.children, &ran{name: name})
			}
			r = r.child(name)
		}
		switch event.Action {
		case "output":
			if !course.MatchString(event.Output) {
				r.output.WriteString(event.Output)
			}
		case "pass", "fail", "skip":
			r.action, r.elapsed = event.Action, event.Elapsed
		}
	}
	return root
}

var (
	// course is what testing prints of the course of tests.
	course = regexp.MustCompile(`^\s*(===|---) `)
	// place is what testing puts before a logged line.
	place = regexp.MustCompile(`(?m)^\s*\S+\.go:\d+: `)
)

// replay has a subtest for each test that was run, which ends as that did.
func (r *ran) replay(t *testing.T) {
	t.Helper()
	for _, c := range r.children {
		t.Run(c.name, func(t *testing.T) {
			c.replay(t)
			text := strings.TrimSpace(c.output.String())
			switch c.action {
			case "pass":
				t.Logf("in the guest: %.2f s. %s", c.elapsed, text)
			case "skip":
				t.Skip(place.ReplaceAllString(text, "")) // the reason, as if it were skipped here
			case "fail":
				t.Errorf("in the guest: %s", text)
			default:
				t.Errorf("in the guest it did not get to its end: %s", text)
			}
		})
	}
}

func TestReadTests(t *testing.T) {
	root := readTests(t, []byte(strings.Join([]string{
		"\x16=== RUN   TestA", "\x16=== RUN   TestA/b", "    a_test.go:1: needs c",
		"\x16--- PASS: TestA (1.25s)", "    \x16--- SKIP: TestA/b (0.00s)",
		"\x16=== RUN   TestD", "    d_test.go:1: no", "\x16--- FAIL: TestD (0.00s)",
		"\x16=== RUN   TestE", "E", ""}, "\n")))
	a := root.child("TestA")
	require.Equal(t, "pass", a.action)
	require.InDelta(t, 1.25, a.elapsed, 0.001)
	require.Equal(t, "skip", a.child("b").action)
	require.Equal(t, "    a_test.go:1: needs c\n", a.child("b").output.String())
	require.Equal(t, "fail", root.child("TestD").action)
	require.Contains(t, root.child("TestD").output.String(), "no")
	require.NotEqual(t, "pass", root.child("TestE").action, "it did not get to its end")
	require.Nil(t, root.child("TestF"))
}
